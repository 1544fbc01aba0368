"""What a training run tells: while it goes on, and at its end."""

import time
from dataclasses import dataclass
from pathlib import Path

from musegen.training.world import World


@dataclass(frozen=True)
class Progress:
    """A word from the loop: every ten steps, and after every evaluation and checkpoint.

    `train_nll_per_token` (nats) is the mean since the last word; `checkpoint` is set on the first worker only.
    """

    step: int
    steps: int
    epoch: float
    train_nll_per_token: float
    learning_rate: float
    tokens_per_second: float
    valid_nll_per_note: float | None = None
    checkpoint: Path | None = None


@dataclass(frozen=True)
class TrainingResult:
    """How it went: the best model lies in `best`; `history` has one entry an evaluation."""

    steps: int
    best: Path
    best_step: int
    best_valid_nll_per_note: float | None
    resumed_from_step: int | None
    stopped_early: bool
    interrupted: bool
    history: tuple[Progress, ...]


class Pace:
    """Loss and speed since last read."""

    def __init__(self, world: World) -> None:
        self._world, self._since = world, time.monotonic()
        self._nll, self._steps, self._tokens = 0.0, 0, 0

    def count(self, nll: float, tokens: int) -> None:
        """Take note of one step: this worker's loss, the targets of the global batch."""
        self._nll, self._steps, self._tokens = self._nll + nll, self._steps + 1, self._tokens + tokens

    def read(self) -> tuple[float, float]:
        """Nats a token over all workers, tokens a second; starts anew."""
        nll = self._world.total(self._nll)[0] / max(self._steps, 1)
        now = time.monotonic()
        speed = self._tokens / max(now - self._since, 1e-9)
        self._since, self._nll, self._steps, self._tokens = now, 0.0, 0, 0
        return nll, speed
