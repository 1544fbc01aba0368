"""Which sounds are versions of one recording: candidates share groups of landmarks, a look at all of these decides."""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.fingerprint.components import Components
from musegen.fingerprint.constellation import Agreement, Constellation, Move, agreement
from musegen.fingerprint.hashing import Index
from musegen.fingerprint.sound import STEPS_A_SEMITONE, hashes_of, times_of

# Transposed by at most seven semitones, slower or faster by at most a third.
_MOST_STEPS, _MOST_LOG_SPEED = 7 * STEPS_A_SEMITONE, 0.3
_CELL_STEPS, _CELL_LOG_SPEED = 4, 0.08
_NEAR_STEPS, _NEAR_LOG_SPEED = 2, 0.07
_ENTRIES_COMPARED = 2_000_000
_FEWEST_COMPARED = 128
_NEIGHBOURS = 4
_FEWEST_IN_A_CELL, _SMALL_CORPUS = 2, 1_000
# Candidates come in the order of what they share: after so many in a row that were none, the others are none either.
_PATIENCE = 2_000
_COMMON_GROUPS_ASKED, _GUESSES, _FAR_FRAMES = 200, 3, 100
_CONSTELLATIONS_KEPT = 500

_LEAST_POINTS, _LEAST_HITS, _LEAST_COVERED = 20, 15, 0.3
# What share must agree beyond chance, by how many points there are to agree.
_POINTS, _LEAST_SHARES = (20, 40, 60), (0.9, 0.75, 0.3)
_NEARLY_ALL, _MORE_THAN_A_LOOP = 0.75, 0.15
_MORE_WHERE_LESS_COVERED, _COVERED = 0.5, 0.7


def sound_links(sounds: Sequence[NDArray[Any]]) -> list[tuple[int, int]]:
    """Pairs of tracks that are versions of one recording; of many that are, enough pairs to connect them all."""
    links, firsts = [], dict[bytes, int]()
    for track, found in enumerate(sounds):
        if len(found) and firsts.setdefault(found.tobytes(), track) != track:
            links.append((firsts[found.tobytes()], track))
    # Numbered by content, so that their order does not matter.
    numbers = [firsts[content] for content in sorted(firsts)]
    distinct = [sounds[number] for number in numbers]
    return links + [(numbers[one], numbers[other]) for one, other in _links(distinct)]


def agrees(found: Agreement) -> bool:
    """Whether that is too much for recordings of different music: the more, the smaller the part that is in both.

    Unless nearly all agrees, it must be more than what lies on the repetitions of a loop, which other music may use.
    """
    covered = found.points / max(1, found.all_points)
    more = _MORE_WHERE_LESS_COVERED * max(0.0, _COVERED - covered)
    least = found.by_chance + found.richness * (float(np.interp(found.points, _POINTS, _LEAST_SHARES)) + more)
    least = max(least, min(_NEARLY_ALL, found.by_repetition + found.richness * _MORE_THAN_A_LOOP))
    enough = found.points >= _LEAST_POINTS and found.points * found.share >= _LEAST_HITS and covered >= _LEAST_COVERED
    return enough and found.share >= least


class _Compared:
    """What comparing takes of one sound."""

    def __init__(self, groups: NDArray[Any]) -> None:
        self.groups, self.hashes = groups, hashes_of(groups)
        self.lowest, self.spans = _frame_of_reference(groups)
        self.constellation = Constellation(groups)


def _links(sounds: list[NDArray[Any]]) -> Iterator[tuple[int, int]]:
    """The links between sounds that all differ; pairs that are connected already are not compared."""
    known = Components(len(sounds))
    compared = lru_cache(_CONSTELLATIONS_KEPT)(lambda track: _Compared(sounds[track]))
    in_vain = 0
    for one, other in _candidates(sounds):
        if known.of(one) == known.of(other):
            continue
        in_vain += 1
        if agrees(_compare(compared(one), compared(other))):
            known.join(one, other)
            in_vain = 0
            yield one, other
        if in_vain == _PATIENCE:
            return


def _candidates(sounds: list[NDArray[Any]]) -> Iterable[tuple[int, int]]:
    """Pairs that share groups at about the same transposition and speed, those that share most first.

    In a large corpus fewer groups of each are compared: those with the smallest hashes, the same ones in all copies.
    """
    most = max(_FEWEST_COMPARED, _ENTRIES_COMPARED // max(1, len(sounds)))
    index = Index([hashes_of(groups[:most]) for groups in sounds])
    if not len(index.entries):
        return []
    lowest, spans = _frame_of_reference(np.concatenate([groups[:most] for groups in sounds]))
    lowest, spans = lowest[index.entries].astype(np.int16), spans[index.entries]
    cells = [np.empty(0, np.int64)]
    for one, other in index.meetings(_NEIGHBOURS):
        steps, speeds = lowest[other] - lowest[one], np.log(spans[other] / spans[one])
        fit = (np.abs(steps) <= _MOST_STEPS) & (np.abs(speeds) <= _MOST_LOG_SPEED)
        pairs = index.owners[one[fit]] * len(sounds) + index.owners[other[fit]]
        cell = 16 * np.rint(steps[fit] / _CELL_STEPS) + np.rint(speeds[fit] / _CELL_LOG_SPEED)
        cells.append(256 * pairs + cell.astype(np.int64) + 128)
    found, counts = np.unique(np.concatenate(cells), return_counts=True)
    enough = counts >= (_FEWEST_IN_A_CELL if len(sounds) > _SMALL_CORPUS else 1)
    found, counts = found[enough] // 256, counts[enough]
    pairs = found[np.lexsort((found, -counts))]
    ones, others = np.divmod(pairs[np.sort(np.unique(pairs, return_index=True)[1])], len(sounds))
    return zip(ones.tolist(), others.tolist(), strict=True)


def _compare(one: _Compared, other: _Compared) -> Agreement:
    """The best agreement at some of the groups that both have, at the transposition and speed that most of them say."""
    _, mine, theirs = np.intersect1d(one.hashes, other.hashes, assume_unique=True, return_indices=True)
    steps = other.lowest[theirs] - one.lowest[mine]
    speeds = np.log(other.spans[theirs] / one.spans[mine])
    fit = np.flatnonzero((np.abs(steps) <= _MOST_STEPS) & (np.abs(speeds) <= _MOST_LOG_SPEED))[:_COMMON_GROUPS_ASKED]
    if not len(fit):
        return Agreement()
    steps, speeds = steps[fit], speeds[fit]
    near = (np.abs(steps[:, None] - steps) <= _NEAR_STEPS) & (np.abs(speeds[:, None] - speeds) <= _NEAR_LOG_SPEED)
    most = near[near.sum(axis=1).argmax()]
    here = one.groups["frame"][mine[fit]][most].astype(np.float64)
    there = other.groups["frame"][theirs[fit]][most].astype(np.float64)
    step, speed = int(np.median(steps[most])), float(np.exp(np.median(speeds[most])))
    found = []
    for guess, exact in _guesses(here, there, speed):
        start = Move(exact, there[guess] - exact * here[guess], step)
        found.append(agreement(one.constellation, other.constellation, start, here[guess]))
    return max(found, key=lambda each: (agrees(each), each.share * min(1.0, each.points / _POINTS[-1])))


def _guesses(here: NDArray[np.float64], there: NDArray[np.float64], speed: float) -> list[tuple[int, float]]:
    """The common groups in whose right distance most of the others lie, and the speed that these distances say."""
    apart, apart_there = here[:, None] - here, there[:, None] - there
    fit = np.abs(apart_there - speed * apart) <= 8 + _NEAR_LOG_SPEED * np.abs(apart)
    out = []
    for guess in np.argsort(-fit.sum(axis=1), kind="stable")[:_GUESSES].tolist():
        far = fit[guess] & (np.abs(apart[guess]) > _FAR_FRAMES)
        out.append((guess, float(np.median(apart_there[guess][far] / apart[guess][far])) if far.any() else speed))
    return out


def _frame_of_reference(groups: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Of each group the lowest pitch, in quarter semitones, and the time it takes, in frames."""
    return groups["pitches"].min(axis=1).astype(np.int64), times_of(groups)[:, 3].astype(np.float64)
