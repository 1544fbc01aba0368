"""Pictures of pieces and of their learning, as PNG files for reports, the registry and the page.

A missing folder is made; each function returns the path it was given.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from musegen.evaluation.canvas import BASELINE, COLOURS, DRUM, KEYS, LINE, MODEL, drawable, figure_at
from musegen.labels import DRUMS
from musegen.score import Bar, Score
from musegen.theory import TICKS_PER_QUARTER

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BARS_PER_ROW = 20
_CROWDED_BARS = 32
_MOST_ROWS = 6
_BLACK_KEYS = (1, 3, 6, 8, 10)
# Sixteen families of eight General MIDI programs.
_FAMILIES = (
    *("piano", "mallets", "organ", "guitar", "bass", "strings", "ensemble", "brass"),
    *("reed", "pipe", "synth lead", "synth pad", "synth effects", "world", "percussive", "effects"),
)
# Lanes of the kit from top to bottom with their General MIDI pitches.
_KIT = {
    "cymbal": (49, 51, 52, 53, 55, 57, 59),
    "hi-hat": (22, 26, 42, 44, 46),
    "tom": (41, 43, 45, 47, 48, 50, 58),
    "snare": (37, 38, 39, 40),
    "kick": (35, 36),
}
_LANE = 2.4


def piano_roll(score: Score, path: Path, title: str, part_names: Mapping[int, str] | None = None) -> Path:
    """The notes of a piece over its bars and beats.

    One colour a part, louder notes stronger, C's named, black keys shaded; drums on a line of their own below. A long
    piece is broken into up to six rows. `part_names` replaces the instrument family in the legend.
    """
    rows, drums = _rows(score.bars), score.notes["program"] == DRUMS
    lanes = _kit_lanes(score.notes["pitch"][drums])
    low, high = _pitch_span(score.notes["pitch"][~drums], bool(drums.any()))
    bottom = low - 0.5 - (1 + _LANE * len(set(lanes.values())) if lanes else 0)
    row_ticks = max((row[-1].end - row[0].start for row in rows if row), default=4 * TICKS_PER_QUARTER)
    height = 0.85 + len(rows) * (0.42 + 0.06 * (high + 0.5 - bottom))
    colours = _part_colours(score)
    with figure_at(path, 11, height, title, _subtitle(score)) as figure:
        for ax, bars in zip(figure.subplots(len(rows), 1, squeeze=False)[:, 0], rows, strict=True):
            first = bars[0].start if bars else 0
            ax.set(xlim=(first, first + row_ticks), ylim=(bottom, high + 0.5))
            _draw_grid(ax, bars, score.bars.index(bars[0]) if bars else 0, (low, high))
            _draw_notes(ax, score.notes[~drums], colours)
            _draw_drums(ax, score.notes[drums], lanes, low - 1.5)
        _part_legend(figure, score, colours, part_names or {})
    return path


def learning_curve(history: Sequence[Mapping[str, Any]], baseline: float | None, path: Path) -> Path:
    """Nats a note on train and valid by training step, with the count model's as a line.

    Each row of `history` has `step` and one or both of `train`, `valid`; rows may lack either. The best valid point is
    marked. Values that are no number are left out.
    """
    with figure_at(path, 7.2, 3.9, "Learning", "nats per note, lower is better") as figure:
        ax = figure.subplots()
        for name, colour, width in (("train", BASELINE, 1.6), ("valid", MODEL, 2.2)):
            points = [(float(row["step"]), float(row[name])) for row in history if row.get(name) is not None]
            points = [point for point in points if np.isfinite(point).all()]
            if points:
                steps, values = zip(*points, strict=True)
                ax.plot(steps, values, color=colour, lw=width, label=name, marker="o" if len(points) < 3 else None)
            if points and name == "valid":
                _mark_best(ax, points)
        if baseline is not None and np.isfinite(baseline):
            ax.axhline(baseline, color=COLOURS[1], lw=1.4, ls=(0, (5, 3)), label=f"count model {baseline:.2f}")
        ax.set_xlabel("training step")
        ax.grid(axis="y", color=LINE, lw=0.5)
        ax.margins(y=0.14)
        handles, labels = ax.get_legend_handles_labels()
        if handles:
            figure.legend(handles, labels, loc="upper right", ncols=3, bbox_to_anchor=(0.99, 0.99))
    return path


def _subtitle(score: Score) -> str:
    key, facts = score.key, []
    if key:
        facts.append(f"{str(key).removesuffix('m')} {'minor' if key.minor else 'major'}")
    if score.bars:
        facts.append(str(score.meter))
    if score.bpm:
        facts.append(f"{round(score.bpm, 1):g} bpm")
    counts = {"bar": len(score.bars), "note": len(score.notes)}
    return "  ·  ".join(facts + [f"{count} {name}{'s' * (count != 1)}" for name, count in counts.items()])


def _rows(bars: Sequence[Bar]) -> list[tuple[Bar, ...]]:
    """Rows of like length, so that none holds one last bar alone."""
    count = min(_MOST_ROWS, max(1, -(-len(bars) // _BARS_PER_ROW)))
    per_row = max(1, -(-len(bars) // count))
    return [tuple(bars[first : first + per_row]) for first in range(0, len(bars), per_row)] or [()]


def _pitch_span(pitches: NDArray[Any], drums: bool) -> tuple[int, int]:
    """Lowest and highest pitch drawn, at least an octave and a half around the notes; none of drums."""
    if not len(pitches) and drums:
        return 60, 59
    low, high = (int(pitches.min()) - 2, int(pitches.max()) + 2) if len(pitches) else (60, 60)
    missing = max(0, 18 - (high - low))
    return low - missing // 2, high + missing - missing // 2


def _part_colours(score: Score) -> dict[int, str]:
    parts = np.unique(score.notes["part"][score.notes["program"] != DRUMS])
    return {int(part): COLOURS[place % len(COLOURS)] for place, part in enumerate(parts)}


def _draw_grid(ax: "Axes", bars: Sequence[Bar], number: int, span: tuple[int, int]) -> None:
    """Black keys, C's, beats and bars; `number` bars stand before these."""
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    right = bars[-1].end if bars else right
    pitches = range(span[0], span[1] + 1)
    for pitch in pitches:
        if pitch % 12 in _BLACK_KEYS:
            ax.fill_between((left, right), pitch - 0.5, pitch + 0.5, color=KEYS, lw=0, zorder=0)
    if len(bars) <= _CROWDED_BARS:
        beats = [bar.start + beat * bar.meter.beat_ticks for bar in bars for beat in range(1, bar.meter.beats)]
        ax.vlines(beats, bottom, top, color=LINE, lw=0.35, zorder=1)
    ax.vlines([*(bar.start for bar in bars), right], bottom, top, color=LINE, lw=1.0, zorder=1)
    tonics = [pitch for pitch in pitches if pitch % 12 == 0]
    ax.hlines(tonics, left, right, color=LINE, lw=0.6, zorder=1)
    ax.set_yticks(tonics, [f"C{pitch // 12 - 1}" for pitch in tonics])
    numbered = [(bar.start, str(number + place + 1)) for place, bar in enumerate(bars) if place % 4 == 0]
    ax.set_xticks([start for start, _ in numbered], [name for _, name in numbered], ha="left", fontsize=7.5)
    ax.spines[:].set_visible(False)


def _draw_notes(ax: "Axes", notes: NDArray[Any], colours: Mapping[int, str]) -> None:
    from matplotlib.collections import PolyCollection
    from matplotlib.colors import to_rgba

    left, right = ax.get_xlim()
    notes = notes[(notes["start"] < right) & (notes["start"] + notes["ticks"] > left)]
    begin = np.maximum(notes["start"], left)
    end = np.minimum(notes["start"] + notes["ticks"], right)
    low, high = notes["pitch"] - 0.42, notes["pitch"] + 0.42
    corners = np.stack([begin, low, end, low, end, high, begin, high], 1).reshape(-1, 4, 2)
    faces = [to_rgba(colours[int(note["part"])], 0.4 + 0.6 * int(note["velocity"]) / 127) for note in notes]
    ax.add_collection(PolyCollection(list(corners), facecolors=faces, edgecolors="white", linewidths=0.4, zorder=3))


def _kit_lanes(pitches: NDArray[Any]) -> dict[int, str]:
    """The lane of each drum pitch that occurs."""
    lane_of = {pitch: name for name, kit in _KIT.items() for pitch in kit}
    return {int(pitch): lane_of.get(int(pitch), "other") for pitch in np.unique(pitches)}


def _draw_drums(ax: "Axes", notes: NDArray[Any], lanes: Mapping[int, str], top: float) -> None:
    """One lane a sound of the kit, a stroke a hit, taller where louder."""
    left, right = ax.get_xlim()
    notes = notes[(notes["start"] >= left) & (notes["start"] < right)]
    used = [name for name in (*_KIT, "other") if name in lanes.values()]
    floors = {name: top - _LANE * (place + 1) for place, name in enumerate(used)}
    floor = np.array([floors[lanes[int(pitch)]] + 0.35 for pitch in notes["pitch"]])
    reach = (_LANE - 0.6) * (0.35 + 0.65 * notes["velocity"] / 127)
    ax.vlines(notes["start"], floor, floor + reach, color=DRUM, lw=1.6, zorder=3)
    ax.hlines([*floors.values(), *([top] if used else [])], left, right, color=LINE, lw=0.4, zorder=1)
    names = [label.get_text() for label in ax.get_yticklabels()]
    ax.set_yticks([*ax.get_yticks(), *(floor + _LANE / 2 for floor in floors.values())], [*names, *used])


def _part_legend(figure: "Figure", score: Score, colours: Mapping[int, str], names: Mapping[int, str]) -> None:
    from matplotlib.patches import Patch

    labels: dict[int, str] = {}
    for part in colours:
        programs = score.notes["program"][(score.notes["part"] == part) & (score.notes["program"] != DRUMS)]
        labels[part] = names.get(part, _FAMILIES[int(np.bincount(programs).argmax()) // 8])
    repeated = {part: list(labels.values()).count(label) > 1 for part, label in labels.items()}
    handles = [
        Patch(color=colours[part], label=drawable(f"{label} {place + 1}" if repeated[part] else label))
        for place, (part, label) in enumerate(labels.items())
    ]
    if len(handles) > 1:
        place = (1 - 0.1 / 11, 1 - 0.06 / figure.get_figheight())
        figure.legend(handles=handles[:10], loc="upper right", ncols=5, bbox_to_anchor=place)


def _mark_best(ax: "Axes", points: Sequence[tuple[float, float]]) -> None:
    step, value = min(points, key=lambda point: point[1])
    ax.plot(step, value, "o", color=MODEL, ms=6, zorder=5)
    ax.annotate(f"best {value:.2f}", (step, value), (0, -14), textcoords="offset points", ha="center", color=MODEL)
