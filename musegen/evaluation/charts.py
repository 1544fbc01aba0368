"""Charts of the figures of a report, as PNG files.

A missing folder is made; each function returns the path it was given.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from musegen.evaluation.canvas import BASELINE, COLOURS, INK, LINE, MODEL, SOFT, drawable, figure_at

if TYPE_CHECKING:
    from matplotlib.axes import Axes


# The model's colour, then those of what it is compared with: quiet ones.
_SIDES = (MODEL, BASELINE, "#E4D3B8", COLOURS[2])
_EDGES = (COLOURS[1], COLOURS[5], COLOURS[2])


def family_f1(sides: Mapping[str, Mapping[str, Mapping[str, float]]], path: Path) -> Path:
    """Precision, recall and F1 of the next token by family, side by side; the model comes first.

    Each side: family → `precision`, `recall`, `f1` in 0..1 (and `support`, which orders the families).
    """
    model = next(iter(sides.values()), {})
    families = sorted(model, key=lambda name: (-float(model[name].get("support", 0)), name))
    height = 1.45 + (0.2 + 0.13 * len(sides)) * max(len(families), 1)
    with figure_at(path, 9.6, height, "Next token by family", "1 is perfect") as figure:
        for ax, measure in zip(figure.subplots(1, 3, sharey=True), ("precision", "recall", "f1"), strict=True):
            for place, (name, side) in enumerate(sides.items()):
                values = [float(side.get(family, {}).get(measure, 0.0)) for family in families]
                rows = np.arange(len(families)) + (place - (len(sides) - 1) / 2) * 0.8 / len(sides)
                ax.barh(rows, values, 0.72 / len(sides), color=_SIDES[place % len(_SIDES)], label=name)
                for row, value in zip(rows, values, strict=True):
                    ax.text(value + 0.02, row, f"{value:.2f}", va="center", fontsize=6.5, color=SOFT)
            ax.set(xlim=(0, 1.15), xticks=(0, 0.5, 1), yticks=range(len(families)))
            ax.set_yticklabels([drawable({"condition": "the end"}.get(name, name)) for name in families], color=INK)
            ax.set_title({"f1": "F1"}.get(measure, measure), loc="left", fontsize=9, color=INK)
        figure.axes[0].invert_yaxis()
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="upper right", ncols=len(sides), bbox_to_anchor=(0.99, 0.99))
    return path


def nats_by_style(rows: Mapping[str, Mapping[str, float]], sides: Mapping[str, str], path: Path) -> Path:
    """Nats a note by style: the first side as a point with its interval, the others as marks.

    `rows`: style → nats a note by the keys of `sides` (key → name for the legend), `low` and `high` of the first.
    """
    styles = sorted(rows, key=lambda style: rows[style].get(next(iter(sides)), 0.0))
    with figure_at(path, 8, 1.5 + 0.34 * max(len(styles), 1), "By style", "nats per note, lower is better") as figure:
        ax = figure.subplots()
        for place, (key, name) in enumerate(sides.items()):
            known = [
                (float(rows[style][key]), row) for row, style in enumerate(styles) if rows[style].get(key) is not None
            ]
            if known:
                values, heights = zip(*known, strict=True)
                face, edge = (MODEL, MODEL) if not place else ("white", _EDGES[(place - 1) % len(_EDGES)])
                ax.scatter(
                    values, heights, s=38, c=face, marker="oDs^"[place % 4], label=name, edgecolors=edge,
                    linewidths=1.6, zorder=4 - place * 0.1,
                )  # fmt: skip
        for row, style in enumerate(styles):
            if rows[style].get("low") is not None:
                ax.hlines(row, rows[style]["low"], rows[style]["high"], color=MODEL, lw=2.4, alpha=0.45, zorder=2)
        _rows_named(ax, [f"{style.replace('_', ' ')} ({rows[style].get('pieces', 0):g})" for style in styles])
        handles, labels = ax.get_legend_handles_labels()
        figure.legend(handles, labels, loc="upper right", ncols=len(sides), bbox_to_anchor=(0.99, 0.99))
    return path


def distances(rows: Mapping[str, Mapping[str, float]], names: Mapping[str, str], path: Path) -> Path:
    """Distance from human pieces by measure with its interval, before what as many human pieces reach by chance.

    `rows`: measure → the fields of `Distance`; `names`: how a person calls a measure.
    """
    words = "0: like human pieces; 1: off by as much as two human pieces differ"
    with figure_at(path, 8, 1.6 + 0.32 * max(len(rows), 1), "Distance from human pieces", words) as figure:
        ax = figure.subplots()
        for place, row in enumerate(rows.values()):
            near = row["distance"] <= row["chance"]
            colour = MODEL if near else COLOURS[1]
            ax.barh(place, row["chance"], 0.62, color="#E7EAEE", label="chance" if not place else None, zorder=1)
            ax.hlines(place, row["low"], row["high"], color=colour, lw=2.4, alpha=0.55, zorder=2)
            ax.plot(row["distance"], place, "o", color=colour, ms=6, zorder=3)
        _rows_named(ax, [names.get(measure, measure.replace("_", " ")) for measure in rows])
        ax.set_xlim(left=0)
        ax.invert_yaxis()
        if rows:
            ax.legend(loc="lower right")
    return path


def confusion(matrix: Sequence[Sequence[int]], labels: Sequence[str], path: Path) -> Path:
    """Counts of asked (rows) by heard (columns); the shade is the share of the row. Raises ValueError if not square."""
    counts = np.asarray(matrix, int)
    if counts.shape != (len(labels), len(labels)) or not len(labels):
        raise ValueError(f"a matrix of shape {counts.shape} does not fit {len(labels)} labels")
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = 0.55 * len(labels)
    words = "rows: asked, columns: heard"
    with figure_at(path, max(2.2 + side, 4.2), max(2.2 + side * 0.8, 3.0), "Style", words) as figure:
        ax = figure.subplots()
        ax.imshow(shares, cmap="Blues", vmin=0, vmax=1.15, aspect="auto")
        for (row, column), count in np.ndenumerate(counts):
            colour = "white" if shares[row, column] > 0.72 else (INK if count else LINE)
            ax.text(column, row, str(count), ha="center", va="center", color=colour)
        names = [drawable(label.replace("_", " ")) for label in labels]
        tilted: dict[str, Any] = {"rotation": 40, "ha": "right"} if len(labels) > 3 else {}
        ax.set_xticks(range(len(labels)), names, **tilted)
        ax.set_yticks(range(len(labels)), names)
        ax.spines[:].set_visible(False)
    return path


def _rows_named(ax: "Axes", names: Sequence[str]) -> None:
    """One row a name, with a line to follow it by."""
    ax.set_yticks(range(len(names)), [drawable(name) for name in names], color=INK)
    ax.set_ylim(-0.6, max(len(names), 1) - 0.4)
    ax.grid(axis="x", color=LINE, lw=0.5)
    ax.spines["left"].set_visible(False)
