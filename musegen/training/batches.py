"""Pieces cut into windows, and windows made into batches that a model can compute."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from numpy.typing import NDArray
from torch import Tensor

from musegen.context import context_sizes, contexts
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

    def pinned(self) -> "Batch":
        """The same batch in memory that an accelerator can fetch from by itself."""
        return Batch(self.ids.pin_memory(), self.contexts.pin_memory(), self.targets.pin_memory())


Row = tuple[NDArray[np.int64], NDArray[np.int16], NDArray[np.int64]]
"""Ids (n,), contexts (n, columns) and targets (n,) of one window."""


@dataclass(frozen=True)
class Window:
    """A passage of a piece that fits the model: `prefix + music[start:stop]`; targets before `scored` don't count."""

    piece: int
    start: int
    stop: int
    scored: int


def room_of(window: int, vocabulary: Vocabulary) -> int:
    """How many tokens of music and end fit a model of that window: the prefix goes in, the last token only out."""
    return window - vocabulary.prefix_length + 1


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


def row_of(vocabulary: Vocabulary, piece: Piece, window: Window, hidden: NDArray[np.bool_] | None = None) -> Row:
    """What a model reads and should say in this window; `hidden` (3,) leaves style, tempo, key open where true."""
    prefix = vocabulary.prefix_length
    sequence = vocabulary.sequence(piece.tokens, piece.conditions).astype(np.int64)
    if hidden is not None:
        sequence[1:4][hidden] = vocabulary.unknown
    first, last = prefix + window.start, prefix + window.stop
    context = contexts(vocabulary, sequence[:last], piece.conditions.bars)  # nothing depends on what comes later
    picked = np.concatenate([np.arange(prefix), np.arange(first, last - 1)])
    targets = np.full(len(picked), IGNORED, np.int64)
    music = np.arange(max(first, prefix + window.scored), last)
    targets[music - first + prefix - 1] = sequence[music]
    if window.start:
        # Behind the prefix stands a token from the middle: what it begins with can't be known.
        targets[prefix - 1] = IGNORED
    return sequence[picked], context[picked], targets


def batch_of(vocabulary: Vocabulary, rows: Sequence[Row]) -> Batch:
    """Rows side by side, the shorter ones filled up with what counts for nothing."""
    longest = max(len(ids) for ids, _, _ in rows)
    ids = np.full((len(rows), longest), vocabulary.pad, np.int64)
    targets = np.full((len(rows), longest), IGNORED, np.int64)
    context = np.zeros((len(rows), longest, rows[0][1].shape[1]), np.int64)
    for index, (row_ids, row_context, row_targets) in enumerate(rows):
        ids[index, : len(row_ids)] = row_ids
        context[index, : len(row_ids)] = row_context
        targets[index, : len(row_ids)] = row_targets
    return Batch(torch.from_numpy(ids), torch.from_numpy(context), torch.from_numpy(targets))


def company(vocabulary: Vocabulary) -> Batch:
    """A batch without targets, for a worker that has nothing to compute while the others wait for its part."""
    ids = np.full(vocabulary.prefix_length, vocabulary.pad, np.int64)
    context = np.zeros((len(ids), len(context_sizes(vocabulary))), np.int16)
    return batch_of(vocabulary, [(ids, context, np.full(len(ids), IGNORED, np.int64))])


def negative_log_likelihood(logits: Tensor, batch: Batch) -> Tensor:
    """Nats of every target (windows, time); 0 where there is none."""
    flat = F.cross_entropy(
        logits.flatten(0, 1).float(), batch.targets.flatten(), ignore_index=IGNORED, reduction="none"
    )
    return flat.view(batch.targets.shape)


class Windows:
    """Cuts batches out of pieces; `lengths` count music and end."""

    def __init__(self, pieces: Sequence[Piece], vocabulary: Vocabulary, window: int) -> None:
        self.pieces, self.vocabulary = pieces, vocabulary
        self.room = room_of(window, vocabulary)
        self.lengths = [len(piece.tokens) + 1 for piece in pieces]

    def batch(self, windows: Sequence[Window]) -> Batch:
        """The batch of these windows."""
        return batch_of(self.vocabulary, [row_of(self.vocabulary, self.pieces[each.piece], each) for each in windows])


def scoring_batches(windows: Windows, batch_size: int) -> Iterator[tuple[list[Window], Batch]]:
    """All windows for scoring, those of like length together."""
    cut = sorted(scoring_windows(windows.lengths, windows.room), key=lambda window: window.stop - window.start)
    for start in range(0, len(cut), batch_size):
        group = cut[start : start + batch_size]
        yield group, windows.batch(group)
