"""Landmarks: four notes that follow each other in one voice, hashed so that key and tempo don't matter.

After the symbolic fingerprints of Arzt, Böck and Widmer ("Fast identification of piece and score position via symbolic
fingerprinting", ISMIR 2012) and their transposition-invariant form (Arzt, Widmer, Sonnleitner, ISMIR 2014), which
Yin, Reuben, Stepney and Collins ("Measuring when a music generation algorithm copies too much", SN Computer Science
3:340, 2022) use for originality reports. Theirs join any notes near in time; ours follow voices: the next note is the
one nearest in pitch in the next onset, or in the one after it. So a landmark outlives notes put in between and voices
put beside it, and four notes tell far more than three: the index stays small enough to be searched in milliseconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.evaluation.originality.points import moments
from musegen.fingerprint.hashing import chained

KEPT = ((1, 1, 1), (1, 1, 2), (1, 2, 1), (2, 1, 1))
"""How many onsets further each step goes, in the landmarks of training pieces …"""
LOOKED_FOR = tuple((one, two, three) for one in (1, 2) for two in (1, 2) for three in (1, 2))
"""… and in those of a piece that is looked up: where it lacks or adds a note, one of its own meets one of theirs."""

LONGEST_SLOTS = 4095
HASH_BITS = 24
# Times between onsets are compared in half octaves; a ratio this near to a border counts on both sides of it.
_RATIOS_PER_OCTAVE, _BORDER = 2.0, 0.15


@dataclass(frozen=True, eq=False)
class Landmarks:
    """`hashes` uint32 (n,) below 2**24, `anchors` int64 (n,): index of the first note; `spans` float64 (n,): slots from
    the first note to the last."""

    hashes: NDArray[np.uint32]
    anchors: NDArray[np.int64]
    spans: NDArray[np.float64]


def landmarks(
    slots: NDArray[Any],
    pitches: NDArray[np.int64],
    drums: bool,
    chains: Sequence[tuple[int, int, int]],
    nudges: Sequence[float] = (0.0,),
) -> Landmarks:
    """All landmarks of notes in order of time, then pitch; drums keep their pitch, they know no key.

    With several `nudges` every landmark is hashed with its time ratios moved by each of them; equal ones stay once.
    """
    onsets = moments(slots)
    following = {step: _following(onsets, pitches, step) for step in (1, 2)}
    found = [_hashed(slots, pitches, drums, _chain(following, steps), nudges) for steps in chains]
    return Landmarks(*(np.concatenate(column) for column in zip(*found, strict=True)))


def tolerant(slots: NDArray[Any], pitches: NDArray[np.int64], drums: bool) -> Landmarks:
    """The landmarks by which a piece is looked up."""
    return landmarks(slots, pitches, drums, LOOKED_FOR, (0.0, -_BORDER, _BORDER))


def _following(onsets: NDArray[np.int64], pitches: NDArray[np.int64], step: int) -> NDArray[np.int64]:
    """For every note the one nearest in pitch that begins `step` onsets later, or -1; of two the higher."""
    keys = onsets * 256 + pitches
    wanted = keys + step * 256
    above = np.searchsorted(keys, wanted)
    below = above - 1
    above = np.minimum(above, len(keys) - 1)
    distance_above = np.where(onsets[above] == onsets + step, np.abs(keys[above] - wanted), 999)
    distance_below = np.where(onsets[below] == onsets + step, np.abs(keys[below] - wanted), 999)
    nearest = np.where(distance_above <= distance_below, above, below)
    return np.where(np.minimum(distance_above, distance_below) < 999, nearest, -1)


def _chain(following: dict[int, NDArray[np.int64]], steps: tuple[int, int, int]) -> NDArray[np.int64]:
    """Indices (n, 4) of the notes of all whole chains."""
    notes = np.arange(len(following[1]))[:, None]
    for step in steps:
        after = following[step][notes[:, -1]]
        notes = np.concatenate([notes, after[:, None]], axis=1)[after >= 0]
    return notes


def _hashed(
    slots: NDArray[Any],
    pitches: NDArray[np.int64],
    drums: bool,
    notes: NDArray[np.int64],
    nudges: Sequence[float],
) -> tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.float64]]:
    times = slots[notes].astype(np.float64)
    spans = times[:, -1] - times[:, 0]
    near = spans <= LONGEST_SLOTS
    notes, times, spans = notes[near], times[near], spans[near]
    ratios = np.diff(np.log2(np.diff(times, axis=1)), axis=1) * _RATIOS_PER_OCTAVE
    names = pitches[notes] if drums else np.diff(pitches[notes], axis=1) + 128
    fixed = chained([column.astype(np.uint64) for column in names.T]) if len(names) else np.empty(0, np.uint64)
    versions = [_with_rhythm(fixed, np.rint(ratios + nudge)) for nudge in nudges]
    fresh = [np.ones(len(notes), bool)]
    for index, version in enumerate(versions[1:], 1):
        fresh.append(np.logical_and.reduce([version != earlier for earlier in versions[:index]]))
    return (
        np.concatenate([version[new] for version, new in zip(versions, fresh, strict=True)]),
        np.concatenate([notes[new, 0] for new in fresh]),
        np.concatenate([spans[new] for new in fresh]),
    )


def _with_rhythm(fixed: NDArray[np.uint64], ratios: NDArray[np.float64]) -> NDArray[np.uint32]:
    rhythm = np.clip(ratios + 32, 0, 63).astype(np.uint64)
    hashes = chained([fixed, rhythm[:, 0], rhythm[:, 1]])
    return (hashes >> np.uint64(64 - HASH_BITS)).astype(np.uint32)
