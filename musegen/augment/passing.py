"""Low-pass and high-pass filters, and what all recursive filters of sound here need."""

import math
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from musegen.audio import Audio
from musegen.augment.base import Effect, SoundAugmentation, Sounds
from musegen.change import Change
from musegen.labels import Labels

LEAST_HERTZ, MOST_HERTZ = 10.0, 24_000.0
LEAST_LOW_PASS_HERTZ = 200.0

_HIGHEST_SHARE = 0.45
_BLOCK = 1 << 14
_NOTHING = 1e-30


def drawn_hertz(random: np.random.Generator, lowest: float, highest: float, rate: int) -> float:
    """A frequency between the two, uniform in its logarithm; one decimal, and at most 0.45 of the sample rate."""
    return _below_nyquist(float(np.exp(random.uniform(np.log(lowest), np.log(highest)))), rate)


def filtered(sections: NDArray[np.float64], samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """`samples` (channels, frames) through biquads (sections, 6) as scipy's `sosfilt` takes them, in double precision.

    Block by block: in digital silence the state of a filter dies away to denormal numbers, which cost a processor a
    hundred times as much; between blocks what is left of it (-600 dB) is set to zero.
    """
    from scipy import signal  # not at the top: it takes a second, and every command comes by here

    state = np.zeros((len(sections), len(samples), 2))
    result = np.empty(samples.shape, np.float32)
    for first in range(0, samples.shape[1], _BLOCK):
        block = slice(first, first + _BLOCK)
        result[:, block], state = signal.sosfilt(sections, samples[:, block], zi=state)
        state[np.abs(state) < _NOTHING] = 0.0
    return result


class LowPassed(Effect):
    """A Butterworth low-pass filter, 3 dB down at `hertz`, 6·`order` dB an octave above.

    It delays what is well below `hertz` by 1 / (2π hertz sin(π / 2 order)); the result is moved back by that, to the
    sample. What is left of the delay is under 1 ms up to half of `hertz`, and on average over the energy of a click.
    """

    kind: Literal["low_pass"] = "low_pass"
    hertz: float = Field(ge=LEAST_LOW_PASS_HERTZ, le=MOST_HERTZ)
    order: int = Field(ge=1, le=8)

    def apply(self, audio: Audio, sounds: Sounds) -> tuple[Audio, Change]:
        hertz = _below_nyquist(self.hertz, audio.rate)
        delay = round(audio.rate / (2 * math.pi * hertz * math.sin(math.pi / 2 / self.order)))
        ahead = np.pad(audio.samples, ((0, 0), (0, delay)))
        passed = filtered(_butterworth("lowpass", hertz, self.order, audio.rate), ahead)
        return Audio(np.ascontiguousarray(passed[:, delay:]), audio.rate), Change()


class HighPassed(Effect):
    """A Butterworth high-pass filter, 3 dB down at `hertz`, 6·`order` dB an octave below.

    Of minimum phase: an attack stays at its sample (the energy of a click moves by 0.1 ms at most); only tones next to
    `hertz` swell later.
    """

    kind: Literal["high_pass"] = "high_pass"
    hertz: float = Field(ge=LEAST_HERTZ, le=MOST_HERTZ)
    order: int = Field(ge=1, le=8)

    def apply(self, audio: Audio, sounds: Sounds) -> tuple[Audio, Change]:
        hertz = _below_nyquist(self.hertz, audio.rate)
        passed = filtered(_butterworth("highpass", hertz, self.order, audio.rate), audio.samples)
        return Audio(passed, audio.rate), Change()


class LowPass(SoundAugmentation):
    """A low-pass filter of `order` between `lowest_hertz` and `highest_hertz`, uniform in the logarithm.

    Drawn frequencies above 0.45 of the sample rate become 0.45 of it.
    """

    kind: Literal["low_pass"] = "low_pass"
    lowest_hertz: float = 2_000.0
    highest_hertz: float = 8_000.0
    order: int = Field(2, ge=1, le=8)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not LEAST_LOW_PASS_HERTZ <= self.lowest_hertz <= self.highest_hertz <= MOST_HERTZ:
            raise ValueError("lowest_hertz and highest_hertz of a low-pass, 200 ≤ lowest ≤ highest ≤ 24,000")
        return self

    def draw(self, audio: Audio, labels: Labels, sounds: Sounds, random: np.random.Generator) -> LowPassed:
        hertz = drawn_hertz(random, self.lowest_hertz, self.highest_hertz, audio.rate)
        return LowPassed(hertz=hertz, order=self.order)


class HighPass(SoundAugmentation):
    """A high-pass filter of `order` between `lowest_hertz` and `highest_hertz`, uniform in the logarithm.

    Drawn frequencies above 0.45 of the sample rate become 0.45 of it.
    """

    kind: Literal["high_pass"] = "high_pass"
    lowest_hertz: float = 20.0
    highest_hertz: float = 300.0
    order: int = Field(2, ge=1, le=8)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not LEAST_HERTZ <= self.lowest_hertz <= self.highest_hertz <= MOST_HERTZ:
            raise ValueError("lowest_hertz and highest_hertz of a high-pass, 10 ≤ lowest ≤ highest ≤ 24,000")
        return self

    def draw(self, audio: Audio, labels: Labels, sounds: Sounds, random: np.random.Generator) -> HighPassed:
        hertz = drawn_hertz(random, self.lowest_hertz, self.highest_hertz, audio.rate)
        return HighPassed(hertz=hertz, order=self.order)


def _below_nyquist(hertz: float, rate: int) -> float:
    return round(min(hertz, _HIGHEST_SHARE * rate), 1)


def _butterworth(kind: str, hertz: float, order: int, rate: int) -> NDArray[Any]:
    from scipy import signal  # not at the top: it takes a second, and every command comes by here

    sections: NDArray[Any] = signal.butter(order, hertz, kind, fs=rate, output="sos")
    return sections
