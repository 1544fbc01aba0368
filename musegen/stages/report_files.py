"""The report as files: pictures and pieces beside it, swapped in whole, and the few numbers that DVC compares."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from musegen import pieces
from musegen.evaluation import charts, pictures
from musegen.evaluation.distance import READINGS
from musegen.evaluation.report import Report
from musegen.evaluation.sections import BY_STYLE, CONFUSION, DISTANCES, FAMILIES, LEARNING
from musegen.generate import Composed
from musegen.registry import GENERATOR
from musegen.registry.connection import only_one
from musegen.stages.training_folders import mend, swap_in
from musegen.workspace import Workspace

FIGURES = "figures.json"
PIECES = "pieces"
_FRESH = "report-"
_SIDES = {"nll_per_note": "model", "count_model": "count model", "copy_last": "copy-last", "champion": "champion"}
_METRICS = (
    "nll_per_note", "nll_per_beat", "accuracy", "f1", "style_accuracy", "style_recall_beside_human", "share_in_key",
    "bars_as_asked", "copied_share", "borrowed_beyond_people",
)  # fmt: skip


def publish(
    workspace: Workspace, report: Report, history: Sequence[Mapping[str, Any]], composed: Sequence[Composed]
) -> Report:
    """Draw and write all beside, then swap it in as the report of the workspace; returns it with its pictures.

    One at a time; what a kill left of another is cleared away. Raises `Unavailable` where another takes a minute.
    """
    folder, fresh = workspace.reports / "generator", workspace.hidden / f"{_FRESH}{uuid.uuid4().hex}"
    with only_one(workspace.hidden / "report.lock"):
        for leftover in sorted(workspace.hidden.glob(f"{_FRESH}*")):
            mend(leftover, folder)
        fresh.mkdir(parents=True)
        illustrated = _with_pieces(_with_charts(report, history, fresh), composed, fresh)
        illustrated.write(fresh)
        swap_in(fresh, folder)
        _write_metrics(workspace.reports / FIGURES, report)
    return illustrated


def _with_charts(report: Report, history: Sequence[Mapping[str, Any]], folder: Path) -> Report:
    """The report with its charts drawn into `folder`."""
    baseline = report.baseline or {}
    curve = [{"step": point["step"], "valid": point["valid_nll_per_note"]} for point in history]
    pictures.learning_curve(curve, baseline.get("nll_per_note"), folder / "learning.png")
    sides = {"model": report.figures, "count model": report.baseline, "copy-last": report.copy_last}
    families = {name: side["families"] for name, side in sides.items() if side}
    charts.family_f1(families, folder / "families.png")
    drawn = {LEARNING: "learning.png", FAMILIES: "families.png"}
    if report.by_style:
        known = {key: name for key, name in _SIDES.items() if any(key in row for row in report.by_style.values())}
        charts.nats_by_style(report.by_style, known, folder / "by-style.png")
        drawn[BY_STYLE] = "by-style.png"
    heard = report.style.get("generated")
    if heard:
        charts.confusion(heard["confusion"], heard["labels"], folder / "styles.png")
        drawn[CONFUSION] = "styles.png"
    if report.distances:
        names = {measure: name for measure, (name, _) in READINGS.items()}
        charts.distances(report.distances, names, folder / "distances.png")
        drawn[DISTANCES] = "distances.png"
    return replace(report, pictures=drawn)


def _with_pieces(report: Report, composed: Sequence[Composed], folder: Path) -> Report:
    """The report with the first piece of each style written into `folder`."""
    model = {"name": GENERATOR, "version": 0, "data_sha256": report.data_sha256}
    places = {piece.request.style: place for place, piece in reversed(list(enumerate(composed)))}
    firsts = sorted(places.values())
    rows, drawn = [dict(row) for row in report.pieces], dict(report.pictures)
    written = pieces.write([composed[place] for place in firsts], folder / PIECES, model)
    for place, files in zip(firsts, written, strict=True):
        paths = {"MIDI": files.midi, "sound": files.sound, "receipt": files.receipt}
        rows[place]["files"] = {kind: f"{PIECES}/{path.name}" for kind, path in paths.items() if path.exists()}
        drawn[files.picture.stem] = f"{PIECES}/{files.picture.name}"
    return replace(report, pieces=rows, pictures=drawn)


def _write_metrics(path: Path, report: Report) -> None:
    """The few numbers that `dvc metrics show` compares between versions."""
    found = report.for_gate()
    figures = {name: round(float(found[name]), 6) for name in _METRICS if found.get(name) is not None}
    for name, side in (("count_model", report.baseline), ("copy_last", report.copy_last)):
        if side:
            figures[f"{name}_nll_per_note"] = round(float(side["nll_per_note"]), 6)
    fresh = path.with_name(f".{path.name}.fresh")
    fresh.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    fresh.replace(path)
