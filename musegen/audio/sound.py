"""Sound in memory."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_CANCELS = 0.05


@dataclass(frozen=True, eq=False)
class Audio:
    """Sound in [-1, 1]: `samples` float32 of shape (channels, frames), `rate` in hertz."""

    samples: NDArray[np.float32]
    rate: int

    @property
    def seconds(self) -> float:
        """Duration."""
        return float(self.samples.shape[1] / self.rate)

    @property
    def mono(self) -> NDArray[np.float32]:
        """The mean of the channels, shape (frames,); where they would cancel, `polarity` is turned first."""
        if len(self.samples) == 1:
            return np.array(self.samples[0])
        signs = polarity(self.samples @ self.samples.T)
        if (signs < 0).any():
            return np.asarray(signs @ self.samples / np.float32(len(signs)), np.float32)
        mean: NDArray[np.float32] = self.samples.mean(axis=0, dtype=np.float32)
        return mean


def polarity(products: NDArray[np.floating]) -> NDArray[np.float32]:
    """By what to multiply channels (1 or -1) before they are added; `products`: of each channel with each, summed.

    Channels in opposite phase cancel in the mean. Where less than a twentieth of their mean power is left of it (two
    equal ones: a correlation below -0.9; independent ones leave an eighth or more, for up to eight channels), those
    that go against the loudest are turned round. All are 1 otherwise.
    """
    count = len(products)
    signs = np.ones(count, np.float32)
    if float(products.sum()) / count < _CANCELS * float(np.trace(products)):
        signs[products[int(np.argmax(np.diag(products)))] < 0] = -1
    return signs
