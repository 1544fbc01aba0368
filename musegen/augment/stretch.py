"""Time and pitch apart: faster or slower at the same pitch, higher or lower at the same speed, or both."""

import math
from typing import Literal, Self

import numpy as np
import python_stretch
from numpy.typing import NDArray
from pydantic import Field, model_validator

from musegen.audio import Audio
from musegen.augment.base import Effect, SoundAugmentation, Sounds
from musegen.augment.transpose import Transpose
from musegen.augment.varispeed import at_speed, fitted
from musegen.change import Change
from musegen.labels import Labels

_SLOWEST, _FASTEST, _MOST_SEMITONES = 0.5, 2.0, 12
_SEMITONE, _MOST_QUICKENED = 2 ** (1 / 12), 2.0
# Blocks of the vocoder, a quarter of which it steps: longer ones tell low partials apart, which transposing needs.
_STRETCHING_SECONDS, _TRANSPOSING_SECONDS, _STEPS = 0.1, 0.2, 4
# It randomises phases where it lengthens to the double.
_SEED = 0


def stretched(audio: Audio, speed: float, cents: int) -> Audio:
    """The sound `speed` times as fast and `cents` higher: round(frames / speed) frames, onsets in their places.

    First the tape is run (`at_speed`) as fast as both allow, which is exact; one call of Signalsmith Stretch (a phase
    vocoder with predicted phases, Luff 2023) does the rest. The vocoder smears attacks where it slows down, and is some
    cents off in the bass where it transposes. So what has to be slower than it is higher is slowed by the tape and
    transposed up again; the vocoder slows down by a semitone at most, and otherwise quickens, at most to the double.
    """
    pitch = 2.0 ** (cents / 1200)
    tape = max(pitch, speed / _MOST_QUICKENED) if pitch <= speed * _SEMITONE else speed
    taped = at_speed(audio, tape)
    if not taped.samples.size or (speed == tape == pitch):
        return taped
    semitones = 0.0 if tape == pitch else 12 * math.log2(pitch / tape)
    # Signalsmith takes two channels at most.
    pairs = [taped.samples[first : first + 2] for first in range(0, len(taped.samples), 2)]
    done = np.concatenate([_vocoded(pair, audio.rate, speed / tape, semitones) for pair in pairs])
    return Audio(fitted(done, round(audio.samples.shape[1] / speed)), audio.rate)


def _vocoded(samples: NDArray[np.float32], rate: int, speed: float, semitones: float) -> NDArray[np.float32]:
    seconds = _TRANSPOSING_SECONDS if semitones else _STRETCHING_SECONDS
    vocoder = python_stretch.Signalsmith.Stretch(_SEED)
    vocoder.configure(len(samples), _STEPS * round(seconds * rate / _STEPS), round(seconds * rate / _STEPS))
    vocoder.setTimeFactor(speed)
    vocoder.setTransposeSemitones(semitones)
    return np.asarray(vocoder.process(np.ascontiguousarray(samples)), np.float32)


class Stretched(Effect):
    """`speed` times as fast and `cents` higher.

    `rendered`: False where the chain left it to the analysis of the sound, which needs no rendering.
    """

    kind: Literal["stretch"] = "stretch"
    speed: float = Field(ge=_SLOWEST, le=_FASTEST)
    cents: int = Field(0, ge=-100 * _MOST_SEMITONES, le=100 * _MOST_SEMITONES)
    rendered: bool = True

    @property
    def change(self) -> Change:
        """What it does to time and pitch."""
        return Change(self.speed, self.cents)

    def apply(self, audio: Audio, sounds: Sounds) -> tuple[Audio, Change]:
        return stretched(audio, self.speed, self.cents), self.change


class Stretch(SoundAugmentation):
    """A speed between `slowest` and `fastest`, uniform in its logarithm (1.1 = ten per cent faster), and semitones.

    Semitones are uniform between `lowest_semitones` and `highest_semitones`, as far as no note leaves its instrument;
    where notes have no such room, only the speed is drawn. Without notes, nothing forbids any.
    """

    kind: Literal["stretch"] = "stretch"
    slowest: float = 0.9
    fastest: float = 1.1
    lowest_semitones: int = -3
    highest_semitones: int = 3

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not _SLOWEST <= self.slowest <= self.fastest <= _FASTEST:
            raise ValueError("slowest and fastest are factors of speed, 0.5 ≤ slowest ≤ fastest ≤ 2")
        if not -_MOST_SEMITONES <= self.lowest_semitones <= self.highest_semitones <= _MOST_SEMITONES:
            raise ValueError("lowest_semitones and highest_semitones: -12 ≤ lowest ≤ highest ≤ 12")
        return self

    def draw(self, audio: Audio, labels: Labels, sounds: Sounds, random: np.random.Generator) -> Stretched:
        speed = float(np.exp(random.uniform(np.log(self.slowest), np.log(self.fastest))))
        return Stretched(speed=round(speed, 4), cents=self._cents(labels, random))

    def _cents(self, labels: Labels, random: np.random.Generator) -> int:
        if labels.notes is None:
            return 100 * int(random.integers(self.lowest_semitones, self.highest_semitones, endpoint=True))
        return Transpose(lowest=self.lowest_semitones, highest=self.highest_semitones).draw(labels.notes, random).cents
