"""The notes of a track, in seconds of its audio."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from musegen.change import Change
from musegen.errors import BadInput
from musegen.labels.base import Label

DRUMS = 128
"""The value of `program` that means the drum kit; 0..127 are General MIDI programs."""

NOTE = np.dtype(
    [
        ("onset_seconds", np.float64),
        ("seconds", np.float64),
        ("pitch", np.int16),
        ("velocity", np.int16),
        ("program", np.int16),
        ("part", np.int16),
    ]
)
"""One row a note: onset and length in seconds, MIDI pitch and velocity, program, index of the part that plays it."""

LOWEST, HIGHEST = 21, 108
"""The keyboard: notes that a transposition pushes off it are dropped, and counted."""


@dataclass(frozen=True, eq=False)
class Notes(Label):
    """All notes of a track in canonical order (onset, pitch, part, length); `table` has dtype `NOTE`, shape (n,)."""

    table: NDArray[Any] = field(default_factory=lambda: np.empty(0, NOTE))

    def __post_init__(self) -> None:
        super().__post_init__()
        table = np.asarray(self.table, NOTE)
        _check(table)
        order = np.lexsort((table["seconds"], table["part"], table["pitch"], table["onset_seconds"]))
        sorted_table = table[order]
        sorted_table.flags.writeable = False
        object.__setattr__(self, "table", sorted_table)

    @classmethod
    def of(cls, rows: Iterable[tuple[float, float, int, int, int, int]], **said: Any) -> Self:
        """Notes from rows (onset_seconds, seconds, pitch, velocity, program, part)."""
        return cls(table=np.array(list(rows), NOTE), **said)

    def __len__(self) -> int:
        return len(self.table)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Notes)
            and (self.origin, self.confidence) == (other.origin, other.confidence)
            and np.array_equal(self.table, other.table)
        )

    __hash__: Any = None

    @property
    def seconds(self) -> float:
        """The time at which the last note ends; 0 without notes."""
        return float((self.table["onset_seconds"] + self.table["seconds"]).max()) if len(self) else 0.0

    def outside(self, semitones: int) -> int:
        """How many notes a transposition would push off the keyboard."""
        pitched = self.table[self.table["program"] != DRUMS]["pitch"]
        moved = pitched + semitones
        return int(np.count_nonzero((moved < LOWEST) | (moved > HIGHEST)))

    def follow(self, change: Change) -> Self:
        """Drums keep their pitch; notes that leave the keyboard are dropped (see `outside`)."""
        table = self.table.copy()
        table["onset_seconds"] = table["onset_seconds"] / change.speed + change.offset_seconds
        table["seconds"] = table["seconds"] / change.speed
        if change.semitones:
            pitched = table["program"] != DRUMS
            table["pitch"][pitched] += change.semitones
            table = table[~pitched | ((table["pitch"] >= LOWEST) & (table["pitch"] <= HIGHEST))]
        return replace(self, table=table)


def _check(table: NDArray[Any]) -> None:
    times = np.concatenate([table["onset_seconds"], table["seconds"]])
    if not np.isfinite(times).all():
        raise BadInput("a note has a time that is no number; correct the note file", "bad notes")
    if (table["seconds"] < 0).any():
        raise BadInput("a note ends before it begins; correct the note file", "bad notes")
    for column, low, high in (("pitch", 0, 127), ("velocity", 1, 127), ("program", 0, DRUMS)):
        bad = (table[column] < low) | (table[column] > high)
        if bad.any():
            worst = int(table[column][bad][0])
            raise BadInput(f"a note has {column} {worst}, outside {low}..{high}; correct the note file", "bad notes")
