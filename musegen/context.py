"""What every token stands in: its metrical place, the piece's conditions, and what followed this place bars before.

Music repeats itself at the distance of a bar, a phrase, a section. A model that is told what stood there need not learn
to count bars first; it learns when to repeat. The same numbers come from whole sequences (`contexts`, for training) and
token by token (`Follower`, for generation).
"""

import bisect
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.vocabulary import Vocabulary

ECHO_BARS = (1, 2, 4, 8, 16)
"""Distances, in bars, at which a repetition is looked for."""
PHRASE_BARS = 16
LONGEST_COUNTDOWN = 32
LONGEST_RUN = 15

# Tokens that share a slot of a bar are counted up to this; so many notes never start at once.
_TOKENS_PER_SLOT = 1024


def context_sizes(vocabulary: Vocabulary) -> tuple[int, ...]:
    """How many values each column can take; in every column 0 means that there is nothing to say.

    Columns: slot in the bar, bar modulo `PHRASE_BARS`, bars still to begin, the conditions of the prefix, and for each
    of `ECHO_BARS` the echo (the token that followed the same place that many bars before) and the run (how many echoes
    in a row came true until now).
    """
    place = (len(vocabulary.tokenizer.ids("Position")) + 1, PHRASE_BARS + 1, LONGEST_COUNTDOWN + 2)
    conditions = (len(vocabulary),) * (vocabulary.prefix_length - 1)
    return place + conditions + (len(vocabulary), LONGEST_RUN + 1) * len(ECHO_BARS)


def echo_columns(vocabulary: Vocabulary) -> slice:
    """The columns that hold echoes."""
    return slice(2 + vocabulary.prefix_length, None, 2)


def contexts(vocabulary: Vocabulary, sequence: NDArray[Any], bars: int) -> NDArray[np.int16]:
    """Context (n, columns) of every token of `prefix + music [+ end]`, a piece of so many bars."""
    ids = np.asarray(sequence, np.int64)
    tokenizer, prefix = vocabulary.tokenizer, vocabulary.prefix_length
    rows = np.zeros((len(ids), len(context_sizes(vocabulary))), np.int16)
    rows[:, 3 : 2 + prefix] = ids[1:prefix]
    is_bar = ids == tokenizer.ids("Bar")[0]
    position = np.isin(ids, tokenizer.ids("Position"))
    bar = np.cumsum(is_bar) - 1
    indices = np.arange(len(ids))
    opened = np.maximum.accumulate(np.where(is_bar | position, indices, 0))
    slot = np.where(position[opened], _values(vocabulary)[ids[opened]] + 1, 0)
    inside = bar >= 0
    rows[inside, 0] = slot[inside]
    rows[inside, 1] = bar[inside] % PHRASE_BARS + 1
    rows[inside, 2] = np.clip(bars - 1 - bar[inside], 0, LONGEST_COUNTDOWN) + 1
    slots = len(tokenizer.ids("Position")) + 1
    places = (bar * slots + slot) * _TOKENS_PER_SLOT + np.minimum(indices - opened, _TOKENS_PER_SLOT - 1)
    places[~inside] = -1
    for column, distance in enumerate(ECHO_BARS):
        wanted = places - distance * slots * _TOKENS_PER_SLOT
        source = np.searchsorted(places, wanted, side="right") - 1
        known = inside & (bar[source] == bar - distance) & (bar >= distance)
        echo = np.where(known, ids[np.minimum(source + 1, len(ids) - 1)], 0)
        rows[:, 2 + prefix + 2 * column] = echo
        rows[1:, 3 + prefix + 2 * column] = _runs((echo[:-1] == ids[1:]) & known[:-1])
    return rows


def _values(vocabulary: Vocabulary) -> NDArray[np.int64]:
    return np.pad(vocabulary.tokenizer.values, (0, len(vocabulary) - len(vocabulary.tokenizer)))


def _runs(hits: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many hits in a row end at each index."""
    counts = np.arange(1, len(hits) + 1)
    return np.minimum(counts - np.maximum.accumulate(np.where(hits, 0, counts)), LONGEST_RUN)


class Follower:
    """Gives the context of one token of music after the other, as `contexts` would of them all.

    `opening` (6, columns) is the context of the prefix.
    """

    def __init__(self, vocabulary: Vocabulary, prefix: NDArray[Any], bars: int) -> None:
        tokenizer = vocabulary.tokenizer
        self.opening = contexts(vocabulary, prefix, bars)
        self._row = self.opening[-1].copy()
        self._echo_columns = echo_columns(vocabulary)
        self._bars = bars
        self._bar_id = int(tokenizer.ids("Bar")[0])
        self._slot_of = {int(index): int(tokenizer.values[index]) + 1 for index in tokenizer.ids("Position")}
        self._slots = len(self._slot_of) + 1
        self._ids: list[int] = []
        self._places: list[int] = []
        self._bar, self._slot, self._order = -1, 0, 0
        self._echoes, self._runs = [0] * len(ECHO_BARS), [0] * len(ECHO_BARS)

    def advance(self, index: int) -> NDArray[np.int16]:
        """Take the next token and return its context (columns,)."""
        self._enter(index)
        self._runs = [
            min(run + 1, LONGEST_RUN) if echo == index else 0
            for echo, run in zip(self._echoes, self._runs, strict=True)
        ]
        self._echoes = [self._echo(distance) for distance in ECHO_BARS]
        row: NDArray[np.int16] = self._row.copy()
        if self._bar >= 0:
            left = min(max(self._bars - 1 - self._bar, 0), LONGEST_COUNTDOWN)
            row[:3] = self._slot, self._bar % PHRASE_BARS + 1, left + 1
        row[self._echo_columns] = self._echoes
        row[self._echo_columns.start + 1 :: 2] = self._runs
        return row

    def _enter(self, index: int) -> None:
        self._order += 1
        if index == self._bar_id:
            self._bar, self._slot, self._order = self._bar + 1, 0, 0
        elif index in self._slot_of:
            self._slot, self._order = self._slot_of[index], 0
        self._ids.append(index)
        inside = min(self._order, _TOKENS_PER_SLOT - 1)
        self._places.append((self._bar * self._slots + self._slot) * _TOKENS_PER_SLOT + inside)

    def _echo(self, distance: int) -> int:
        """The token that followed the last one at or before this place, `distance` bars ago; 0 for none."""
        if self._bar < distance:
            return 0
        bar_length = self._slots * _TOKENS_PER_SLOT
        wanted = self._places[-1] - distance * bar_length
        source = bisect.bisect_right(self._places, wanted) - 1
        return self._ids[source + 1] if self._places[source] // bar_length == self._bar - distance else 0
