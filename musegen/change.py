"""What an augmentation did to time and pitch, in a form that every label can follow."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.errors import BadParams


@dataclass(frozen=True)
class Change:
    """A musical moment at `t` seconds is at `t / speed + offset_seconds` afterwards, `cents` higher.

    What does not sound between `start_seconds` and `end_seconds` (of the time afterwards) is gone. Cents are whole, so
    that they add up exactly. Changes compose: `label.follow(a).follow(b) == label.follow(a.then(b))`, notes aside that
    the first pushes off the keyboard.
    """

    speed: float = 1.0
    cents: int = 0
    offset_seconds: float = 0.0
    start_seconds: float = -math.inf
    end_seconds: float = math.inf

    def __post_init__(self) -> None:
        if not self.speed > 0:
            raise BadParams(f"Change.speed: {self.speed} is not positive; 1.1 means ten per cent faster")
        if self.cents != int(self.cents):
            raise BadParams(f"Change.cents: {self.cents} is not whole; round it, and play it as rounded")

    @classmethod
    def excerpt(cls, start_seconds: float, seconds: float) -> "Change":
        """Only `seconds` are left, from `start_seconds` on, which becomes 0."""
        return cls(offset_seconds=-start_seconds, start_seconds=0.0, end_seconds=seconds)

    def then(self, after: "Change") -> "Change":
        """This change and `after`, as one."""
        return Change(
            speed=self.speed * after.speed,
            cents=self.cents + after.cents,
            offset_seconds=self.offset_seconds / after.speed + after.offset_seconds,
            start_seconds=max(self.start_seconds / after.speed + after.offset_seconds, after.start_seconds),
            end_seconds=min(self.end_seconds / after.speed + after.offset_seconds, after.end_seconds),
        )

    def moved(self, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Moments before → moments afterwards, gone or not."""
        return seconds / self.speed + self.offset_seconds

    def sounds(self, onsets: NDArray[np.float64], ends: NDArray[np.float64] | None = None) -> NDArray[Any]:
        """Which of the moments afterwards, or of what lasts from `onsets` to `ends`, are not gone; bool (n,)."""
        begun = onsets >= self.start_seconds
        if ends is not None:
            begun |= ends > self.start_seconds
        kept: NDArray[Any] = begun & (onsets < self.end_seconds)
        return kept
