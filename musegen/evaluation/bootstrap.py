"""How sure a figure is: intervals by drawing the pieces again.

Efron's percentile bootstrap (Efron, "Bootstrap methods: another look at the jackknife", 1979): as many pieces as there
are, drawn with replacement, give another figure; the interval holds the middle of what many draws give. The piece is
what is drawn, never its notes: notes of one piece are no independent witnesses. Two models are compared on the same
draws, so that what makes a piece hard for both cancels out. With a handful of pieces intervals are too narrow.
"""

import numpy as np
from numpy.typing import NDArray

DRAWS = 2000
CONFIDENCE = 0.95


def draw_weights(count: int, draws: int = DRAWS, seed: int = 0) -> NDArray[np.float64]:
    """How often each of `count` pieces is in each draw: float64 (draws, count), every row sums to `count`.

    Equal arguments give equal draws: figures of two models on the same pieces are thereby paired.
    """
    random = np.random.default_rng(seed)
    return random.multinomial(count, np.full(count, 1 / count), size=draws).astype(np.float64)


def interval(drawn: NDArray[np.float64], confidence: float = CONFIDENCE) -> list[float] | None:
    """Low and high end of what the draws (n,) gave; draws that gave no number don't count, None where none did."""
    finite = drawn[np.isfinite(drawn)]
    if not len(finite):
        return None
    low, high = np.quantile(finite, ((1 - confidence) / 2, (1 + confidence) / 2)).tolist()
    return [low, high]
