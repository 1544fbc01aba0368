"""Another colour of sound, as by another microphone, loudspeaker or mastering: a few bands louder or softer."""

import math
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from musegen.audio import Audio
from musegen.augment.base import Effect, SoundAugmentation, Sounds
from musegen.augment.passing import LEAST_HERTZ, MOST_HERTZ, drawn_hertz, filtered
from musegen.change import Change
from musegen.labels import Labels
from musegen.settings import Settings

_BROADEST, _NARROWEST, _SHELF = 0.5, 2.0, math.sqrt(0.5)


class Band(Settings):
    """One biquad of R. Bristow-Johnson's "Cookbook formulae for audio EQ biquad filter coefficients".

    A peak has its `decibels` at `hertz` and half of them at the edges of a band of hertz / `quality`; a shelf has half
    of them at `hertz` and all of them beyond.
    """

    shape: Literal["peak", "low_shelf", "high_shelf"]
    hertz: float = Field(ge=LEAST_HERTZ, le=MOST_HERTZ)
    decibels: float = Field(ge=-24.0, le=24.0)
    quality: float = Field(ge=0.1, le=4.0)

    def section(self, rate: int) -> NDArray[np.float64]:
        """b0, b1, b2, 1, a1, a2 for sound of `rate` hertz, which is more than 2·`hertz`."""
        angle = 2.0 * math.pi * min(self.hertz / rate, 0.49)
        width, cosine = math.sin(angle) / (2.0 * self.quality), math.cos(angle)
        root = 10.0 ** (self.decibels / 40.0)
        if self.shape == "peak":
            up, down = width * root, width / root
            whole = [1.0 + up, -2.0 * cosine, 1.0 - up, 1.0 + down, -2.0 * cosine, 1.0 - down]
        else:
            # A high shelf is a low one with the frequency axis turned round: cosines and middle terms change sign.
            turn = 1.0 if self.shape == "low_shelf" else -1.0
            cosine *= turn
            slope, more, less = 2.0 * math.sqrt(root) * width, root + 1.0, root - 1.0
            whole = [
                root * (more - less * cosine + slope),
                turn * 2.0 * root * (less - more * cosine),
                root * (more - less * cosine - slope),
                more + less * cosine + slope,
                turn * -2.0 * (less + more * cosine),
                more + less * cosine - slope,
            ]
        return np.array([number / whole[3] for number in whole])


class Equalised(Effect):
    """All bands, one after the other. Of minimum phase: an attack stays at its sample."""

    kind: Literal["equalise"] = "equalise"
    bands: tuple[Band, ...] = Field(min_length=1, max_length=10)

    def apply(self, audio: Audio, sounds: Sounds) -> tuple[Audio, Change]:
        sections = np.array([band.section(audio.rate) for band in self.bands])
        return Audio(filtered(sections, audio.samples), audio.rate), Change()


class Equalise(SoundAugmentation):
    """As many `bands`, each up or down by at most `most_decibels`, between `lowest_hertz` and `highest_hertz`.

    Frequencies are uniform in the logarithm, and at most 0.45 of the sample rate. Of three or more bands the lowest is
    a low shelf and the highest a high shelf; all others are peaks with a quality of 0.5 to 2.
    """

    kind: Literal["equalise"] = "equalise"
    bands: int = Field(4, ge=1, le=10)
    lowest_hertz: float = 80.0
    highest_hertz: float = 10_000.0
    most_decibels: float = Field(6.0, ge=0.0, le=24.0)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not LEAST_HERTZ <= self.lowest_hertz <= self.highest_hertz <= MOST_HERTZ:
            raise ValueError("lowest_hertz and highest_hertz of an equaliser, 10 ≤ lowest ≤ highest ≤ 24,000")
        return self

    def draw(self, audio: Audio, labels: Labels, sounds: Sounds, random: np.random.Generator) -> Equalised:
        hertz = sorted(
            drawn_hertz(random, self.lowest_hertz, self.highest_hertz, audio.rate) for _ in range(self.bands)
        )
        return Equalised(bands=tuple(self._band(place, hertz[place], random) for place in range(self.bands)))

    def _band(self, place: int, hertz: float, random: np.random.Generator) -> Band:
        decibels = round(random.uniform(-self.most_decibels, self.most_decibels), 4)
        quality = round(float(np.exp(random.uniform(np.log(_BROADEST), np.log(_NARROWEST)))), 4)
        if self.bands >= 3 and place in (0, self.bands - 1):
            shape: Literal["low_shelf", "high_shelf"] = "high_shelf" if place else "low_shelf"
            return Band(shape=shape, hertz=hertz, decibels=decibels, quality=round(_SHELF, 4))
        return Band(shape="peak", hertz=hertz, decibels=decibels, quality=quality)
