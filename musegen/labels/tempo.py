"""The tempo of a track: one number."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from musegen.change import Change
from musegen.errors import BadInput
from musegen.labels.base import FILE, Label

SLOWEST_BPM, FASTEST_BPM = 10.0, 1000.0
"""What people may state; augmented music may leave the range."""


@dataclass(frozen=True)
class Tempo(Label):
    """Quarter notes a minute."""

    bpm: float = 120.0

    COLUMNS: ClassVar[Mapping[str, str]] = {"bpm": "float64"}

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (math.isfinite(self.bpm) and self.bpm > 0):
            raise BadInput(f"a tempo of {self.bpm} bpm can't be; correct it", "bad tempo")

    @classmethod
    def stated(cls, bpm: float, origin: str = FILE, confidence: float = 1.0) -> Self:
        """A tempo as a file or a person gives it; raises `BadInput` outside 10..1000."""
        if not SLOWEST_BPM <= bpm <= FASTEST_BPM:
            raise BadInput(
                f"a tempo of {bpm:g} bpm is outside {SLOWEST_BPM:g}..{FASTEST_BPM:g}; correct it", "bad tempo"
            )
        return cls(bpm=float(bpm), origin=origin, confidence=confidence)

    def follow(self, change: Change) -> Self:
        return replace(self, bpm=self.bpm * change.speed)
