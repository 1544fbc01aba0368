"""What every kind of label can do."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from musegen.change import Change
from musegen.errors import BadInput

HUMAN = "human"
FILE = "file"


@dataclass(frozen=True, eq=False)
class Label:
    """Something that is said of a recording.

    `origin` is who says so: `"human"`, `"file"` or `"model@version"`; `confidence` is in [0, 1]. `COLUMNS` are the
    cells of a row that hold it in a dataset, name → Arrow type as `shards.columns.TYPES` spells it.
    """

    origin: str = FILE
    confidence: float = 1.0

    COLUMNS: ClassVar[Mapping[str, str]] = {}

    def __post_init__(self) -> None:
        if not 0.0 <= self.confidence <= 1.0:
            raise BadInput(f"confidence {self.confidence} is outside 0..1; correct the label file", "bad label")

    def follow(self, change: Change) -> Self:
        """The same label after `change` was applied to the sound; the default is that nothing moves."""
        return self

    def said_by(self, origin: str, confidence: float = 1.0) -> Self:
        """The same label with another origin and confidence."""
        return replace(self, origin=origin, confidence=confidence)

    def cells(self) -> dict[str, Any]:
        """What `COLUMNS` hold of this label; origin and confidence have columns of their own."""
        return {name: getattr(self, name) for name in self.COLUMNS}

    @classmethod
    def of_cells(cls, cells: Mapping[str, Any], origin: str, confidence: float) -> Self:
        """The label that gave these cells."""
        return cls(origin=origin, confidence=confidence, **cells)


@dataclass(frozen=True, eq=False)
class PitchedLabel(Label):
    """A label that names pitches in semitones; `tuning_cents`, -50..49, is how far the sound lies above them."""

    tuning_cents: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not -50 <= self.tuning_cents <= 49:
            raise BadInput(f"a tuning of {self.tuning_cents} cents is another semitone; name that", "bad label")

    def retuned(self, change: Change) -> tuple[int, int]:
        """Semitones by which the names of pitches move with `change`, and the tuning that is left."""
        cents = self.tuning_cents + change.cents
        semitones = (cents + 50) // 100
        return semitones, cents - 100 * semitones
