"""The baseline that a generator has to beat: counting what followed what.

An interpolated n-gram model over the same sequences, with modified Kneser-Ney discounting (Chen and Goodman, "An
empirical study of smoothing techniques for language modeling", 1999). Between the context of k tokens and that of k + 1
it asks the same k tokens again at this place of the bar in this meter: of all that was tried (styles, keys, other
orders and smoothings) only that made it better.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from musegen.context import contexts
from musegen.errors import BadInput
from musegen.settings import Settings
from musegen.training.batches import Piece
from musegen.vocabulary import Vocabulary

_GOLDEN, _SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(29)
_METER_COLUMN = 6


class CountSettings(Settings):
    """`order` is the longest context in tokens."""

    order: int = Field(12, ge=0, le=64)


@dataclass(frozen=True, eq=False)
class _Level:
    """Counts of one kind of context: sorted hashes, and for each its followers `tokens[starts[i]:starts[i + 1]]`.

    `kept` is each follower's discounted share, `rest` what each context leaves to the level below.
    """

    hashes: NDArray[np.uint64]
    starts: NDArray[np.int64]
    tokens: NDArray[np.int64]
    kept: NDArray[np.float64]
    rest: NDArray[np.float64]

    @classmethod
    def count(cls, hashes: NDArray[np.uint64], tokens: NDArray[np.int64]) -> "_Level":
        """From the context and the token of every event."""
        order = np.lexsort((tokens, hashes))
        hashes, tokens = hashes[order], tokens[order]
        fresh = np.concatenate([[True], (hashes[1:] != hashes[:-1]) | (tokens[1:] != tokens[:-1])])
        first = np.flatnonzero(fresh)
        counts = np.diff(np.append(first, len(tokens)))
        hashes, tokens = hashes[first], tokens[first]
        starts = np.flatnonzero(np.concatenate([[True], hashes[1:] != hashes[:-1]]))
        discounts = _discounts(counts)[np.minimum(counts, 3)]
        totals = np.add.reduceat(counts, starts)
        kept = (counts - discounts) / np.repeat(totals, np.diff(np.append(starts, len(tokens))))
        return cls(
            hashes[starts], np.append(starts, len(tokens)), tokens, kept, np.add.reduceat(discounts, starts) / totals
        )

    def refine(self, probabilities: NDArray[np.float64], hashes: NDArray[np.uint64]) -> None:
        """Interpolate this level into the probabilities (n, vocabulary) of the level below, in place."""
        found = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        rows = np.flatnonzero(self.hashes[found] == hashes)
        found = found[rows]
        probabilities[rows] *= self.rest[found, None]
        lengths = self.starts[found + 1] - self.starts[found]
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        followers = np.repeat(self.starts[found], lengths) + within
        probabilities[np.repeat(rows, lengths), self.tokens[followers]] += self.kept[followers]


def _discounts(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """What is taken off counts of 0, 1, 2 and more (Chen and Goodman, equation 17), kept inside (0, count)."""
    ones, twos, threes, fours = ((counts == number).sum() for number in (1, 2, 3, 4))
    share = ones / max(ones + 2 * twos, 1)
    raw = (
        1 - 2 * share * twos / max(ones, 1),
        2 - 3 * share * threes / max(twos, 1),
        3 - 4 * share * fours / max(threes, 1),
    )
    return np.array([0.0, *(np.clip(value, 0.05, limit - 0.02) for limit, value in enumerate(raw, start=1))])


@dataclass(frozen=True, eq=False)
class CountModel:
    """Counts of every level, from no context at all to the longest."""

    settings: CountSettings
    vocabulary: Vocabulary
    levels: tuple[_Level, ...]

    @classmethod
    def fit(
        cls, pieces: Sequence[Piece], vocabulary: Vocabulary, settings: CountSettings | None = None
    ) -> "CountModel":
        """Count all pieces, transposed variants too if they are among them; raises `BadInput` without any."""
        if not pieces:
            raise BadInput("the training split has no pieces; add music", "no pieces")
        settings = settings or CountSettings()
        events = [_events(piece, vocabulary, settings.order) for piece in pieces]
        tokens = np.concatenate([tokens for tokens, _ in events])
        hashes = np.concatenate([hashes for _, hashes in events], axis=1)
        levels = []
        for lower, upper in pairwise(hashes):
            # Kneser-Ney: a lower level counts in how many different contexts of the next one a token was seen.
            _, first = np.unique(_mixed(upper, tokens), return_index=True)
            levels.append(_Level.count(lower[first], tokens[first]))
        levels.append(_Level.count(hashes[-1], tokens))
        return cls(settings, vocabulary, tuple(levels))

    def probabilities(self, piece: Piece) -> NDArray[np.float64]:
        """Shape (n + 1, vocabulary): what it expects at every token of the music and at its end."""
        tokens, hashes = _events(piece, self.vocabulary, self.settings.order)
        result = np.full((len(tokens), len(self.vocabulary)), 1 / len(self.vocabulary))
        for level, row in zip(self.levels, hashes, strict=True):
            level.refine(result, row)
        return result


def _events(piece: Piece, vocabulary: Vocabulary, order: int) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Every token of music and end (n,), and the hashes (2 (order + 1), n) of its contexts from short to long."""
    prefix = vocabulary.prefix_length
    sequence = vocabulary.sequence(piece.tokens, piece.conditions).astype(np.int64)
    place = contexts(vocabulary, sequence, piece.conditions.bars)[prefix - 1 : -1, [0, _METER_COLUMN]].astype(np.int64)
    tokens = sequence[prefix:]
    padded = np.concatenate([np.full(order, vocabulary.begin), [vocabulary.begin], tokens])
    rows = []
    context = np.zeros(len(tokens), np.uint64)
    for length in range(order + 1):
        if length:
            start = order + 1 - length
            context = _mixed(context, padded[start : start + len(tokens)] + 1)
        rows += [context, _mixed(_mixed(context, place[:, 0] + 1), place[:, 1] + 1)]
    return tokens, np.stack(rows)


def _mixed(hashes: NDArray[np.uint64], values: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Hashes that depend on one more value."""
    mixed = (hashes ^ values.astype(np.uint64)) * _GOLDEN + np.uint64(1)
    return mixed ^ (mixed >> _SHIFT)
