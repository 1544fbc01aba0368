"""The sound in a room: a made one, or one whose impulse response was recorded."""

from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from scipy import fft

from musegen.audio import Audio
from musegen.augment.base import Effect, SoundAugmentation, Sounds
from musegen.augment.noise import mean_power
from musegen.augment.sounds import HEAD, recalled
from musegen.change import Change
from musegen.errors import BadInput, about
from musegen.labels import Labels

MOST_SECONDS = 10.0

_TREBLE_HERTZ, _TREBLE_SHARE = 2_000.0, 0.5
_STRONG = 0.5
_RISE_SECONDS = 0.0005


class Reverberated(Effect):
    """The direct sound, and `wet` of the energy from a room, after 60 dB of decay in `seconds` or from `file`.

    The direct sound stays at its time, and the length as it is: what still sounds at the end is cut. The mean power is
    that of before. A made room is exponentially decaying noise from `seed`, the same for all channels; above 2 kHz it
    dies twice as fast.
    """

    kind: Literal["reverb"] = "reverb"
    wet: float = Field(ge=0.0, le=1.0)
    seconds: float = Field(0.0, ge=0.0, le=MOST_SECONDS)
    seed: int = Field(0, ge=0)
    file: str = ""
    sha256: str = Field("", pattern=HEAD)

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (not self.seconds) == (not self.file) or bool(self.file) != bool(self.sha256):
            raise ValueError("a room either has seconds of decay, or comes from a file with its sha256")
        return self

    def apply(self, audio: Audio, sounds: Sounds) -> tuple[Audio, Change]:
        room = self._room(audio.rate, sounds)
        response = room * np.float32(np.sqrt(self.wet / np.sum(np.square(room, dtype=np.float64))))
        response[0] += np.float32(np.sqrt(1.0 - self.wet))
        result = convolved(audio.samples, response)
        power = mean_power(result)
        if power:
            result *= np.float32(np.sqrt(mean_power(audio.samples) / power))
        return Audio(result, audio.rate), Change()

    def _room(self, rate: int, sounds: Sounds) -> NDArray[np.float32]:
        if not self.file:
            return made_room(self.seconds, rate, self.seed)
        recording = recalled(sounds, self.file, self.sha256, rate)
        with about(Path(self.file)):
            return from_direct_sound(recording.samples[0], rate)


class Reverb(SoundAugmentation):
    """A room for the sound: `driest` to `wettest` of the energy comes from it (0.1: 9.5 dB below the direct sound).

    Its reverberation time (60 dB, below 2 kHz) is `shortest_seconds` to `longest_seconds`, uniform in the logarithm;
    or, where `files` names a folder of impulse responses, it is one of those, and they have times of their own.
    """

    kind: Literal["reverb"] = "reverb"
    shortest_seconds: float = 0.2
    longest_seconds: float = 1.5
    driest: float = 0.05
    wettest: float = 0.5
    files: str = ""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not 0.05 <= self.shortest_seconds <= self.longest_seconds <= MOST_SECONDS:
            raise ValueError("shortest_seconds and longest_seconds of decay by 60 dB, 0.05 ≤ shortest ≤ longest ≤ 10")
        if not 0.0 <= self.driest <= self.wettest <= 1.0:
            raise ValueError("driest and wettest are the room's share of the energy, 0 ≤ driest ≤ wettest ≤ 1")
        return self

    def draw(self, audio: Audio, labels: Labels, sounds: Sounds, random: np.random.Generator) -> Reverberated | None:
        wet = round(random.uniform(self.driest, self.wettest), 4)
        if self.files:
            names = sounds.files(self.files)
            if not names:
                return None
            file = names[int(random.integers(len(names)))]
            return Reverberated(wet=wet, file=file, sha256=sounds.sha256(file)[:16])
        seconds = float(np.exp(random.uniform(np.log(self.shortest_seconds), np.log(self.longest_seconds))))
        return Reverberated(wet=wet, seconds=round(seconds, 4), seed=int(random.integers(2**32)))


def made_room(seconds: float, rate: int, seed: int) -> NDArray[np.float32]:
    """Noise that decays by 60 dB in `seconds` below 2 kHz and in half of them above; (frames,), to its last 60 dB."""
    from scipy import signal  # not at the top: it takes a second, and every command comes by here

    frames = max(1, round(seconds * rate))
    noise = np.random.default_rng(seed).random(frames, np.float32) - np.float32(0.5)
    low = signal.sosfilt(signal.butter(2, _TREBLE_HERTZ, fs=rate, output="sos"), noise)
    decay = np.exp(-np.log(1_000.0) / (seconds * rate) * np.arange(frames))
    room: NDArray[np.float32] = (decay * (low + (noise - low) * decay ** (1.0 / _TREBLE_SHARE - 1.0))).astype(
        np.float32
    )
    return room


def from_direct_sound(recorded: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """An impulse response (frames,) from its direct sound on, at most 10 s of it.

    The direct sound is the first peak of at least half the greatest; it comes out positive. Raises `BadInput` where all
    is silent.
    """
    levels = np.abs(recorded)
    greatest = float(levels.max(initial=0.0))
    if not greatest:
        raise BadInput("it is no impulse response, for it is silent; remove it", "silent")
    strong = int(np.argmax(levels >= _STRONG * greatest))
    direct = strong + int(np.argmax(levels[strong : strong + max(1, round(_RISE_SECONDS * rate))]))
    sign = np.float32(1.0 if recorded[direct] > 0 else -1.0)
    response: NDArray[np.float32] = sign * recorded[direct : direct + round(MOST_SECONDS * rate)]
    return response


def convolved(samples: NDArray[np.float32], response: NDArray[np.float32]) -> NDArray[np.float32]:
    """`samples` (channels, frames) with `response` (taps,), as long as before.

    By overlapping blocks whose transforms have a power of two as length; scipy's `oaconvolve` does the same in up to
    twice the time.
    """
    frames = samples.shape[1]
    response = response[:frames]
    size = 1 << int(np.ceil(np.log2(3 * max(len(response), 1 << 10))))
    hop = size - len(response)
    spectrum = fft.rfft(response, size)
    result = np.zeros((len(samples), frames + size), np.float32)
    for channel, sent in zip(result, samples, strict=True):
        for first in range(0, frames, hop):
            channel[first : first + size] += fft.irfft(fft.rfft(sent[first : first + hop], size) * spectrum, size)
    return np.ascontiguousarray(result[:, :frames])
