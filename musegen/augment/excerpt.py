"""A part of the recording."""

from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from musegen.audio import Audio
from musegen.augment.base import Effect, SoundAugmentation, Sounds
from musegen.change import Change
from musegen.errors import BadInput
from musegen.labels import Labels

_SHORTEST_SECONDS, _LONGEST_SECONDS = 0.1, 3600.0


class Excerpted(Effect):
    """`seconds` of the sound from `start_seconds` on, both to the nearest sample."""

    kind: Literal["excerpt"] = "excerpt"
    start_seconds: float = Field(ge=0.0, allow_inf_nan=False)
    seconds: float = Field(gt=0.0, allow_inf_nan=False)

    def apply(self, audio: Audio, sounds: Sounds) -> tuple[Audio, Change]:
        """Raises `BadInput` where the sound ends before the excerpt does."""
        first, frames = round(self.start_seconds * audio.rate), round(self.seconds * audio.rate)
        if first + frames > audio.samples.shape[1]:
            raise BadInput(
                f"an excerpt to {self.start_seconds + self.seconds:g} s of a sound of {audio.seconds:g} s; "
                "take it from the recording that it was drawn for",
                "too short",
            )
        part = np.array(audio.samples[:, first : first + frames], np.float32, order="C")
        return Audio(part, audio.rate), Change.excerpt(first / audio.rate, frames / audio.rate)


class Excerpt(SoundAugmentation):
    """A part between `shortest_seconds` and `longest_seconds` long, uniform, from anywhere, uniform.

    Parts are no longer than the sound; a sound that is shorter than `shortest_seconds` stays whole.
    """

    kind: Literal["excerpt"] = "excerpt"
    shortest_seconds: float = 5.0
    longest_seconds: float = 20.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not _SHORTEST_SECONDS <= self.shortest_seconds <= self.longest_seconds <= _LONGEST_SECONDS:
            raise ValueError("shortest_seconds and longest_seconds: 0.1 ≤ shortest ≤ longest ≤ 3600")
        return self

    def draw(self, audio: Audio, labels: Labels, sounds: Sounds, random: np.random.Generator) -> Excerpted | None:
        available = audio.samples.shape[1]
        fewest = round(self.shortest_seconds * audio.rate)
        if available < fewest:
            return None
        most = min(round(self.longest_seconds * audio.rate), available)
        frames = int(random.integers(fewest, most, endpoint=True))
        first = int(random.integers(0, available - frames, endpoint=True))
        return Excerpted(start_seconds=first / audio.rate, seconds=frames / audio.rate)
