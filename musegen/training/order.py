"""The order of the training data: the seed and the global batch decide it, never how many workers there are.

An epoch is a permutation of the groups, cut into blocks of at least so many pieces; the windows of a block are shuffled
all together. Blocks one after the other are one row of windows, and every `batch_size` of them a global batch: what is
left of a block flows into the next one, what is left of an epoch waits for another. Where any batch begins is
arithmetic, so a run that goes on in mid-epoch reads nothing that it does not need.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from musegen.training.settings import TrainingSettings

WINDOW = np.dtype(
    [("group", np.int32), ("piece", np.int32), ("start", np.int32), ("stop", np.int32), ("hidden", np.bool_, (3,))]
)
"""A passage to learn from: `piece` within its group, tokens from `start` to `stop`, conditions that are left open."""


@dataclass(frozen=True)
class Position:
    """Where training stands in the data: before the `batch`-th global batch of `epoch`."""

    epoch: int = 0
    batch: int = 0


def cut(lengths: NDArray[np.int64], room: int, random: np.random.Generator) -> NDArray[np.void]:
    """As few windows (n,) of `WINDOW` as can cover pieces of these lengths, of which `room` fits; all of group 0.

    The first and last lie at the piece's edges, those between are moved at random by up to half their distance, less
    half a token, so that no two begin together: all are full where a piece is long enough, and every epoch cuts
    elsewhere.
    """
    counts = window_counts(lengths, room)
    pieces = np.repeat(np.arange(len(lengths)), counts)
    place = np.arange(len(pieces)) - np.repeat(np.cumsum(counts) - counts, counts)
    last = counts[pieces] - 1
    spare = np.maximum(lengths[pieces] - room, 0)
    distance = np.maximum(spare / np.maximum(last, 1), 1)
    between = (place > 0) & (place < last)
    steps = place + random.uniform(-0.5, 0.5, len(pieces)) * (1 - 1 / distance) * between
    windows = np.zeros(len(pieces), WINDOW)
    windows["piece"] = pieces
    windows["start"] = np.floor(steps * spare / np.maximum(last, 1) + 0.5)
    windows["stop"] = np.minimum(windows["start"] + room, lengths[pieces])
    return windows


def window_counts(lengths: NDArray[np.int64], room: int) -> NDArray[np.int64]:
    """How many windows each piece is cut into (n,)."""
    return -(-np.asarray(lengths, np.int64) // room)


@dataclass(frozen=True, eq=False)
class Order:
    """The order over all epochs of groups whose pieces have `lengths` tokens of music and end, `room` a window."""

    lengths: Sequence[NDArray[np.int64]]
    room: int
    settings: TrainingSettings

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Windows an epoch of each group (groups,)."""
        return np.array([window_counts(each, self.room).sum() for each in self.lengths], np.int64)

    @property
    def windows(self) -> int:
        """Windows an epoch."""
        return int(self.counts.sum())

    @property
    def batch_size(self) -> int:
        """Windows of every global batch: all there are, where an epoch has fewer than asked for."""
        return min(self.settings.global_batch, self.windows)

    @property
    def batches(self) -> int:
        """Global batches an epoch."""
        return self.windows // self.batch_size

    @property
    def micro_batches(self) -> int:
        """How many parts a global batch is cut into, by position alone."""
        return -(-self.batch_size // self.settings.micro_batch)

    def data_fingerprint(self) -> str:
        """16 hex digits that change when any piece's length does, or the groups do."""
        content = hashlib.sha256(np.array([len(each) for each in self.lengths], "<i8").tobytes())
        for each in self.lengths:
            content.update(each.astype("<i8").tobytes())
        return content.hexdigest()[:16]

    def after(self, position: Position) -> Position:
        """Where training stands one global batch later."""
        last = position.batch + 1 == self.batches
        return Position(position.epoch + 1) if last else Position(position.epoch, position.batch + 1)

    def passages(self, epoch: int, windows: NDArray[np.void]) -> list[tuple[int, int, int, int]]:
        """Epoch, index of the piece among all of the source, start and stop of each window."""
        pieces = self._first_pieces[windows["group"]] + windows["piece"]
        spans = zip(pieces.tolist(), windows["start"].tolist(), windows["stop"].tolist(), strict=True)
        return [(epoch, *span) for span in spans]

    @cached_property
    def _first_pieces(self) -> NDArray[np.int64]:
        return np.cumsum([0, *(len(each) for each in self.lengths)])


class Epoch:
    """One epoch of an order: which groups each block takes, and where in the row of windows it begins."""

    def __init__(self, order: Order, number: int) -> None:
        self._order, self.number = order, number
        self.blocks = self._blocks()
        sizes = [int(order.counts[list(block)].sum()) for block in self.blocks]
        self._starts = np.concatenate([[0], np.cumsum(sizes)])
        self._drawn: dict[int, NDArray[np.void]] = {}

    def touched(self, batch: int) -> range:
        """The blocks that a global batch takes windows from."""
        first, last = np.searchsorted(self._starts, self._bounds(batch) - np.array([0, 1]), side="right") - 1
        return range(int(first), int(last) + 1)

    def batch(self, number: int) -> NDArray[np.void]:
        """The windows (batch_size,) of a global batch; what earlier blocks drew is forgotten."""
        touched = self.touched(number)
        self._drawn = {block: self._drawn[block] if block in self._drawn else self._draw(block) for block in touched}
        first, last = self._bounds(number)
        parts = [
            self._drawn[block][max(first - self._starts[block], 0) : last - self._starts[block]] for block in touched
        ]
        return np.concatenate(parts)

    def _bounds(self, batch: int) -> NDArray[np.int64]:
        return np.array([batch, batch + 1]) * self._order.batch_size

    def _blocks(self) -> list[tuple[int, ...]]:
        """Groups in an order of their own, in blocks of at least `shuffle_pieces`; a smaller rest joins the last."""
        order = self._order
        blocks: list[tuple[int, ...]] = []
        block, pieces = list[int](), 0
        for group in self._random().permutation(len(order.lengths)).tolist():
            block.append(group)
            pieces += len(order.lengths[group])
            if pieces >= order.settings.shuffle_pieces:
                blocks.append(tuple(block))
                block, pieces = [], 0
        if block:
            blocks[-1:] = [(*(blocks[-1] if blocks else ()), *block)]
        return blocks

    def _draw(self, block: int) -> NDArray[np.void]:
        """All windows of a block, cut and shuffled."""
        order, random = self._order, self._random(block + 1)  # 0 would be that of the groups
        groups = []
        for group in self.blocks[block]:
            windows = cut(order.lengths[group], order.room, random)
            windows["group"] = group
            groups.append(windows)
        row = random.permutation(np.concatenate(groups))
        row["hidden"] = random.random((len(row), 3)) < order.settings.forget
        return row

    def _random(self, *what: int) -> np.random.Generator:
        return np.random.default_rng((self._order.settings.seed, self.number, *what))
