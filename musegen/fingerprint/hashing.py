"""Hashes, and which tracks meet in them: the inverted index that spares comparing each track with every other."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

_UPPER_HALF = np.uint64(0xFFFFFFFF00000000)


def mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Every bit of each value spread over all of them (the last steps of SplitMix64)."""
    with np.errstate(over="ignore"):
        values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        out: NDArray[np.uint64] = values ^ (values >> np.uint64(31))
    return out


def chained(columns: Sequence[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    """A hash of each row of a table, given as its columns."""
    hashes = np.zeros(len(columns[0]), np.uint64)
    with np.errstate(over="ignore"):
        for column in columns:
            hashes = mixed(hashes * np.uint64(0x9E3779B97F4A7C15) + column + np.uint64(1))
    return hashes


class Index:
    """Hashes of all tracks in rows of equal ones; `sizes` says of each place how long its row is.

    The tracks of a row stand in an order drawn by its hash: the next few of a long row are a fair sample of it.
    """

    def __init__(self, tracks: Sequence[NDArray[np.uint64]]) -> None:
        hashes = np.concatenate([*tracks, np.empty(0, np.uint64)])
        owners = np.repeat(np.arange(len(tracks)), [len(track) for track in tracks])
        drawn = mixed(hashes ^ mixed(owners.astype(np.uint64)))
        self.entries = np.argsort((mixed(hashes) & _UPPER_HALF) | (drawn >> np.uint64(32)), kind="stable")
        self.owners = owners[self.entries]
        rows = hashes[self.entries]
        starts = np.flatnonzero(np.concatenate([[True], rows[1:] != rows[:-1]])) if len(rows) else np.empty(0, np.int64)
        lengths = np.diff(np.append(starts, len(rows)))
        self.sizes = np.repeat(lengths, lengths)
        self._ends = np.repeat(starts + lengths, lengths)

    def meetings(self, most: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Pairs of places in one row, at most `most` steps apart; that of the track with the lower number first."""
        for step in range(1, most + 1):
            first = np.flatnonzero(self._ends - np.arange(len(self._ends)) > step)
            if not len(first):
                return
            second = first + step
            swap = self.owners[first] > self.owners[second]
            yield np.where(swap, second, first), np.where(swap, first, second)
