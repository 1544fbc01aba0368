"""Which notes of which training pieces begin a landmark: a sorted table that is asked by hash."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musegen.evaluation.originality.collection import Collection
from musegen.evaluation.originality.landmarks import HASH_BITS, KEPT, LONGEST_SLOTS, Landmarks, landmarks

MOST_POSTINGS = 150_000
"""How many places a piece is compared with: its rarest landmarks first, so that what everybody plays says nothing."""

_NOTE_BITS, _SPAN_BITS = 28, 12
_CHUNK_NOTES = 200_000
_LEAST_BITS = 12


@dataclass(frozen=True, eq=False)
class Hits:
    """Landmarks that a piece and training pieces have in common, one a row.

    `anchors`: index of the note of the piece; `notes`: of the note in the collection; `scales`: how many times as slow
    the piece is; `weights`: the rarer, the more.
    """

    anchors: NDArray[np.int64]
    notes: NDArray[np.int64]
    scales: NDArray[np.float64]
    weights: NDArray[np.float64]


class LandmarkIndex:
    """All landmarks of a collection: 8 bytes each (hash, first note, span), and where each hash begins."""

    def __init__(self, collection: Collection) -> None:
        parts = [np.empty(0, np.uint64), *(_packed(*chunk) for chunk in _chunks(collection))]
        self._places = np.concatenate(parts)
        del parts
        self._places.sort()
        # Twice as many rows as places: a small collection has no use for a table of millions.
        self._drop = HASH_BITS - int(np.clip(len(self._places).bit_length() + 1, _LEAST_BITS, HASH_BITS))
        rows = (self._places >> np.uint64(64 - HASH_BITS + self._drop)).astype(np.int64)
        self._starts = np.zeros((1 << (HASH_BITS - self._drop)) + 1, np.uint32)
        np.cumsum(np.bincount(rows, minlength=len(self._starts) - 1), out=self._starts[1:])

    @property
    def bytes(self) -> int:
        """What it takes in memory."""
        return self._places.nbytes + self._starts.nbytes

    def hits(self, sought: Landmarks) -> Hits:
        """Where the landmarks of a piece stand in the collection; the rarest first until there are enough."""
        rows = sought.hashes >> np.uint32(self._drop)
        starts = self._starts[rows].astype(np.int64)
        counts = self._starts[rows + np.uint32(1)] - starts
        order = np.argsort(counts, kind="stable")
        order = order[counts[order] > 0]
        order = order[: np.searchsorted(np.cumsum(counts[order]), MOST_POSTINGS, side="right")]
        starts, counts = starts[order], counts[order]
        before = np.cumsum(counts) - counts
        places = self._places[np.arange(counts.sum()) + np.repeat(starts - before, counts)]
        spans = (places & np.uint64((1 << _SPAN_BITS) - 1)).astype(np.float64)
        return Hits(
            anchors=np.repeat(sought.anchors[order], counts),
            notes=((places >> np.uint64(_SPAN_BITS)) & np.uint64((1 << _NOTE_BITS) - 1)).astype(np.int64),
            scales=np.repeat(sought.spans[order], counts) / spans,
            weights=np.repeat(1.0 / (1.0 + np.log2(counts)), counts),
        )


def _chunks(collection: Collection) -> Iterator[tuple[Landmarks, int]]:
    """The landmarks of some tracks at a time, and the number of their first note."""
    for drums in (False, True):
        tracks = np.flatnonzero(collection.drums == drums)
        sizes = np.diff(collection.edges)[tracks]
        for chunk in np.split(tracks, np.flatnonzero(np.diff(np.cumsum(sizes) // _CHUNK_NOTES)) + 1):
            for run in np.split(chunk, np.flatnonzero(np.diff(chunk) > 1) + 1):
                if len(run):
                    yield _of_tracks(collection, int(run[0]), int(run[-1]) + 1, drums), int(collection.edges[run[0]])


def _of_tracks(collection: Collection, first: int, last: int, drums: bool) -> Landmarks:
    notes = slice(collection.edges[first], collection.edges[last])
    # Far enough apart, no landmark reaches from one track into the next.
    lengths = np.array([_last(collection, track) for track in range(first, last)], np.int64)
    begins = np.cumsum(lengths + LONGEST_SLOTS + 1) - lengths
    slots = collection.slots[notes] + np.repeat(begins, np.diff(collection.edges[first : last + 1]))
    return landmarks(slots, collection.pitches[notes].astype(np.int64), drums, KEPT)


def _last(collection: Collection, track: int) -> int:
    start, end = collection.edges[track : track + 2]
    return int(collection.slots[end - 1]) if end > start else 0


def _packed(found: Landmarks, first_note: int) -> NDArray[np.uint64]:
    notes = (found.anchors + first_note).astype(np.uint64)
    packed: NDArray[np.uint64] = np.left_shift(found.hashes, np.uint64(64 - HASH_BITS), dtype=np.uint64)
    packed |= notes << np.uint64(_SPAN_BITS)
    packed |= np.rint(found.spans).astype(np.uint64)
    return packed
