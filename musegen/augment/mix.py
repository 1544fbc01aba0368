"""Another track underneath: what a radio next door, or the next song of a set, does to a recording."""

import hashlib
from collections.abc import Sequence
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from musegen.audio import Audio
from musegen.augment.base import Effect, SoundAugmentation, Sounds
from musegen.augment.noise import mean_power
from musegen.augment.sounds import recalled
from musegen.change import Change
from musegen.errors import BadInput
from musegen.labels import Labels

_MOST_DECIBELS = 60.0
_HEAD = 16


class Mixed(Effect):
    """The sound named `name` added to every channel, from `start_seconds` of it on, and again from its beginning
    whenever it ends. The mean power of this sound, over channels and time, is `decibels` above that of what is added.

    Raises `BadInput` if the first hex digits of the file's hash are no longer `sha256`.
    """

    kind: Literal["mix"] = "mix"
    name: str
    sha256: str = Field(pattern=f"^[0-9a-f]{{{_HEAD}}}$")
    start_seconds: float = Field(ge=0.0, allow_inf_nan=False)
    decibels: float = Field(ge=0.0, le=_MOST_DECIBELS)

    def apply(self, audio: Audio, sounds: Sounds) -> tuple[Audio, Change]:
        other = recalled(sounds, self.name, self.sha256, audio.rate)
        under = _looped(other, self.start_seconds, audio.samples.shape[1])
        here, there = mean_power(audio.samples), mean_power(under)
        gain = np.sqrt(here / there) * 10 ** (-self.decibels / 20) if there else 0.0
        return Audio(np.add(audio.samples, np.float32(gain) * under, order="C"), audio.rate), Change()


class Mix(SoundAugmentation):
    """Another track of the same split, `least_decibels` to `most_decibels` below this one."""

    kind: Literal["mix"] = "mix"
    least_decibels: float = 10.0
    most_decibels: float = 30.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not 0 <= self.least_decibels <= self.most_decibels <= _MOST_DECIBELS:
            raise ValueError(
                "least_decibels and most_decibels are how far the other track is below this one,"
                f" 0 ≤ least ≤ most ≤ {_MOST_DECIBELS:.0f}"
            )
        return self

    def draw(self, audio: Audio, labels: Labels, sounds: Sounds, random: np.random.Generator) -> Mixed | None:
        """One of the others, a place in it and a ratio, all uniform; None where there is nobody else, silence here or
        at that place, or the other can't be decoded, which is not this track's fault. Raises `BadInput` (changed) where
        the other is not the one that was surveyed."""
        key, place = int(random.integers(2**63)), random.random()
        decibels = round(random.uniform(self.least_decibels, self.most_decibels), 4)
        names = sounds.others()
        if not names or not audio.samples.any():
            return None
        name = chosen(names, key)
        try:
            other, head = sounds.read(name, audio.rate), sounds.sha256(name)[:_HEAD]
        except BadInput as error:
            if error.reason == "changed":
                raise
            return None
        start_seconds = round(place * other.seconds, 4)
        if not mean_power(_looped(other, start_seconds, audio.samples.shape[1])):
            return None
        return Mixed(name=name, sha256=head, start_seconds=start_seconds, decibels=decibels)


def chosen(names: Sequence[str], key: int) -> str:
    """One of `names`, each as likely; `key` is the random number of the draw.

    One name more among n changes the choice of one key in n + 1, and to that name; one less only that of keys that had
    it. Rendezvous hashing: Thaler and Ravishankar, "A name-based mapping scheme for rendezvous" (1996).
    """
    return max(names, key=lambda name: hashlib.sha256(f"{key}:{name}".encode()).digest())


def _looped(other: Audio, start_seconds: float, frames: int) -> NDArray[np.float32]:
    """The mean of its channels, over and over, from `start_seconds` on; (1, frames)."""
    return np.resize(np.roll(other.mono, -round(start_seconds * other.rate)), (1, frames))
