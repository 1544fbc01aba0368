"""Noise under the sound: made, or taken from recordings of noise."""

from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from musegen.audio import Audio
from musegen.augment.base import Effect, SoundAugmentation, Sounds
from musegen.augment.sounds import HEAD, recalled
from musegen.change import Change
from musegen.labels import Labels

Colour = Literal["white", "pink", "brown"]

_PINK_HERTZ, _PINK_RATIO = 8.0, 8.0
_BROWN_HERTZ = 20.0
_SETTLING_SECONDS = 0.2


def coloured(colour: Colour, channels: int, frames: int, rate: int, seed: int) -> NDArray[np.float32]:
    """Noise of (channels, frames), its own in every channel, at no particular level.

    White: uniform random numbers; their spectrum is that of Gaussian ones at a fifth of the cost, and what any filter
    hears of them is Gaussian. Pink: -3 dB an octave (power as 1/f) above 20 Hz, by poles and zeros that take turns,
    three octaves from pole to pole and each zero midway between two (on the logarithmic axis). Brown: -6 dB an octave
    above 20 Hz, by one pole.
    """
    settling = 0 if colour == "white" else int(_SETTLING_SECONDS * rate)
    white = np.random.default_rng(seed).random((channels, settling + frames), np.float32)
    white -= np.float32(0.5)
    if colour == "white":
        return white
    from scipy import signal  # not at the top: it takes a second, and every command comes by here

    shaped: NDArray[np.float32] = signal.sosfilt(_shape(colour, rate), white)[:, settling:]
    return shaped


def mean_power(samples: NDArray[np.float32]) -> float:
    """The mean square over all channels."""
    return float(np.einsum("cf,cf->", samples, samples)) / samples.size if samples.size else 0.0


class Noised(Effect):
    """Noise of one `colour` from `seed`, or the recording `file`, added `decibels` below the sound's mean power.

    Made noise is another one in every channel. A recording is mono, the same in all channels; it begins at the share
    `begins` of its length and goes round where it is shorter than the sound. A silent sound stays silent.
    """

    kind: Literal["noise"] = "noise"
    decibels: float = Field(ge=-20.0, le=80.0)
    colour: Colour | None = None
    seed: int = Field(0, ge=0)
    file: str = ""
    sha256: str = Field("", pattern=HEAD)
    begins: float = Field(0.0, ge=0.0, le=1.0)

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.colour is None) == (not self.file) or bool(self.file) != bool(self.sha256):
            raise ValueError("noise is either of a colour, or from a file with its sha256")
        return self

    def apply(self, audio: Audio, sounds: Sounds) -> tuple[Audio, Change]:
        noise = self._noise(audio, sounds)
        power = mean_power(noise)
        gain = np.sqrt(mean_power(audio.samples) / power / 10.0 ** (self.decibels / 10.0)) if power else 0.0
        noise *= np.float32(gain)
        return Audio(audio.samples + noise, audio.rate), Change()

    def _noise(self, audio: Audio, sounds: Sounds) -> NDArray[np.float32]:
        channels, frames = audio.samples.shape
        if self.colour:
            return coloured(self.colour, channels, frames, audio.rate, self.seed)
        recording = recalled(sounds, self.file, self.sha256, audio.rate).samples[:1]
        first = int(self.begins * recording.shape[1])
        return np.resize(np.roll(recording, -first, axis=1), (1, frames))


class Noise(SoundAugmentation):
    """Noise `least_decibels` to `most_decibels` below the sound, uniform in decibels.

    Every one of `colours` is as likely as a recording from the folder `files` (of the workspace; "" for none).
    """

    kind: Literal["noise"] = "noise"
    colours: tuple[Colour, ...] = ("white", "pink", "brown")
    files: str = ""
    least_decibels: float = 10.0
    most_decibels: float = 40.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not -20.0 <= self.least_decibels <= self.most_decibels <= 80.0:
            raise ValueError("least_decibels and most_decibels are of sound over noise, -20 ≤ least ≤ most ≤ 80")
        if not self.colours and not self.files:
            raise ValueError(
                "colours is empty and files names no folder; name a colour (white, pink, brown) or a folder"
            )
        return self

    def draw(self, audio: Audio, labels: Labels, sounds: Sounds, random: np.random.Generator) -> Noised | None:
        names = sounds.files(self.files) if self.files else ()
        sources: list[Colour | None] = [*self.colours, *([None] if names else [])]
        if not sources:
            return None
        decibels = round(random.uniform(self.least_decibels, self.most_decibels), 4)
        colour = sources[random.integers(len(sources))]
        if colour:
            return Noised(decibels=decibels, colour=colour, seed=int(random.integers(2**32)))
        file = names[int(random.integers(len(names)))]
        begins = round(random.random(), 4)
        return Noised(decibels=decibels, file=file, sha256=sounds.sha256(file)[:16], begins=begins)


def _shape(colour: Colour, rate: int) -> NDArray[np.float32]:
    from scipy import signal  # not at the top: it takes a second, and every command comes by here

    if colour == "brown":
        hertz = np.array([_BROWN_HERTZ])
        zeros = np.zeros(0)
    else:
        pairs = int(np.ceil(np.log(rate / _PINK_HERTZ) / np.log(_PINK_RATIO)))
        hertz = _PINK_HERTZ * _PINK_RATIO ** np.arange(pairs)
        zeros = np.exp(-2.0 * np.pi * hertz * np.sqrt(_PINK_RATIO) / rate)
    sections = signal.zpk2sos(zeros, np.exp(-2.0 * np.pi * hertz / rate), 1.0)
    return np.asarray(sections, np.float32)
