"""Instruments tuned a little higher or lower, played as fast as before."""

from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from musegen.audio import Audio
from musegen.augment.base import Effect, SoundAugmentation, Sounds
from musegen.augment.stretch import stretched
from musegen.change import Change
from musegen.labels import Labels

_MOST_CENTS = 100


class Detuned(Effect):
    """`cents` higher; the labels keep the fraction of a semitone as their tuning."""

    kind: Literal["detune"] = "detune"
    cents: int = Field(ge=-_MOST_CENTS, le=_MOST_CENTS)

    @property
    def change(self) -> Change:
        """What it does to pitch."""
        return Change(cents=self.cents)

    def apply(self, audio: Audio, sounds: Sounds) -> tuple[Audio, Change]:
        return stretched(audio, 1.0, self.cents), self.change


class Detune(SoundAugmentation):
    """Another tuning: whole cents between `lowest_cents` and `highest_cents`, uniform."""

    kind: Literal["detune"] = "detune"
    lowest_cents: int = -30
    highest_cents: int = 30

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not -_MOST_CENTS <= self.lowest_cents <= self.highest_cents <= _MOST_CENTS:
            raise ValueError("lowest_cents and highest_cents: -100 ≤ lowest ≤ highest ≤ 100, a semitone either way")
        return self

    def draw(self, audio: Audio, labels: Labels, sounds: Sounds, random: np.random.Generator) -> Detuned:
        return Detuned(cents=int(random.integers(self.lowest_cents, self.highest_cents, endpoint=True)))
