"""A faster or slower performance of the same notes."""

from typing import Literal, Self

import numpy as np
from pydantic import model_validator

from musegen.change import Change
from musegen.labels import Notes
from musegen.settings import Settings


class Tempo(Settings):
    """Speed by a factor between `slowest` and `fastest`, uniform in its logarithm (1.1 = ten per cent faster)."""

    kind: Literal["tempo"] = "tempo"
    slowest: float = 0.9
    fastest: float = 1.1

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not 0.25 <= self.slowest <= self.fastest <= 4.0:
            raise ValueError("slowest and fastest are factors, 0.25 ≤ slowest ≤ fastest ≤ 4")
        return self

    def draw(self, notes: Notes, random: np.random.Generator) -> Change:
        """Four decimals, so that the stored number makes the row again exactly."""
        speed = float(np.exp(random.uniform(np.log(self.slowest), np.log(self.fastest))))
        return Change(speed=round(speed, 4))
