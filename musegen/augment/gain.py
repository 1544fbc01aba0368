"""Louder or softer."""

from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from musegen.audio import Audio
from musegen.augment.base import Effect, SoundAugmentation, Sounds
from musegen.change import Change
from musegen.labels import Labels


class Gained(Effect):
    """Every sample times 10^(decibels / 20); what goes beyond ±1 is not clipped."""

    kind: Literal["gain"] = "gain"
    decibels: float = Field(ge=-60.0, le=60.0)

    def apply(self, audio: Audio, sounds: Sounds) -> tuple[Audio, Change]:
        return Audio(audio.samples * np.float32(10.0 ** (self.decibels / 20.0)), audio.rate), Change()


class Gain(SoundAugmentation):
    """A gain between `least_decibels` and `most_decibels`, uniform in decibels."""

    kind: Literal["gain"] = "gain"
    least_decibels: float = -12.0
    most_decibels: float = 6.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not -60.0 <= self.least_decibels <= self.most_decibels <= 60.0:
            raise ValueError("least_decibels and most_decibels are of the gain, -60 ≤ least ≤ most ≤ 60")
        return self

    def draw(self, audio: Audio, labels: Labels, sounds: Sounds, random: np.random.Generator) -> Gained:
        return Gained(decibels=round(random.uniform(self.least_decibels, self.most_decibels), 4))
