"""Overdrive: an amplifier, a tape or a converter that is asked for more than it can give."""

from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from musegen.audio import Audio
from musegen.augment.base import Effect, SoundAugmentation, Sounds
from musegen.augment.noise import mean_power
from musegen.change import Change
from musegen.labels import Labels

Curve = Literal["hard", "soft"]
_MOST_DECIBELS = 40.0


class Saturated(Effect):
    """The sound driven `decibels` beyond the ceiling of a curve, and brought back to its level.

    The ceiling is measured from the sound's own peak over all channels, so that the effect is the same at every
    level: 0 decibels just touch it. `hard` cuts off what is above; `soft` is tanh, which bends well below. Both curves
    are odd: a wave that is symmetric about zero stays so, and gets no DC. The mean power over all channels is that of
    before, so peaks are lower. Overtones above half the sample rate are folded down (no oversampling): far below the
    others in music, and clipped converters do the same.
    """

    kind: Literal["saturate"] = "saturate"
    curve: Curve
    decibels: float = Field(ge=0.0, le=_MOST_DECIBELS)

    def apply(self, audio: Audio, sounds: Sounds) -> tuple[Audio, Change]:
        peak = np.abs(audio.samples).max(initial=0)
        if not peak:
            return Audio(audio.samples.copy(), audio.rate), Change()
        relative = np.divide(audio.samples, peak, order="C")
        driven = relative * np.float32(10 ** (self.decibels / 20))
        if self.curve == "hard":
            np.clip(driven, -1, 1, out=driven)
        else:
            np.tanh(driven, out=driven)
        driven *= np.float32(peak * np.sqrt(mean_power(relative) / mean_power(driven)))
        return Audio(driven, audio.rate), Change()


class Saturate(SoundAugmentation):
    """Drive between `least_decibels` and `most_decibels` through one of `curves`."""

    kind: Literal["saturate"] = "saturate"
    curves: tuple[Curve, ...] = Field(("hard", "soft"), min_length=1)
    least_decibels: float = 3.0
    most_decibels: float = 15.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not 0 <= self.least_decibels <= self.most_decibels <= _MOST_DECIBELS:
            raise ValueError(f"least_decibels and most_decibels are the drive, 0 ≤ least ≤ most ≤ {_MOST_DECIBELS:.0f}")
        return self

    def draw(self, audio: Audio, labels: Labels, sounds: Sounds, random: np.random.Generator) -> Saturated:
        """Curve and drive, both uniform."""
        curve = self.curves[random.integers(len(self.curves))]
        return Saturated(curve=curve, decibels=round(random.uniform(self.least_decibels, self.most_decibels), 4))
