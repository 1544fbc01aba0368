"""Transposition of the notes, within the range of their instruments."""

from typing import Literal, Self

import numpy as np
from pydantic import model_validator

from musegen import instruments
from musegen.change import Change
from musegen.labels import DRUMS, Notes
from musegen.settings import Settings


class Transpose(Settings):
    """Every pitched note by the same number of semitones between `lowest` and `highest`, drums as they are."""

    kind: Literal["transpose"] = "transpose"
    lowest: int = -3
    highest: int = 3

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not -24 <= self.lowest <= self.highest <= 24:
            raise ValueError("lowest and highest are semitones, -24 ≤ lowest ≤ highest ≤ 24")
        return self

    def draw(self, notes: Notes, random: np.random.Generator) -> Change:
        """Uniform over the transpositions that no instrument's range forbids; none where notes lie off the keyboard."""
        if notes.outside(0):
            return Change()
        pitched = notes.table[notes.table["program"] != DRUMS]
        down, up = instruments.room(pitched["program"], pitched["pitch"]) if len(pitched) else (0, 0)
        low, high = max(self.lowest, down), min(self.highest, up)
        if low > high:
            return Change()
        return Change(cents=100 * int(random.integers(low, high, endpoint=True)))
