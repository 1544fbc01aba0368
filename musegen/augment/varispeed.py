"""A tape that runs faster or slower: time and pitch together."""

from typing import Literal, Self

import numpy as np
import soxr
from numpy.typing import NDArray
from pydantic import Field, model_validator

from musegen.audio import Audio
from musegen.augment.base import Effect, SoundAugmentation, Sounds
from musegen.change import Change
from musegen.labels import Labels

_MOST_CENTS = 1200


def at_speed(audio: Audio, speed: float) -> Audio:
    """The sound of a tape that runs `speed` times as fast: round(frames / speed) frames.

    Resampled by exactly that ratio (soxr, high quality: band-limited, of linear phase, without delay).
    """
    if speed == 1.0 or not audio.samples.size:
        return audio
    resampled = soxr.resample(audio.samples.T, audio.rate * speed, audio.rate, quality="HQ")
    return Audio(fitted(resampled.T, round(audio.samples.shape[1] / speed)), audio.rate)


def fitted(samples: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    """The first `frames` of samples (channels, any), with silence after them where there are fewer; contiguous."""
    missing = max(0, frames - samples.shape[1])
    return np.ascontiguousarray(np.pad(samples[:, :frames], ((0, 0), (0, missing))))


class Varied(Effect):
    """As a tape that was tuned `cents` higher by its speed, 2^(cents / 1200)."""

    kind: Literal["varispeed"] = "varispeed"
    cents: int = Field(ge=-_MOST_CENTS, le=_MOST_CENTS)

    @property
    def change(self) -> Change:
        """What it does to time and pitch."""
        return Change(2.0 ** (self.cents / 1200), self.cents)

    def apply(self, audio: Audio, sounds: Sounds) -> tuple[Audio, Change]:
        return at_speed(audio, self.change.speed), self.change


class Varispeed(SoundAugmentation):
    """Another speed of the tape: whole cents between `lowest_cents` and `highest_cents`, uniform."""

    kind: Literal["varispeed"] = "varispeed"
    lowest_cents: int = -100
    highest_cents: int = 100

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not -_MOST_CENTS <= self.lowest_cents <= self.highest_cents <= _MOST_CENTS:
            raise ValueError("lowest_cents and highest_cents: -1200 ≤ lowest ≤ highest ≤ 1200, an octave either way")
        return self

    def draw(self, audio: Audio, labels: Labels, sounds: Sounds, random: np.random.Generator) -> Varied:
        return Varied(cents=int(random.integers(self.lowest_cents, self.highest_cents, endpoint=True)))
