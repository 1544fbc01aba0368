"""The key that a track is in."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from musegen.change import Change
from musegen.labels.base import PitchedLabel
from musegen.theory import Key


@dataclass(frozen=True)
class Tonality(PitchedLabel):
    """One key for the whole track."""

    key: Key = field(default_factory=lambda: Key(0))

    COLUMNS: ClassVar[Mapping[str, str]] = {"key": "string", "tuning_cents": "int16"}

    def follow(self, change: Change) -> Self:
        semitones, tuning_cents = self.retuned(change)
        return replace(self, key=self.key.transposed(semitones), tuning_cents=tuning_cents)

    def cells(self) -> dict[str, Any]:
        return {"key": str(self.key), "tuning_cents": self.tuning_cents}

    @classmethod
    def of_cells(cls, cells: Mapping[str, Any], origin: str, confidence: float) -> Self:
        return cls(origin, confidence, cells["tuning_cents"], Key.parse(cells["key"]))
