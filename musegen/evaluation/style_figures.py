"""What a judge of style said, in figures: how often it heard what was asked, style by style, and how sure that is."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from musegen.evaluation import bootstrap


@dataclass(frozen=True)
class StyleFigures:
    """What the judge said of `n` pieces. Macro figures are means over the styles that were asked for.

    `confusion[i][j]`: pieces asked as `labels[i]` and heard as `labels[j]`. `majority` is the accuracy of whoever
    always answers with the most frequent style asked. `intervals`: name of a figure → ends of its 95% bootstrap
    interval over pieces, as many of each style as there are. `note` says what limits these figures.
    """

    accuracy: float
    macro_precision: float
    macro_recall: float
    macro_f1: float
    majority: float
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    per_style: dict[str, dict[str, float]]
    n: int
    without_meter: bool = False
    note: str = ""
    intervals: dict[str, list[float]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """A dict of plain numbers, words and lists."""
        return asdict(self) | {"labels": list(self.labels), "confusion": [list(row) for row in self.confusion]}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        confusion = tuple(tuple(int(count) for count in row) for row in values["confusion"])
        return cls(**{**values, "labels": tuple(values["labels"]), "confusion": confusion})


def compare(
    heard: Sequence[str], asked: Sequence[str], known: Sequence[str], without_meter: bool = False, note: str = ""
) -> StyleFigures:
    """Figures of what was `heard` beside what was `asked`, piece by piece; `known` are the styles the judge can say."""
    labels = tuple(sorted({*known, *asked}))
    index = {label: row for row, label in enumerate(labels)}
    confusion = np.zeros((len(labels), len(labels)), int)
    np.add.at(confusion, ([index[label] for label in asked], [index[label] for label in heard]), 1)
    by_style = _by_style(confusion)
    rows = confusion.sum(axis=1)
    per_style = {
        label: {measure: float(values[place]) for measure, values in by_style.items()} | {"n": int(rows[place])}
        for place, label in enumerate(labels)
        if rows[place]
    }
    return StyleFigures(
        **{name: float(value) for name, value in _overall(confusion).items()},
        majority=float(rows.max() / rows.sum()),
        labels=labels,
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        per_style=per_style,
        n=int(rows.sum()),
        without_meter=without_meter,
        note=note,
        intervals={name: ends for name, drawn in draws_of(confusion).items() if (ends := bootstrap.interval(drawn))},
    )


def recall_beside(generated: Mapping[str, Any], human: Mapping[str, Any]) -> tuple[float | None, list[float] | None]:
    """How often an asked style is heard in generated pieces, over how often in human ones, and its 95% interval.

    Both sides are figures as `StyleFigures.to_json` gives them; their macro recalls are taken over the styles that were
    asked of both, and their pieces drawn apart. None where there is no such style, or none is heard in human pieces.
    """
    both = _asked(generated) & _asked(human)
    if not both:
        return None, None
    sides = [_rows_of(side, both) for side in (generated, human)]
    ours, theirs = (float(_overall(side)["macro_recall"]) for side in sides)
    if not theirs:
        return None, None
    drawn, measure = (draws_of(side, seed)["macro_recall"] for seed, side in enumerate(sides))
    return ours / theirs, bootstrap.interval(drawn / np.where(measure > 0, measure, np.nan))


def _asked(side: Mapping[str, Any]) -> set[str]:
    rows = zip(side.get("labels") or (), side.get("confusion") or (), strict=True)
    return {label for label, row in rows if sum(row)}


def _rows_of(side: Mapping[str, Any], styles: Collection[str]) -> NDArray[np.int64]:
    """The confusion (styles, styles) with nothing but what was asked in some of the styles."""
    wanted = np.isin(side["labels"], sorted(styles))
    return np.asarray(side["confusion"], np.int64) * wanted[:, None]


def draws_of(confusion: Sequence[Sequence[int]] | NDArray[Any], seed: int = 0) -> dict[str, NDArray[np.float64]]:
    """What `accuracy`, `macro_precision`, `macro_recall` and `macro_f1` might as well have been: float64 (draws,) each.

    As many pieces of each asked style as there are (a row of `confusion`) are drawn again from those of that style.
    """
    counts = np.asarray(confusion)
    random = np.random.default_rng(seed)
    rows = [
        random.multinomial(row.sum(), row / max(row.sum(), 1), size=bootstrap.DRAWS)
        if row.sum()
        else np.zeros((bootstrap.DRAWS, len(row)), np.int64)
        for row in counts
    ]
    return _overall(np.stack(rows, axis=1))


def _overall(confusion: NDArray[Any]) -> dict[str, Any]:
    """The figures over all styles that were asked, of one confusion (styles, styles) or of many (…, styles, styles)."""
    asked = confusion.sum(axis=-1)
    present = asked > 0
    macro = {
        f"macro_{measure}": np.where(present, values, 0).sum(axis=-1) / present.sum(axis=-1)
        for measure, values in _by_style(confusion).items()
    }
    return {"accuracy": np.trace(confusion, axis1=-2, axis2=-1) / asked.sum(axis=-1), **macro}


def _by_style(confusion: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    asked, heard = confusion.sum(axis=-1), confusion.sum(axis=-2)
    return {
        "precision": hits / np.maximum(heard, 1),
        "recall": hits / np.maximum(asked, 1),
        "f1": 2 * hits / np.maximum(asked + heard, 1),
    }
