"""The gate: may this model serve? Absolute floors first, then "not worse than the champion" on the same test pieces."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from musegen.errors import BadInput
from musegen.settings import Settings

_CHAMPION = "not_worse_than_champion"


class Floor(Settings):
    """What one figure must reach; in params.yaml a bare number means `at_least`.

    `below_baseline`: the figure must be under this share of the count model's (`true` means 1.0).
    """

    at_least: float | None = None
    at_most: float | None = None
    below_baseline: float | None = Field(None, gt=0)

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return {"at_least": value}
        if isinstance(value, Mapping) and isinstance(value.get("below_baseline"), bool):
            return {**value, "below_baseline": 1.0 if value["below_baseline"] else None}
        return value

    @model_validator(mode="after")
    def _asks_something(self) -> Self:
        bounds = [bound for bound in (self.at_least, self.at_most, self.below_baseline) if bound is not None]
        if not bounds or not all(math.isfinite(bound) for bound in bounds):
            raise ValueError("give at_least, at_most or below_baseline a number, or leave the floor out")
        return self


class GateSettings(Settings):
    """The `gate` section: floors by the name of a figure (dots lead inside: `families.pitch.f1`).

    `tolerance`: how many nats a note the challenger may lose to the champion, at the upper end of the `confidence`
    interval, and still pass; the interval comes from `draws` bootstrap draws with `seed`.
    """

    floors: dict[str, Floor] = Field(default_factory=lambda: {"nll_per_note": Floor(below_baseline=1.0)})
    tolerance: float = Field(0.02, ge=0, allow_inf_nan=False)
    confidence: float = Field(0.95, gt=0, lt=1)
    draws: int = Field(2000, ge=100)
    seed: int = 0


@dataclass(frozen=True)
class Check:
    """One question of the gate. `margin` is how far on the right side of `needed` the value is: negative fails.

    `value`, `needed` and `margin` are None where there was nothing to compare; `words` say why.
    """

    name: str
    passed: bool
    value: float | None
    needed: float | None
    margin: float | None
    words: str


@dataclass(frozen=True)
class Verdict:
    """The decision with its evidence; `words` give it in one sentence."""

    passed: bool
    outcome: Literal["promoted", "kept champion", "not promoted"]
    checks: tuple[Check, ...]
    words: str

    def to_json(self) -> dict[str, Any]:
        """A dict of plain values."""
        return asdict(self) | {"checks": [asdict(check) for check in self.checks]}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`; raises `BadInput` for what no verdict wrote."""
        try:
            return cls(**{**values, "checks": tuple(Check(**check) for check in values["checks"])})
        except (TypeError, KeyError) as error:
            raise BadInput(f"it is no verdict ({error}); evaluate the model again", "bad report") from error


@dataclass(frozen=True)
class Interval:
    """Mean of paired differences over `pieces` pieces, with its bootstrap interval."""

    mean: float
    low: float
    high: float
    pieces: int


def judge(
    figures: Mapping[str, Any],
    champion: Mapping[str, Any] | None,
    settings: GateSettings,
    baseline: Mapping[str, Any] | None = None,
) -> Verdict:
    """Hold a model's figures against the floors and, where one serves, against the champion's on the same pieces.

    `figures`, `champion`, `baseline`: numbers by name, nested or not; `figures` and `champion` with
    `per_piece`, nats a note by test piece. What is missing or not a number never passes.
    """
    checks = [_floor(name, floor, figures, baseline) for name, floor in settings.floors.items()]
    if champion is not None:
        checks.append(_against_champion(figures, champion, settings))
    reasons = [check.words for check in checks if not check.passed]
    if not reasons:
        reasons = [check.words for check in checks] + ["no champion serves yet"] * (champion is None)
        return Verdict(True, "promoted", tuple(checks), f"Promoted: {'; '.join(reasons)}.")
    outcome: Literal["kept champion", "not promoted"] = "kept champion" if champion is not None else "not promoted"
    return Verdict(False, outcome, tuple(checks), f"{outcome.capitalize()}: {'; '.join(reasons)}.")


def paired_interval(
    challenger: Mapping[str, float], champion: Mapping[str, float], confidence: float, draws: int, seed: int
) -> Interval:
    """Bootstrap interval of the mean of (challenger - champion) over the pieces that both have.

    Each draw takes as many pieces, with replacement, and the mean of their differences; the interval is that of the
    draws' quantiles (Efron's percentile interval). With a handful of pieces it is narrower than it should be.
    Raises ValueError with fewer than two common pieces, or where a value is not finite.
    """
    names = sorted(set(challenger) & set(champion))
    if len(names) < 2:
        raise ValueError(f"{len(names)} test pieces in common, at least 2 are needed")
    differences = np.array([float(challenger[name]) - float(champion[name]) for name in names])
    if not np.isfinite(differences).all():
        worst = names[int(np.flatnonzero(~np.isfinite(differences))[0])]
        raise ValueError(f"the nats a note of {worst} are no number")
    random = np.random.default_rng(seed)
    means = [random.choice(differences, len(names)).mean() for _ in range(draws)]
    low, high = np.quantile(means, ((1 - confidence) / 2, (1 + confidence) / 2)).tolist()
    return Interval(float(differences.mean()), low, high, len(names))


def _floor(name: str, floor: Floor, figures: Mapping[str, Any], baseline: Mapping[str, Any] | None) -> Check:
    """The check of one figure; of several bounds, the one that is missed, or else missed soonest."""
    value, problem = _figure(figures, name)
    if value is None:
        return Check(name, False, None, None, None, f"{_spoken(name)} {problem}")
    found = []
    if floor.at_least is not None:
        found.append(_bound(name, value, floor.at_least, value - floor.at_least, "the floor"))
    if floor.at_most is not None:
        found.append(_bound(name, value, floor.at_most, floor.at_most - value, "the ceiling"))
    if floor.below_baseline is not None:
        base, problem = _figure(baseline or {}, name)
        if base is None:
            return Check(name, False, value, None, None, f"{_spoken(name)} of the count model {problem}")
        needed = floor.below_baseline * base
        share = "" if floor.below_baseline == 1 else f"{floor.below_baseline:g} × "
        found.append(_bound(name, value, needed, needed - value, f"{share}the count model's", strict=True))
    return min(found, key=lambda check: (check.passed, check.margin))


def _bound(name: str, value: float, needed: float, margin: float, what: str, strict: bool = False) -> Check:
    side = "above" if value > needed else "below"
    place = f"{abs(margin):.3g} {side}" if margin else "exactly at"
    words = f"{_spoken(name)} {value:.4g} is {place} {what} {needed:.4g}"
    return Check(name, margin > 0 or (margin == 0 and not strict), value, needed, margin, words)


def _against_champion(figures: Mapping[str, Any], champion: Mapping[str, Any], settings: GateSettings) -> Check:
    ours, theirs = (side.get("per_piece") or {} for side in (figures, champion))
    absent = len(set(ours) - set(theirs))
    try:
        if absent:
            raise ValueError(f"it was not measured on {absent} of {len(ours)} test pieces; measure it on this split")
        found = paired_interval(ours, theirs, settings.confidence, settings.draws, settings.seed)
    except (ValueError, TypeError) as error:
        return Check(_CHAMPION, False, None, settings.tolerance, None, f"no comparison with the champion: {error}")
    margin = settings.tolerance - found.high
    than = f"{abs(found.mean):.3g} nats a note {'better' if found.mean < 0 else 'worse'} than"
    words = (
        f"{than if found.mean else 'as good as'} the champion over {found.pieces} pieces, at worst "
        f"{found.high:+.3g} ({settings.confidence:.0%} interval), allowed {settings.tolerance:+.3g}"
    )
    return Check(_CHAMPION, margin >= 0, found.high, settings.tolerance, margin, words)


def _figure(figures: Mapping[str, Any], name: str) -> tuple[float | None, str]:
    """The number called `name`, or None and what is wrong with it."""
    value: Any = figures
    for part in [name] if name in figures else name.split("."):
        if not isinstance(value, Mapping) or value.get(part) is None:
            return None, "was not measured"
        value = value[part]
    if isinstance(value, (bool, str)) or not isinstance(value, (int, float, np.number)):
        return None, f"is {value!r}, not a number"
    return (float(value), "") if math.isfinite(value) else (None, f"is {float(value)}, not a finite number")


def _spoken(name: str) -> str:
    return name.replace("nll", "NLL").replace("_", " ").replace(".", " ")
