"""The space in which tuning looks for better settings: ranges and choices by the dotted path of a parameter."""

import math
from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, model_validator

from musegen.settings import Settings

Value = float | int | str


class Range(Settings):
    """Exactly one of: `uniform` or `log_uniform` (least, most), or `choice` of values."""

    uniform: tuple[float, float] | None = None
    log_uniform: tuple[float, float] | None = None
    choice: tuple[Value, ...] | None = None

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        given = [value for value in (self.uniform, self.log_uniform, self.choice) if value is not None]
        if len(given) != 1 or not given[0]:
            raise ValueError("give one of uniform: [least, most], log_uniform: [least, most], choice: [values]")
        for pair in (self.uniform, self.log_uniform):
            if pair is not None and not (all(map(math.isfinite, pair)) and pair[0] < pair[1]):
                raise ValueError(f"{list(pair)} is no range; write [least, most]")
        if self.log_uniform is not None and self.log_uniform[0] <= 0:
            raise ValueError("log_uniform needs bounds above 0")
        return self

    @property
    def samples(self) -> tuple[Value, ...]:
        """Both ends of a range and two places between, or all values of a choice."""
        return self.choice or tuple(self.at(share) for share in (0.0, 0.31, 0.73, 1.0))

    def at(self, share: float) -> Value:
        """The value at `share` (0..1) of the way, with four digits."""
        if self.choice is not None:
            return self.choice[min(int(share * len(self.choice)), len(self.choice) - 1)]
        if self.log_uniform is not None:
            least, most = map(math.log, self.log_uniform)
            return _rounded(math.exp(least + share * (most - least)), self.log_uniform)
        least, most = self.uniform or (0.0, 0.0)
        return _rounded(least + share * (most - least), (least, most))


class TuningSettings(Settings):
    """The `tuning` section: what is tried where the gate refuses a model.

    Up to `trials` settings from `space` (paths below `generator`) are trained, for up to `minutes`; a trial may be
    stopped after the share `grace` of its steps where it is not among the best 1 in `reduction`. 0 trials: never.
    """

    trials: int = Field(6, ge=0, le=1000)
    minutes: float = Field(60, gt=0)
    seed: int = 0
    grace: float = Field(0.25, gt=0, le=1)
    reduction: float = Field(3, gt=1)
    space: Mapping[str, Range] = Field(
        default_factory=lambda: {
            "training.learning_rate": Range(log_uniform=(0.002, 0.03)),
            "training.muon_learning_rate": Range(log_uniform=(0.01, 0.1)),
            "training.weight_decay": Range(choice=(0.0, 0.01, 0.1)),
            "model.dropout": Range(choice=(0.0, 0.1, 0.2)),
        }
    )

    def drawn(self) -> list[dict[str, Value]]:
        """The settings of every trial, by path.

        They are the points of a scrambled Halton sequence (A. B. Owen, "A randomized Halton algorithm in R", 2017):
        spread more evenly than independent draws, and those of fewer trials are the first of those of more.
        """
        from scipy.stats import qmc  # slow to load, and only a search needs it

        if not self.trials or not self.space:
            return []
        points = qmc.Halton(len(self.space), rng=self.seed).random(self.trials)
        return [
            {path: range_.at(share) for (path, range_), share in zip(sorted(self.space.items()), point, strict=True)}
            for point in points.tolist()
        ]


def with_values(section: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A section of params.yaml as plain values, with those at dotted paths replaced."""
    changed = {key: dict(value) if isinstance(value, Mapping) else value for key, value in section.items()}
    for path, value in values.items():
        head, _, rest = path.partition(".")
        inner = changed.get(head)
        changed[head] = with_values(inner if isinstance(inner, Mapping) else {}, {rest: value}) if rest else value
    return changed


def _rounded(value: float, ends: tuple[float, float]) -> float:
    return min(max(float(f"{value:.4g}"), ends[0]), ends[1])
