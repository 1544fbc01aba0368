"""The training pieces as one long row of notes, with the bars they stand in."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.errors import BadInput
from musegen.evaluation.originality.points import Points
from musegen.score import Score
from musegen.tokens import TICKS_PER_SLOT

_COLUMNS = {
    "drums": np.bool_,
    "track_bars": np.uint32,
    "bar_slots": np.uint16,
    "bar_notes": np.uint32,
    "note_slots": np.uint16,
    "pitches": np.uint8,
}


@dataclass(frozen=True, eq=False)
class Collection:
    """Tracks one after the other; `names`, `ids` and `drums` (m,) one a track.

    `bar_slots` uint16 (b,): the length of each bar; `bar_notes` uint32 (b,): notes that begin in it; `track_bars`
    uint32 (m,): bars of each track. `note_slots` uint16 (n,): how long after its bar line a note begins; `pitches`
    uint8 (n,).
    """

    names: tuple[str, ...]
    ids: tuple[str, ...]
    drums: NDArray[np.bool_]
    track_bars: NDArray[np.uint32]
    bar_slots: NDArray[np.uint16]
    bar_notes: NDArray[np.uint32]
    note_slots: NDArray[np.uint16]
    pitches: NDArray[np.uint8]

    @classmethod
    def of(cls, names: Sequence[str], ids: Sequence[str], scores: Sequence[Score]) -> "Collection":
        """The points of scores whose notes lie on the grid of the tokens."""
        columns: list[tuple[NDArray[Any], ...]] = [_row(score) for score in scores]
        empty = np.zeros(0, np.int64)
        bars, counts, slots, pitches = (
            np.concatenate([empty, *(column[index] for column in columns)]) for index in range(4)
        )
        return cls(
            tuple(names),
            tuple(ids),
            np.array([Points.of(score).drums for score in scores], bool),
            np.array([len(score.bars) for score in scores], np.uint32),
            bars.astype(np.uint16),
            counts.astype(np.uint32),
            slots.astype(np.uint16),
            pitches.astype(np.uint8),
        )

    def __len__(self) -> int:
        return len(self.names)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The columns as they are stored."""
        return {name: getattr(self, name) for name in _COLUMNS}

    def check(self) -> None:
        """Raise `BadInput` unless the columns fit each other."""
        fits = (
            all(getattr(self, name).dtype == kind and getattr(self, name).ndim == 1 for name, kind in _COLUMNS.items())
            and len(self.names) == len(self.ids) == len(self.drums) == len(self.track_bars)
            and int(self.track_bars.sum()) == len(self.bar_slots) == len(self.bar_notes)
            and int(self.bar_notes.sum()) == len(self.note_slots) == len(self.pitches)
        )
        if not fits:
            raise BadInput("the notes of the training pieces do not fit together", "bad model")

    @cached_property
    def _bar_edges(self) -> NDArray[np.int64]:
        return np.concatenate([[0], np.cumsum(self.track_bars, dtype=np.int64)])

    @cached_property
    def edges(self) -> NDArray[np.int64]:
        """(m + 1,): where the notes of each track begin."""
        notes = np.concatenate([[0], np.cumsum(self.bar_notes, dtype=np.int64)])
        return notes[self._bar_edges]

    @cached_property
    def owners(self) -> NDArray[np.int32]:
        """(n,): the track of each note."""
        return np.repeat(np.arange(len(self), dtype=np.int32), np.diff(self.edges))

    @cached_property
    def slots(self) -> NDArray[np.int32]:
        """(n,): when each note begins, in slots from the beginning of its track."""
        ends = np.cumsum(self.bar_slots, dtype=np.int64)
        starts = ends - self.bar_slots
        before = np.concatenate([starts, [0]])[self._bar_edges[:-1]]
        inside = starts - np.repeat(before, self.track_bars)
        return (np.repeat(inside, self.bar_notes) + self.note_slots).astype(np.int32)

    def points(self, track: int) -> Points:
        """The notes of one track."""
        mine = slice(self.edges[track], self.edges[track + 1])
        return Points(self.slots[mine].astype(np.float64), self.pitches[mine].astype(np.int64), bool(self.drums[track]))

    def bars_of(self, track: int, first: float, last: float) -> tuple[int, int]:
        """The bars (counted from 1) in which two moments of a track, in slots, lie."""
        lengths = self.bar_slots[self._bar_edges[track] : self._bar_edges[track + 1]]
        return bars_between(np.cumsum(lengths, dtype=np.int64) - lengths, first, last)


def bars_between(lines: NDArray[Any], first: float, last: float) -> tuple[int, int]:
    """The bars (counted from 1) in which two moments lie; `lines` say where bars begin.

    A note that comes less than half a slot early belongs to the bar it is early for.
    """
    places = np.searchsorted(lines, np.array([first, last]) + 0.5, side="right")
    return int(max(places[0], 1)), int(max(places[1], 1))


def _row(score: Score) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Lengths of bars, notes in them, slots of the notes in their bars, pitches."""
    points = Points.of(score)
    lines = np.array([bar.start for bar in score.bars], np.int64) // TICKS_PER_SLOT
    lengths = np.array([bar.meter.ticks for bar in score.bars], np.int64) // TICKS_PER_SLOT
    slots = np.rint(points.slots).astype(np.int64)
    bars = np.clip(np.searchsorted(lines, slots, side="right") - 1, 0, None)
    return lengths, np.bincount(bars, minlength=len(lines)), slots - lines[bars], points.pitches
