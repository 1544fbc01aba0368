"""Pieces cut into windows, windows into batches, in an order that only the seed and the global batch decide."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from musegen.context import contexts
from musegen.vocabulary import Conditions, Vocabulary

IGNORED = -100
"""The target of positions that count for nothing."""


@dataclass(frozen=True, eq=False)
class Piece:
    """One row of the dataset as models see it: the music's tokens (n,), its conditions, its number of notes."""

    tokens: NDArray[np.uint16]
    conditions: Conditions
    notes: int


@dataclass(frozen=True)
class Batch:
    """Ids and targets (windows, time), contexts (windows, time, columns), int64."""

    ids: Tensor
    contexts: Tensor
    targets: Tensor

    def to(self, device: torch.device) -> "Batch":
        """The same batch on another device."""
        return Batch(*(tensor.to(device, non_blocking=True) for tensor in (self.ids, self.contexts, self.targets)))


@dataclass(frozen=True)
class Window:
    """A passage of a piece that fits the model: `prefix + music[start:stop]`; targets before `scored` don't count."""

    piece: int
    start: int
    stop: int
    scored: int


def training_windows(lengths: Sequence[int], room: int, random: np.random.Generator) -> list[Window]:
    """As few windows as cover every piece; lengths count music and end, `room` is what fits behind the prefix.

    The first and last lie at the piece's edges, those between are moved at random, so that all are full where a piece
    is long enough and every epoch cuts elsewhere.
    """
    windows = []
    for piece, length in enumerate(lengths):
        count = -(-length // room)
        steps = np.arange(count, dtype=np.float64)
        steps[1:-1] += random.uniform(-0.5, 0.5, max(count - 2, 0))
        for start in np.round(steps * (length - room) / max(count - 1, 1)).astype(int) if count > 1 else [0]:
            windows.append(Window(piece, int(start), min(int(start) + room, length), int(start)))
    return windows


def scoring_windows(lengths: Sequence[int], room: int) -> list[Window]:
    """Windows in which every token counts exactly once, with half a window in front of it where there is one."""
    windows = []
    for piece, length in enumerate(lengths):
        scored = 0
        while scored < length:
            start = max(0, scored - room // 2) if scored else 0
            stop = min(start + room, length)
            windows.append(Window(piece, start, stop, scored))
            scored = stop
    return windows


class Windows:
    """Cuts batches out of pieces."""

    def __init__(self, pieces: Sequence[Piece], vocabulary: Vocabulary, window: int) -> None:
        self.pieces, self.vocabulary = pieces, vocabulary
        self.room = window - vocabulary.prefix_length + 1
        self.lengths = [len(piece.tokens) + 1 for piece in pieces]

    def batch(self, windows: Sequence[Window], forget: NDArray[np.bool_] | None = None) -> Batch:
        """The batch of these windows; `forget` (windows, 3) hides style, tempo, key where true."""
        rows = [self._row(window, None if forget is None else forget[index]) for index, window in enumerate(windows)]
        longest = max(len(ids) for ids, _, _ in rows)
        ids = np.full((len(rows), longest), self.vocabulary.pad, np.int64)
        targets = np.full((len(rows), longest), IGNORED, np.int64)
        context = np.zeros((len(rows), longest, rows[0][1].shape[1]), np.int64)
        for index, (row_ids, row_context, row_targets) in enumerate(rows):
            ids[index, : len(row_ids)] = row_ids
            context[index, : len(row_ids)] = row_context
            targets[index, : len(row_ids)] = row_targets
        return Batch(torch.from_numpy(ids), torch.from_numpy(context), torch.from_numpy(targets))

    def _row(
        self, window: Window, forget: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.int16], NDArray[np.int64]]:
        piece, prefix = self.pieces[window.piece], self.vocabulary.prefix_length
        sequence = self.vocabulary.sequence(piece.tokens, piece.conditions).astype(np.int64)
        if forget is not None:
            sequence[1:4][forget] = self.vocabulary.unknown
        context = contexts(self.vocabulary, sequence, piece.conditions.bars)
        first, last = prefix + window.start, prefix + window.stop
        picked = np.concatenate([np.arange(prefix), np.arange(first, last - 1)])
        targets = np.full(len(picked), IGNORED, np.int64)
        music = np.arange(max(first, prefix + window.scored), last)
        targets[music - first + prefix - 1] = sequence[music]
        if window.start:
            # Behind the prefix stands a token from the middle: what it begins with can't be known.
            targets[prefix - 1] = IGNORED
        return sequence[picked], context[picked], targets


@dataclass(frozen=True)
class Order:
    """Where training stands in the data: the `batch`-th global batch of `epoch`."""

    epoch: int = 0
    batch: int = 0


def training_batches(
    windows: Windows, seed: int, global_batch: int, forget: float, rank: int, size: int, start: Order
) -> Iterator[tuple[Order, Batch, int]]:
    """Endless batches of this worker from `start` on: where the next stands, the batch, targets in the global batch.

    Each epoch is a permutation of its windows, cut into global batches of equal size (the rest waits for another
    epoch); worker r takes every size-th window of a global batch. One worker or many see the same at the same step.
    """
    epoch, first = start.epoch, start.batch
    while True:
        random = np.random.default_rng((seed, epoch))
        cut = training_windows(windows.lengths, windows.room, random)
        shuffled = [cut[index] for index in random.permutation(len(cut))]
        hidden = random.random((len(cut), 3)) < forget
        whole = min(global_batch, len(cut))
        count = len(cut) // whole
        for index in range(first, count):
            chosen = slice(index * whole, (index + 1) * whole)
            group, group_hidden = shuffled[chosen], hidden[chosen]
            targets = sum(window.stop - window.start - (window.start > 0) for window in group)
            mine = slice(rank, None, size)
            batch = windows.batch(group[mine] or group[:1], group_hidden[mine] if group[mine] else group_hidden[:1])
            if not group[mine]:
                batch.targets.fill_(IGNORED)  # fewer windows than workers: this one only keeps the others company
            following = Order(epoch, index + 1) if index + 1 < count else Order(epoch + 1)
            yield following, batch, targets
        epoch, first = epoch + 1, 0


def scoring_batches(windows: Windows, batch_size: int) -> Iterator[tuple[list[Window], Batch]]:
    """All windows for scoring, those of like length together."""
    cut = sorted(scoring_windows(windows.lengths, windows.room), key=lambda window: window.stop - window.start)
    for start in range(0, len(cut), batch_size):
        group = cut[start : start + batch_size]
        yield group, windows.batch(group)
