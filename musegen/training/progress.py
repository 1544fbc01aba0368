"""What a training run tells: while it goes on, and at its end."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from musegen.training.world import World


@dataclass(frozen=True)
class Progress:
    """A word from the loop: every ten steps, after every evaluation and checkpoint, and when a run goes on.

    `train_nll_per_token` (nats) is the mean since the last word, `data_wait_share` the share of that time in which this
    worker waited for data. `milliseconds` since 1970 is when it was said. `system` has figures of the machine by
    MLflow's names, in some words only. `checkpoint`, on the first worker only, is one that came to lie whole on disk
    since the last word. `resumed` marks the first word of a run that goes on: where it does, and its last loss.
    """

    step: int
    steps: int
    epoch: float
    train_nll_per_token: float
    learning_rate: float
    tokens_per_second: float
    valid_nll_per_note: float | None = None
    checkpoint: Path | None = None
    milliseconds: int = field(default_factory=lambda: time.time_ns() // 1_000_000)
    data_wait_share: float = 0.0
    system: Mapping[str, float] = field(default_factory=dict)
    resumed: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "checkpoint": str(self.checkpoint) if self.checkpoint else None}

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> Self:
        """The word that gave these; raises `TypeError` where none did. What a later musegen adds is passed over."""
        known = {each.name: values[each.name] for each in fields(cls) if each.name in values}
        checkpoint = known.get("checkpoint")
        return cls(**{**known, "checkpoint": Path(checkpoint) if checkpoint else None})


@dataclass(frozen=True)
class TrainingResult:
    """How it went: the best model lies in `best`; `history` has one entry an evaluation.

    A run that went on did so at `resumed_from_step`, where its loss was `resumed_nll` nats a token.
    """

    steps: int
    best: Path
    best_step: int
    best_valid_nll_per_note: float | None
    resumed_from_step: int | None
    stopped_early: bool
    interrupted: bool
    history: tuple[Progress, ...]
    resumed_nll: float | None = None


@dataclass(frozen=True)
class Reading:
    """Nats a token over all workers, tokens a second, share of the time in which this worker waited for data."""

    nll: float
    tokens_per_second: float
    data_wait_share: float


class Pace:
    """Loss and speed since last read."""

    def __init__(self, world: World) -> None:
        self._world, self._since, self._waited_before = world, time.monotonic(), 0.0
        self._nll, self._steps, self._tokens = torch.zeros((), dtype=torch.float64), 0, 0

    def lose(self, nll: Tensor) -> None:
        """Add a part of the loss of a step, in nats a target; the device is not waited for."""
        self._nll = self._nll.to(nll.device) + nll

    def count(self, tokens: int) -> None:
        """Take note that a step is done, with so many targets in its global batch."""
        self._steps, self._tokens = self._steps + 1, self._tokens + tokens

    def read(self, waited_seconds: float) -> Reading:
        """What it was since the last time, given how long was waited for data from the beginning on; starts anew."""
        nll = self._world.total(float(self._nll))[0] / max(self._steps, 1)
        now = time.monotonic()
        seconds = max(now - self._since, 1e-9)
        reading = Reading(nll, self._tokens / seconds, (waited_seconds - self._waited_before) / seconds)
        self._since, self._waited_before = now, waited_seconds
        self._nll, self._steps, self._tokens = torch.zeros_like(self._nll), 0, 0
        return reading
