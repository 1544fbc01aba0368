"""The baseline that a generator has to beat: counting what followed what.

An interpolated n-gram model over the same sequences, with modified Kneser-Ney discounting (Chen and Goodman, "An
empirical study of smoothing techniques for language modeling", 1999). Between the context of k tokens and that of k + 1
it asks the same k tokens again at this place of the bar in this meter: of all that was tried (styles, keys, other
orders and smoothings) only that and transposed copies of the training pieces made it better.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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
# An event is a context and the token that followed it: 48 bits of the one's hash, 16 of the other's id.
_TOKEN = np.uint64(0xFFFF)


class CountSettings(Settings):
    """`order` is the longest context in tokens; `transpose`: copies of every training piece up to so many semitones
    higher and lower are counted too. Of a corpus that gives more than `most_tokens` with them, less far transposed
    copies are counted, or at last fewer pieces: 6 million take 1.5 GB and 40 seconds.
    """

    order: int = Field(12, ge=0, le=64)
    transpose: int = Field(6, ge=0, le=24)
    most_tokens: int = Field(8_000_000, ge=1000)


@dataclass(frozen=True, eq=False)
class _Level:
    """Counts of one kind of context: sorted hashes, and for each its followers `tokens[starts[i]:starts[i + 1]]`.

    `kept` is each follower's discounted share, `rest` what each context leaves to the level below.
    """

    hashes: NDArray[np.uint64]
    starts: NDArray[np.int32]
    tokens: NDArray[np.uint16]
    kept: NDArray[np.float32]
    rest: NDArray[np.float32]

    @classmethod
    def count(cls, events: NDArray[np.uint64]) -> "_Level":
        """From the `_events` of this level."""
        ordered = np.sort(events)
        first = np.flatnonzero(_fresh(ordered))
        counts = np.diff(np.append(first, len(ordered)))
        hashes, tokens = ordered[first] & ~_TOKEN, (ordered[first] & _TOKEN).astype(np.uint16)
        starts = np.flatnonzero(_fresh(hashes))
        discounts = _discounts(counts)[np.minimum(counts, 3)]
        totals = np.add.reduceat(counts, starts)
        kept = (counts - discounts) / np.repeat(totals, np.diff(np.append(starts, len(tokens))))
        rest = np.add.reduceat(discounts, starts) / totals
        ends = np.append(starts, len(tokens)).astype(np.int32)
        return cls(hashes[starts], ends, tokens, kept.astype(np.float32), rest.astype(np.float32))

    def add_to(
        self, probabilities: NDArray[np.float64], shares: NDArray[np.float64], events: NDArray[np.uint64]
    ) -> None:
        """Hand out, in place, what is left of each row's probability (`shares`, (n,)) as far as this level knows it."""
        hashes = events & ~_TOKEN
        found = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        rows = np.flatnonzero(self.hashes[found] == hashes)
        found = found[rows]
        lengths = (self.starts[found + 1] - self.starts[found]).astype(np.int64)
        within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        followers = np.repeat(self.starts[found], lengths) + within
        spread = np.repeat(rows, lengths)
        probabilities[spread, self.tokens[followers]] += self.kept[followers] * shares[spread]
        shares[rows] *= self.rest[found]


def _fresh(ordered: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Where another value begins."""
    return np.append(True, ordered[1:] != ordered[:-1])


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
    """Counts of every level, from no context at all to the longest. `pieces` that were counted, each once or in
    transposed copies up to `semitones`."""

    settings: CountSettings
    vocabulary: Vocabulary
    levels: tuple[_Level, ...]
    pieces: int
    semitones: int

    @classmethod
    def fit(
        cls, pieces: Sequence[Piece], vocabulary: Vocabulary, settings: CountSettings | None = None
    ) -> "CountModel":
        """Count the pieces and their transposed copies; raises `BadInput` without any."""
        if not pieces:
            raise BadInput("the training split has no pieces; add music", "no pieces")
        settings = settings or CountSettings()
        total = np.cumsum([len(piece.tokens) + 1 for piece in pieces])
        counted = pieces[: max(1, int(np.searchsorted(total, settings.most_tokens, side="right")))]
        semitones = min(settings.transpose, (settings.most_tokens // int(total[len(counted) - 1]) - 1) // 2)
        text = _Text.of(counted, vocabulary)
        text = _Text.joined([text.transposed(by, vocabulary) for by in range(-semitones, semitones + 1)])
        levels = []
        every = text.events(settings.order, vocabulary.begin)
        lower = next(every)
        for upper in every:
            # Kneser-Ney: a lower level counts after how many different contexts of the next one a token was seen.
            pairs = lower * _GOLDEN ^ upper
            order = np.argsort(pairs)
            levels.append(_Level.count(lower[order[_fresh(pairs[order])]]))
            lower = upper
        levels.append(_Level.count(lower))
        return cls(settings, vocabulary, tuple(levels), len(counted), semitones)

    def probabilities(self, piece: Piece) -> NDArray[np.float64]:
        """Shape (n + 1, vocabulary): what it expects at every token of the music and at its end."""
        text = _Text.of([piece], self.vocabulary)
        result = np.zeros((len(text.tokens), len(self.vocabulary)))
        shares = np.ones(len(text.tokens))
        events = list(text.events(self.settings.order, self.vocabulary.begin))
        for level, found in zip(self.levels[::-1], events[::-1], strict=True):
            level.add_to(result, shares, found)
        return result + shares[:, None] / len(self.vocabulary)

    @property
    def words(self) -> str:
        """What was counted, for a person."""
        copies = f", each also transposed by up to {self.semitones} semitones" if self.semitones else ""
        return f"counted in {self.pieces:,} training pieces{copies}"


@dataclass(frozen=True, eq=False)
class _Text:
    """All tokens of music and end of some pieces, one after the other (n,): each with its place `at` in its piece,
    and the hash of the slot and meter that it stands in.
    """

    tokens: NDArray[np.int64]
    at: NDArray[np.int32]
    places: NDArray[np.uint64]

    @classmethod
    def of(cls, pieces: Sequence[Piece], vocabulary: Vocabulary) -> "_Text":
        """The pieces as they are."""
        prefix, parts = vocabulary.prefix_length, []
        for piece in pieces:
            sequence = vocabulary.sequence(piece.tokens, piece.conditions).astype(np.int64)
            columns = contexts(vocabulary, sequence, piece.conditions.bars)[prefix - 1 : -1, [0, _METER_COLUMN]]
            slot, meter = columns.astype(np.int64).T + 1
            place = _mixed(_mixed(np.zeros(len(slot), np.uint64), slot), meter)
            parts.append(cls(sequence[prefix:], np.arange(len(slot), dtype=np.int32), place))
        return cls.joined(parts)

    @classmethod
    def joined(cls, parts: Sequence["_Text"]) -> "_Text":
        """One after the other."""
        columns = ([getattr(part, name) for part in parts] for name in ("tokens", "at", "places"))
        return cls(*(np.concatenate(column) for column in columns))

    def transposed(self, semitones: int, vocabulary: Vocabulary) -> "_Text":
        """The pieces whose pitched notes all stay among MIDI's 128, `semitones` higher; drums stay as they are."""
        if not semitones:
            return self
        ids = np.arange(len(vocabulary))
        pitched = vocabulary.tokenizer.pitch_ids[0]
        pitches, last = np.arange(len(pitched)) + semitones, len(pitched) - 1
        ids[pitched] = np.where((pitches >= 0) & (pitches <= last), pitched[np.clip(pitches, 0, last)], -1)
        moved = ids[self.tokens]
        piece = np.cumsum(self.at == 0) - 1
        fits = (np.bincount(piece, weights=moved < 0) == 0)[piece]
        return _Text(moved[fits], self.at[fits], self.places[fits])

    def events(self, order: int, begin: int) -> Iterator[NDArray[np.uint64]]:
        """For each level from no context to `order` tokens, without and with the place: what followed what, (n,)."""
        tokens = self.tokens.astype(np.uint64)
        context = np.zeros(len(tokens), np.uint64)
        for length in range(order + 1):
            if length:
                context = _mixed(context, np.where(self.at >= length, np.roll(self.tokens, length), begin) + 1)
            yield (context & ~_TOKEN) | tokens
            yield ((_mixed(context, np.ones(1, np.int64)) ^ self.places) & ~_TOKEN) | tokens


def _mixed(hashes: NDArray[np.uint64], values: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Hashes that depend on one more value."""
    mixed = (hashes ^ values.astype(np.uint64)) * _GOLDEN + np.uint64(1)
    return mixed ^ (mixed >> _SHIFT)
