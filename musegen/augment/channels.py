"""What happens to channels on the way: swapped sides, another width, balance, wires crossed."""

from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from musegen.audio import Audio, sound
from musegen.augment.base import Effect, SoundAugmentation, Sounds
from musegen.change import Change
from musegen.labels import Labels

Inverted = Literal["none", "all", "left", "right"]
_WIDEST = 2.0
_MOST_DECIBELS = 12.0
_STEREO = 2
_FAINTEST = 0.25


class Rechannelled(Effect):
    """Two channels: sides swapped, then made wider, balanced, and turned in polarity, in this order.

    `width`: what the difference of the sides (half of left minus right) is multiplied by, while their mean stays: 0
    gives the mean on both sides. `balance_decibels`: how much louder the left becomes against the right, half of it on
    each side. `inverted`: which channels change their sign. Of one channel, or more than two, only `all` and `none`
    mean anything; the rest is as before.
    """

    kind: Literal["channels"] = "channels"
    swapped: bool = False
    width: float = Field(1.0, ge=0.0, le=_WIDEST)
    balance_decibels: float = Field(0.0, ge=-_MOST_DECIBELS, le=_MOST_DECIBELS)
    inverted: Inverted = "none"

    @property
    def matrix(self) -> NDArray[np.float32]:
        """What two channels are multiplied by, from the left; shape (2, 2)."""
        mean, difference = np.full((2, 2), 0.5), np.array([[0.5, -0.5], [-0.5, 0.5]])
        widened = mean + self.width * difference
        if self.swapped:
            widened = widened[:, ::-1]
        left = 10 ** (self.balance_decibels / 40)
        signs = {"none": (1, 1), "all": (-1, -1), "left": (-1, 1), "right": (1, -1)}[self.inverted]
        return np.asarray(np.array([[left * signs[0]], [signs[1] / left]]) * widened, np.float32)

    def apply(self, audio: Audio, sounds: Sounds) -> tuple[Audio, Change]:
        if len(audio.samples) == _STEREO:
            return Audio(self.matrix @ audio.samples, audio.rate), Change()
        sign = np.float32(-1 if self.inverted == "all" else 1)
        return Audio(np.multiply(audio.samples, sign, order="C"), audio.rate), Change()


class Channels(SoundAugmentation):
    """Sides swapped in half of the draws if `swap`; a width, a balance of up to `most_balance_decibels` to either side,
    and a polarity of those in `inverted`, each uniform within its bounds. One channel gets a polarity only.

    Choose it after whatever adds a sound: the same sound on two sides of opposite polarity belongs to neither.
    """

    kind: Literal["channels"] = "channels"
    swap: bool = True
    least_width: float = 0.5
    most_width: float = 1.5
    most_balance_decibels: float = 3.0
    inverted: tuple[Inverted, ...] = Field(("none", "all", "left", "right"), min_length=1)

    HEARS_CHANNELS: ClassVar[bool] = True

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not 0 <= self.least_width <= self.most_width <= _WIDEST:
            raise ValueError(f"least_width and most_width: 0 (mono) ≤ least ≤ most ≤ {_WIDEST:.0f}; 1 changes nothing")
        if not 0 <= self.most_balance_decibels <= _MOST_DECIBELS:
            raise ValueError(f"most_balance_decibels: 0 to {_MOST_DECIBELS:.0f}")
        return self

    def draw(self, audio: Audio, labels: Labels, sounds: Sounds, random: np.random.Generator) -> Rechannelled | None:
        """What was drawn, less what would make `Audio.mono` of the result lose what `Audio.mono` has now."""
        balance = self.most_balance_decibels
        drawn = Rechannelled(
            swapped=bool(self.swap and random.random() < 1 / 2),
            width=round(random.uniform(self.least_width, self.most_width), 4),
            balance_decibels=round(random.uniform(-balance, balance), 4),
            inverted=self.inverted[random.integers(len(self.inverted))],
        )
        if len(audio.samples) != _STEREO:
            return Rechannelled(inverted="all") if drawn.inverted == "all" else None
        products = audio.samples @ audio.samples.T
        both = drawn.model_copy(update={"inverted": "none"})
        tries = (drawn, both, both.model_copy(update={"width": 1.0}))
        return next((effect for effect in tries if effect != Rechannelled() and _heard(effect, products)), None)


def _heard(effect: Rechannelled, products: NDArray[np.float32]) -> bool:
    """Whether mono is a sum of the same channels with the same relative signs as before, none of them 12 decibels down.

    So nothing cancels. With one side inverted, what is in the middle would vanish from mono where `polarity` does not
    notice.
    """
    matrix = effect.matrix
    gains = sound.polarity(products) * (sound.polarity(matrix @ products @ matrix.T) @ matrix)
    return bool((gains >= _FAINTEST).all() or (gains <= -_FAINTEST).all())
