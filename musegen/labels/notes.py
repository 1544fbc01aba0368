"""The notes of a track, in seconds of its audio."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from musegen.change import Change
from musegen.errors import BadInput
from musegen.labels.base import PitchedLabel

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
class Notes(PitchedLabel):
    """All notes of a track in canonical order (onset, pitch, part, length); `table` has dtype `NOTE`, shape (n,)."""

    table: NDArray[Any] = field(default_factory=lambda: np.empty(0, NOTE))

    COLUMNS: ClassVar[Mapping[str, str]] = {
        **{name: f"list<{NOTE[name].name}>" for name in NOTE.names or ()},
        "tuning_cents": "int16",
    }

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
            and (self.origin, self.confidence, self.tuning_cents)
            == (other.origin, other.confidence, other.tuning_cents)
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
        return int(np.count_nonzero(_off_the_keyboard(pitched + semitones)))

    def pushed_off(self, change: Change) -> int:
        """How many notes would sound after `change`, but off the keyboard, so that `follow` drops them."""
        unmoved = replace(change, cents=0)
        return len(self.follow(unmoved)) - len(self.follow(change))

    def follow(self, change: Change) -> Self:
        """Drums keep their pitch; notes that leave the keyboard are dropped (see `pushed_off`).

        A note that an excerpt cuts keeps its onset and length, before 0 or beyond the end.
        """
        semitones, tuning_cents = self.retuned(change)
        table = self.table.copy()
        table["onset_seconds"] = change.moved(table["onset_seconds"])
        table["seconds"] = table["seconds"] / change.speed
        table = table[change.sounds(table["onset_seconds"], table["onset_seconds"] + table["seconds"])]
        if semitones:
            pitched = table["program"] != DRUMS
            table["pitch"][pitched] += semitones
            table = table[~pitched | ~_off_the_keyboard(table["pitch"])]
        return replace(self, table=table, tuning_cents=tuning_cents)

    def cells(self) -> dict[str, Any]:
        return {**{name: self.table[name] for name in NOTE.names or ()}, "tuning_cents": self.tuning_cents}

    @classmethod
    def of_cells(cls, cells: Mapping[str, Any], origin: str, confidence: float) -> Self:
        table = np.empty(len(cells["pitch"]), NOTE)
        for name in NOTE.names or ():
            table[name] = cells[name]
        return cls(table=table, tuning_cents=cells["tuning_cents"], origin=origin, confidence=confidence)


def _off_the_keyboard(pitches: NDArray[np.int16]) -> NDArray[np.bool_]:
    off: NDArray[np.bool_] = (pitches < LOWEST) | (pitches > HIGHEST)
    return off


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
