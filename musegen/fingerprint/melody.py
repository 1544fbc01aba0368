"""The fingerprint of a melody: runs of intervals of its top line, the same in any key and at any tempo."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from musegen.fingerprint.hashing import Index, chained
from musegen.labels import DRUMS, Notes

SHINGLE_INTERVALS = 12

_SHORTEST_TUNE_NOTES, _FEWEST_PITCHES = 6, 3
_BEAT_EVENTS, _FEWEST_BEATS = 32, 48
# Notes that begin within this share of the usual time between notes sound as one; no ratio of note values is near it.
_TOGETHER = 0.1037
_SHARED_SHARE = 0.5
# A figure that this many tracks play is an idiom of the style, not evidence of a common origin: unless the figures
# that are shared make up a whole passage.
_COMMONPLACE_TRACKS = 40
_PASSAGE_SHINGLES = 32
_NEIGHBOURS = 4


def melody(notes: Notes) -> NDArray[np.uint64]:
    """Sorted hashes of all runs of 12 melodic intervals of the top line, or of the whole tune with its rhythm where it
    has 6 to 12 notes.

    Where there are drums only: runs of 32 strokes and the relations of the times between them, if at least 48 differ;
    shorter loops are everybody's. Empty where there is nothing to tell a piece by.
    """
    pitched = notes.table[notes.table["program"] != DRUMS]
    if not len(pitched):
        return _beats(notes)
    onsets, starts = _onsets(pitched["onset_seconds"])
    top = np.maximum.reduceat(pitched["pitch"].astype(np.int64), starts)
    intervals = (np.diff(top) + 128).astype(np.uint64)
    if len(intervals) >= SHINGLE_INTERVALS:
        return np.unique(_runs([intervals], SHINGLE_INTERVALS))
    if len(top) < _SHORTEST_TUNE_NOTES or len(np.unique(top)) < _FEWEST_PITCHES:
        return np.empty(0, np.uint64)
    rhythm = _relations(onsets)
    return chained([intervals[:1], _runs([intervals[1:], rhythm], len(rhythm))])


def melody_links(melodies: Sequence[NDArray[np.uint64]]) -> list[tuple[int, int]]:
    """Pairs of tracks of which the shorter one has at least half of its shingles in common with the other.

    Shingles of more than 40 tracks don't count, unless 32 and more are shared.
    """
    links, firsts = [], dict[bytes, int]()
    for track, found in enumerate(melodies):
        # Equal melodies are one to begin with; else a family of copies would make its own melody commonplace.
        if len(found) and firsts.setdefault(found.tobytes(), track) != track:
            links.append((firsts[found.tobytes()], track))
    # Numbered by content, so that their order does not matter.
    numbers = [firsts[content] for content in sorted(firsts)]
    distinct = [melodies[number] for number in numbers]
    return links + [(numbers[one], numbers[other]) for one, other in _links(distinct)]


def _links(melodies: list[NDArray[np.uint64]]) -> list[tuple[int, int]]:
    index, lengths = Index(melodies), np.array([len(found) for found in melodies], np.int64)
    rare, common = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for step, (one, other) in enumerate(index.meetings(_COMMONPLACE_TRACKS - 1), 1):
        pairs = index.owners[one] * len(melodies) + index.owners[other]
        commonplace = index.sizes[one] > _COMMONPLACE_TRACKS
        rare.append(pairs[~commonplace])
        if step <= _NEIGHBOURS:
            common.append(np.unique(pairs[commonplace]))
    pairs, shared = np.unique(np.concatenate(rare), return_counts=True)
    ones, others = np.divmod(pairs, len(melodies) or 1)
    enough = shared >= _SHARED_SHARE * np.minimum(lengths[ones], lengths[others])
    passages = np.setdiff1d(np.concatenate(common), pairs[enough])
    links = list(zip(ones[enough].tolist(), others[enough].tolist(), strict=True))
    for one, other in zip(*(part.tolist() for part in np.divmod(passages, len(melodies) or 1)), strict=True):
        least = max(_PASSAGE_SHINGLES, _SHARED_SHARE * min(lengths[one], lengths[other]))
        if min(lengths[one], lengths[other]) >= least and _shared(melodies[one], melodies[other]) >= least:
            links.append((one, other))
    return links


def _shared(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> int:
    return len(np.intersect1d(one, other, assume_unique=True))


def _onsets(seconds: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """When something begins, and the index of the first note that does; `seconds` are sorted."""
    gaps = np.diff(seconds)
    by_length = np.sort(gaps)
    # Half of the time passes in gaps of at least this length, however many little ones there are in chords.
    usual = by_length[np.searchsorted(np.cumsum(by_length), by_length.sum() / 2)] if len(gaps) else 0.0
    starts = np.concatenate([[0], 1 + np.flatnonzero(gaps > _TOGETHER * usual)])
    return seconds[starts], starts


def _relations(onsets: NDArray[np.float64]) -> NDArray[np.uint64]:
    """How much longer each time between onsets is than the one before, in half octaves."""
    gaps = np.log2(np.diff(onsets))
    return np.asarray(np.rint(2 * np.diff(gaps)) + 128, np.uint64)


def _beats(notes: Notes) -> NDArray[np.uint64]:
    """Runs of drum strokes: which drums, and how much later than before."""
    if len(notes) < _BEAT_EVENTS + _FEWEST_BEATS:
        return np.empty(0, np.uint64)
    onsets, starts = _onsets(notes.table["onset_seconds"])
    drums = np.bitwise_or.reduceat(np.uint64(1) << (notes.table["pitch"].astype(np.uint64) % np.uint64(64)), starts)
    if len(onsets) < _BEAT_EVENTS + _FEWEST_BEATS:
        return np.empty(0, np.uint64)
    found = np.unique(_runs([drums[2:], _relations(onsets)], _BEAT_EVENTS))
    return found if len(found) >= _FEWEST_BEATS else np.empty(0, np.uint64)


def _runs(sequences: list[NDArray[np.uint64]], length: int) -> NDArray[np.uint64]:
    """Hashes of all runs of `length` places, in all sequences at once."""
    count = len(sequences[0]) - length + 1
    return chained([sequence[step : step + count] for step in range(length) for sequence in sequences])
