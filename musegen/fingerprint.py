"""Which tracks are versions of the same piece, by what their melodies share."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from musegen.labels import DRUMS, Notes

SHINGLE_INTERVALS = 12
_SHARED_SHARE = 0.5
# A figure that this many tracks play is an idiom of the style, not evidence of a common origin.
_COMMONPLACE_TRACKS = 40
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


def shingles(notes: Notes) -> NDArray[np.uint64]:
    """Sorted hashes of all runs of 12 melodic intervals of the top line; the same in any key and tempo."""
    pitched = notes.table[notes.table["program"] != DRUMS]
    if len(pitched) <= SHINGLE_INTERVALS:
        return np.empty(0, np.uint64)
    order = np.lexsort((-pitched["pitch"], np.round(pitched["onset_seconds"], 2)))
    onsets = np.round(pitched["onset_seconds"][order], 2)
    top = pitched["pitch"][order][np.concatenate([[True], np.diff(onsets) > 0])].astype(np.int64)
    intervals = (np.diff(top) + 128).astype(np.uint64)
    if len(intervals) < SHINGLE_INTERVALS:
        return np.empty(0, np.uint64)
    hashes = np.zeros(len(intervals) - SHINGLE_INTERVALS + 1, np.uint64)
    with np.errstate(over="ignore"):
        for step in range(SHINGLE_INTERVALS):
            hashes = (hashes ^ intervals[step : step + len(hashes)]) * _MULTIPLIER
            hashes ^= hashes >> np.uint64(29)
    return np.unique(hashes)


def groups(tracks: list[NDArray[np.uint64]]) -> list[int]:
    """For each track the index of the first track of its group.

    Two tracks belong together if at least half of the shingles of the shorter one are in the other; groups are the
    connected components.
    """
    parents = list(range(len(tracks)))

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    # Equal melodies are one to begin with; else a family of copies would make its own melody commonplace.
    firsts: dict[bytes, int] = {}
    for index, track in enumerate(tracks):
        if len(track):
            parents[index] = firsts.setdefault(track.tobytes(), index)
    distinct = list(firsts.values())
    for (one, other), shared in _shared_counts([tracks[index] for index in distinct]).items():
        first, second = distinct[one], distinct[other]
        if shared >= _SHARED_SHARE * min(len(tracks[first]), len(tracks[second])):
            low, high = sorted((root(first), root(second)))
            parents[high] = low
    return [root(index) for index in range(len(tracks))]


def _shared_counts(tracks: list[NDArray[np.uint64]]) -> dict[tuple[int, int], int]:
    """How many shingles each pair of tracks shares, pairs without any left out."""
    if not tracks:
        return {}
    hashes = np.concatenate(tracks)
    owners = np.repeat(np.arange(len(tracks)), [len(track) for track in tracks])
    order = np.lexsort((owners, hashes))
    hashes, owners = hashes[order], owners[order]
    changes = np.concatenate([[True], hashes[1:] != hashes[:-1], [True]]) if len(hashes) else np.zeros(0, bool)
    bounds: list[int] = np.flatnonzero(changes).tolist()
    counts: dict[tuple[int, int], int] = {}
    for start, end in pairwise(bounds):
        if 2 <= end - start <= _COMMONPLACE_TRACKS:
            mine = owners[start:end].tolist()
            for position, first in enumerate(mine):
                for second in mine[position + 1 :]:
                    counts[first, second] = counts.get((first, second), 0) + 1
    return counts
