"""Where the pieces to learn from come from: a list in memory, or the shards of a dataset, a row group at a time."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from musegen.shards.reader import RowGroups
from musegen.shards.store import Place
from musegen.training.batches import Piece
from musegen.training.dataset import COLUMNS, pieces_in


class Source(Protocol):
    """Pieces in groups that are read one at a time; `lengths` are tokens of music and end (pieces,), by group."""

    @property
    def lengths(self) -> Sequence[NDArray[np.int64]]: ...

    def read(self, group: int) -> list[Piece]:
        """The pieces of a group, in order; raises `BadInput` where they are damaged, `Unavailable` for the network."""
        ...


class InMemory:
    """A list of pieces, as one group."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._pieces = list(pieces)
        self.lengths = [np.array([len(piece.tokens) + 1 for piece in pieces], np.int64)] if pieces else []

    def read(self, group: int) -> list[Piece]:
        return self._pieces


class ShardSource:
    """A split of a committed dataset, in a folder or a bucket; its groups are the row groups of the shards, in order.

    Every shard's hash is checked once, in the pass that learns the lengths; what is read later is held against the
    checksums of its pages. Raises `BadInput` where a shard is missing or damaged.
    """

    def __init__(self, place: Place, split: str) -> None:
        self._groups = RowGroups(place, split)
        self.lengths = [counts + 1 for counts in self._groups.list_lengths("tokens")]

    def read(self, group: int) -> list[Piece]:
        return pieces_in(self._groups.read(group, COLUMNS))
