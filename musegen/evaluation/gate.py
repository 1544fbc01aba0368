"""The gate: may this model serve? Absolute floors first, then "not worse than the champion" on the same test pieces.

Monotone by construction: of two models, measured on the same pieces, the better one is never refused where the other
passes; and what was not measured never passes.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from musegen.errors import BadInput
from musegen.settings import Settings

_BESIDE_CHAMPION = "_not_worse_than_champion"


@dataclass(frozen=True)
class _PerPiece:
    """Where the values of a figure lie by test piece, which sign makes less better, and how one speaks of them."""

    key: str
    sign: int
    unit: str
    value: str


PER_PIECE: Mapping[str, _PerPiece] = {
    "nll_per_note": _PerPiece("per_piece", 1, " nats a note", "nats a note"),
    "accuracy": _PerPiece("per_piece_accuracy", -1, " of the tokens", "accuracy"),
}
"""The figures that can be compared piece by piece."""


class Floor(Settings):
    """What one figure must reach; in params.yaml a bare number means `at_least`.

    `below_baseline`: the figure must be under this share of the count model's (`true` means 1.0). With `surely` the
    unfavourable end of the figure's interval must reach it, not only the figure.
    """

    at_least: float | None = None
    at_most: float | None = None
    below_baseline: float | None = Field(None, gt=0)
    surely: bool = False

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

    `comparisons`: by figure, how much worse than the champion the challenger may be, in its unit, at the unfavourable
    end of the `confidence` interval over the test pieces; the interval comes from `draws` bootstrap draws with `seed`.
    """

    floors: dict[str, Floor] = Field(default_factory=lambda: {"nll_per_note": Floor(below_baseline=1.0)})
    comparisons: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(
        default_factory=lambda: {"nll_per_note": 0.02}
    )
    confidence: float = Field(0.95, gt=0, lt=1)
    draws: int = Field(2000, ge=100)
    seed: int = 0

    @model_validator(mode="after")
    def _can_be_compared(self) -> Self:
        unknown = sorted(set(self.comparisons) - set(PER_PIECE))
        if unknown:
            raise ValueError(
                f"comparisons: {', '.join(unknown)} is not measured piece by piece; choose from {', '.join(PER_PIECE)}"
            )
        return self


@dataclass(frozen=True)
class Check:
    """One question of the gate. `margin` is how far on the right side of `needed` the value is: negative fails.

    `value`, `needed` and `margin` are None where there was nothing to compare; `words` say why. `interval` is that of
    `value`, or of the mean difference from the champion, where one was measured.
    """

    name: str
    passed: bool
    value: float | None
    needed: float | None
    margin: float | None
    words: str
    interval: tuple[float, float] | None = None

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `asdict`, after JSON has made a list of the interval."""
        interval = values.get("interval")
        return cls(**{**values, "interval": (float(interval[0]), float(interval[1])) if interval else None})


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
            return cls(**{**values, "checks": tuple(Check.from_json(check) for check in values["checks"])})
        except (TypeError, KeyError, AttributeError, IndexError, ValueError) as error:
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

    `figures`, `champion`, `baseline`: numbers by name, nested or not; `figures` and `champion` with values by test
    piece (`per_piece` nats a note, `per_piece_accuracy`), `figures` with `intervals` (name → low, high) where they
    were taken. What is missing or not a number never passes.
    """
    checks = [_floor(name, floor, figures, baseline) for name, floor in settings.floors.items()]
    if champion is not None:
        checks += [_beside_champion(name, figures, champion, settings) for name in settings.comparisons]
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
        raise ValueError(f"{worst} has no number")
    random = np.random.default_rng(seed)
    means = [random.choice(differences, len(names)).mean() for _ in range(draws)]
    low, high = np.quantile(means, ((1 - confidence) / 2, (1 + confidence) / 2)).tolist()
    return Interval(float(differences.mean()), low, high, len(names))


def _floor(name: str, floor: Floor, figures: Mapping[str, Any], baseline: Mapping[str, Any] | None) -> Check:
    """The check of one figure; of several bounds, the one that is missed, or else missed soonest."""
    value, problem = _figure(figures, name)
    if value is None:
        return Check(name, False, None, None, None, f"{_spoken(name)} {problem}")
    interval = _interval(figures, name)
    if floor.surely and interval is None:
        return Check(name, False, value, None, None, f"{_spoken(name)} {value:.4g} has no interval to be sure of it")
    low, high = interval if floor.surely and interval else (value, value)
    measured = _Measured(name, value, interval, floor.surely)
    found = []
    if floor.at_least is not None:
        found.append(measured.held_to(floor.at_least, low - floor.at_least, "the floor"))
    if floor.at_most is not None:
        found.append(measured.held_to(floor.at_most, floor.at_most - high, "the ceiling"))
    if floor.below_baseline is not None:
        base, problem = _figure(baseline or {}, name)
        if base is None:
            words = f"{_spoken(name)} of the count model {problem}"
            return Check(name, False, value, None, None, words, interval)
        needed = floor.below_baseline * base
        share = "" if floor.below_baseline == 1 else f"{floor.below_baseline:g} × "
        found.append(measured.held_to(needed, needed - high, f"{share}the count model's", strict=True))
    return min(found, key=lambda check: (check.passed, check.margin))


@dataclass(frozen=True)
class _Measured:
    """A figure with its interval; `surely`: its unfavourable end is what counts."""

    name: str
    value: float
    interval: tuple[float, float] | None
    surely: bool

    def held_to(self, needed: float, margin: float, what: str, strict: bool = False) -> Check:
        """`margin`: how far on the right side of `needed` what counts is; `strict`: to be at it is not enough."""
        passed = margin > 0 or (margin == 0 and not strict)
        side = "above" if self.value > needed else "below"
        distance = abs(self.value - needed)
        words = f"{_spoken(self.name)} {self.value:.4g}"
        if self.interval:
            words += f" (interval {self.interval[0]:.4g} to {self.interval[1]:.4g})"
        words += f" is {f'{distance:.3g} {side}' if distance else 'exactly at'} {what} {needed:.4g}"
        if self.surely:
            words += (
                f", its interval by {margin:.3g}" if passed else f"; the end of its interval misses by {-margin:.3g}"
            )
        return Check(self.name, passed, self.value, needed, margin, words, self.interval)


def _beside_champion(
    name: str, figures: Mapping[str, Any], champion: Mapping[str, Any], settings: GateSettings
) -> Check:
    """The paired comparison of one figure, turned so that less is better."""
    per_piece, tolerance, check = PER_PIECE[name], settings.comparisons[name], f"{name}{_BESIDE_CHAMPION}"
    try:
        ours, theirs = (_signed(side, per_piece) for side in (figures, champion))
        absent = len(set(ours) - set(theirs))
        if absent:
            raise ValueError(f"it was not measured on {absent} of {len(ours)} test pieces; measure it on this split")
        found = paired_interval(ours, theirs, settings.confidence, settings.draws, settings.seed)
    except (ValueError, TypeError) as error:
        words = f"no comparison with the champion by {per_piece.value}: {error}"
        return Check(check, False, None, tolerance, None, words)
    margin = tolerance - found.high
    than = f"{abs(found.mean):.3g}{per_piece.unit} {'better' if found.mean < 0 else 'worse'} than"
    words = (
        f"{than if found.mean else f'in {per_piece.value} as good as'} the champion over {found.pieces} pieces, at "
        f"worst {found.high:+.3g} ({settings.confidence:.0%} interval), allowed {tolerance:+.3g}"
    )
    return Check(check, margin >= 0, found.high, tolerance, margin, words, (found.low, found.high))


def _signed(figures: Mapping[str, Any], per_piece: _PerPiece) -> dict[str, float]:
    return {name: per_piece.sign * float(value) for name, value in (figures.get(per_piece.key) or {}).items()}


def _interval(figures: Mapping[str, Any], name: str) -> tuple[float, float] | None:
    """The interval of a figure; None where none was taken, or it is not one of two finite numbers."""
    pair = (figures.get("intervals") or {}).get(name) or ()
    try:
        low, high = (float(end) for end in pair)
    except (TypeError, ValueError):
        return None
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None


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
