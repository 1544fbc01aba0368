"""What every augmentation of sound can do: draw, and do what was drawn. Chance and effect are apart."""

from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
from pydantic import Field

from musegen.audio import Audio
from musegen.change import Change
from musegen.errors import BadInput
from musegen.labels import Labels
from musegen.settings import Settings


class Sounds(Protocol):
    """Other sounds that an augmentation may add: noises, impulse responses, other tracks."""

    def files(self, folder: str) -> Sequence[str]:
        """Names of the recordings in a folder of the workspace, sorted; raises `BadParams` where there are none."""

    def others(self) -> Sequence[str]:
        """Names of tracks of the same split that are no versions of this one, sorted; may be empty."""

    def read(self, name: str, rate: int) -> Audio:
        """The first minutes of that sound, mono, at `rate` hertz; raises `BadInput`."""

    def sha256(self, name: str) -> str:
        """Hash of the content of that sound's file; raises `BadInput`."""


class NoSounds:
    """Where there is nothing beside the track itself."""

    def files(self, folder: str) -> Sequence[str]:
        return ()

    def others(self) -> Sequence[str]:
        return ()

    def read(self, name: str, rate: int) -> Audio:
        raise _unknown(name)

    def sha256(self, name: str) -> str:
        raise _unknown(name)


def _unknown(name: str) -> BadInput:
    return BadInput("there is no such sound here; name the folder that holds it", "no file", Path(name))


class Effect(Settings):
    """What was drawn: numbers enough to do it again exactly. It is stored with the row that it made."""

    kind: str

    @abstractmethod
    def apply(self, audio: Audio, sounds: Sounds) -> tuple[Audio, Change]:
        """The sound after the effect, of the same number of channels, and what that did to time and pitch."""


class SoundAugmentation(Settings):
    """What may be drawn, within which bounds. It is its own configuration: `kind` and the bounds in params.yaml.

    `share` of the variants get it. `HEARS_CHANNELS`: it needs the channels of the recording before they are mixed.
    """

    kind: str
    share: float = Field(1.0, ge=0.0, le=1.0)

    HEARS_CHANNELS: ClassVar[bool] = False

    @abstractmethod
    def draw(self, audio: Audio, labels: Labels, sounds: Sounds, random: np.random.Generator) -> Effect | None:
        """The effect for this sound, `labels` being its labels; None where nothing within the bounds is possible."""

    def apply(
        self, audio: Audio, random: np.random.Generator, labels: Labels | None = None, sounds: Sounds | None = None
    ) -> tuple[Audio, Change]:
        """Draw, and do it at once, whatever `share` says."""
        beside = sounds or NoSounds()
        effect = self.draw(audio, labels or Labels(), beside, random)
        return effect.apply(audio, beside) if effect else (audio, Change())
