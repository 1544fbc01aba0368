"""Evaluation: a trained generator beside the count model and the champion, on the same untouched test pieces."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from musegen import pieces
from musegen.evaluation import gate, likelihood, music, pictures
from musegen.evaluation.counts import CountModel
from musegen.evaluation.gate import GateSettings
from musegen.evaluation.report import Report
from musegen.evaluation.style import StyleJudge
from musegen.generate import Composed, Composer, Request
from musegen.models import load_model, parameter_count
from musegen.params import Params, ReportSettings
from musegen.registry import CHAMPION, GENERATOR, Registry
from musegen.score import Score
from musegen.shards import reader
from musegen.shards.schema import Example
from musegen.stages.generator import load_composer, training_facts
from musegen.training.batches import Piece
from musegen.training.dataset import pieces_of
from musegen.vocabulary import Vocabulary
from musegen.workspace import Workspace

FIGURES = "figures.json"
PIECES = "pieces"
_STEPS = 6


def judge_generator(
    workspace: Workspace, params: Params, on_progress: Callable[[int, int, str], None] = lambda done, total, words: None
) -> Report:
    """Judge `models/generator` and write `reports/generator` with pictures and pieces, and `reports/figures.json`.

    The champion, where there is one, is judged in the same run on the same pieces.
    """
    model, settings, vocabulary = load_model(workspace.generator)
    facts = training_facts(workspace.generator)
    train, test = reader.read(workspace.composing, "train"), reader.read(workspace.composing, "test")
    exam = _Exam(pieces_of(test), [example.name for example in test], vocabulary)
    on_progress(0, _STEPS, "likelihood")
    figures = exam.figures(likelihood.generating(model, vocabulary, settings.window))
    on_progress(1, _STEPS, "count model")
    counts = CountModel.fit(pieces_of(train), vocabulary, params.report.counts)
    baseline = exam.figures(likelihood.counting(counts))
    on_progress(2, _STEPS, "champion")
    champion = _champion_figures(workspace, exam)
    on_progress(3, _STEPS, "new pieces")
    composer = load_composer(workspace.generator)
    composed = composer.compose(requests_of(composer, params.report))
    on_progress(4, _STEPS, "style judge")
    origin = {name: facts[name] for name in ("steps", "run_id")}
    report = Report(
        model={"name": GENERATOR, "kind": settings.kind, "parameters": parameter_count(model), **origin},
        data_sha256=facts["data_sha256"],
        figures=figures,
        baseline=baseline,
        champion=champion,
        by_style=_by_style(test, figures["per_piece"], baseline["per_piece"]),
        pieces=_piece_rows(composed),
        **_heard(vocabulary, train, test, composed),
    )
    report = replace(report, verdict=gate.judge(report.for_gate(), champion, _gate_for(report, params), baseline))
    on_progress(5, _STEPS, "pictures")
    _publish(workspace, report, facts["history"], composed)
    return report


def _gate_for(report: Report, params: Params) -> GateSettings:
    """The gate of params.yaml; where the judge heard no human test piece with a style, floors on style ask nothing."""
    settings = params.report.gate
    if "human_test" in report.style:
        return settings
    floors = {name: floor for name, floor in settings.floors.items() if not name.startswith("style_")}
    return settings.model_copy(update={"floors": floors})


@dataclass(frozen=True)
class _Exam:
    """The test pieces with their names, in the tokens of `vocabulary`."""

    pieces: Sequence[Piece]
    names: Sequence[str]
    vocabulary: Vocabulary

    def figures(self, scorer: likelihood.Scorer) -> dict[str, Any]:
        """Likelihood figures of any model on these pieces, in the form of a `Report`."""
        found = likelihood.judge(scorer, self.pieces, self.vocabulary).to_dict()
        families = {
            name: {**{key: row[key] for key in ("precision", "recall", "f1")}, "support": row["tokens"]}
            for name, row in found.pop("families").items()
        }
        per_piece = dict(zip(self.names, found.pop("by_piece"), strict=True))
        found.pop("by_style")
        return {**found, "pieces": len(self.pieces), "families": families, "per_piece": per_piece}


def read_report(workspace: Workspace) -> Report:
    """The report that `judge_generator` wrote last."""
    text = (workspace.reports / "generator" / "report.json").read_text(encoding="utf-8")
    return Report.from_json(json.loads(text))


def requests_of(composer: Composer, settings: ReportSettings) -> list[Request]:
    """The pieces that every version is asked for: the same seeds, some of each style."""
    styles: Sequence[str | None] = composer.styles or (None,)
    return [
        Request(style=style, bars=settings.bars, seed=settings.seed + index, sampling=settings.sampling)
        for style in styles
        for index in range(settings.pieces_per_style)
    ]


def _champion_figures(workspace: Workspace, exam: _Exam) -> dict[str, Any] | None:
    registry = Registry(workspace)
    version = registry.find(GENERATOR, CHAMPION)
    if version is None:
        return None
    model, settings, theirs = load_model(registry.fetch(version) / "generator")
    known = [_as_known(piece, exam.vocabulary, theirs) for piece in exam.pieces]
    scorer = likelihood.generating(model, theirs, settings.window)
    return {**_Exam(known, exam.names, theirs).figures(scorer), "version": version.number}


def _as_known(piece: Piece, ours: Vocabulary, theirs: Vocabulary) -> Piece:
    """The same piece in the champion's tokens; a style that it has not learnt is left open."""
    conditions = piece.conditions
    if conditions.style not in theirs.styles:
        conditions = replace(conditions, style=None)
    tokens = piece.tokens
    if theirs.tokenizer.names != ours.tokenizer.names:
        tokens = theirs.tokenizer.encode(ours.tokenizer.decode(tokens, conditions.bpm))
    return replace(piece, tokens=tokens, conditions=conditions)


def _by_style(
    test: Sequence[Example], ours: Mapping[str, float], theirs: Mapping[str, float]
) -> dict[str, dict[str, float]]:
    """Nats a note by style, all notes of a style alike."""
    rows: dict[str, dict[str, float]] = {}
    for style in sorted({example.style or "none" for example in test}):
        mine = [example for example in test if (example.style or "none") == style]
        notes = sum(example.notes for example in mine)
        rows[style] = {
            "pieces": len(mine),
            "nll_per_note": sum(ours[example.name] * example.notes for example in mine) / notes,
            "count_model": sum(theirs[example.name] * example.notes for example in mine) / notes,
        }
    return rows


def _heard(
    vocabulary: Vocabulary, train: Sequence[Example], test: Sequence[Example], composed: Sequence[Composed]
) -> dict[str, Any]:
    """What judges that know nothing of the model say: styles, promises, distances to human pieces."""
    learnt, human = _originals(vocabulary, train), _originals(vocabulary, test)
    generated = [piece.score for piece in composed]
    asked = [piece.request.style or "" for piece in composed]
    judgements: dict[str, Any] = {}
    styled = [(score, style) for score, style in learnt if style]
    if styled:
        for whose, without in (("", False), ("_without_meter", True)):
            judge = StyleJudge.fit([s for s, _ in styled], [style for _, style in styled], 0, without_meter=without)
            exam = [(score, style) for score, style in human if style]
            if exam:
                judgements[f"human_test{whose}"] = judge.judge([s for s, _ in exam], [style for _, style in exam])
            judgements[f"generated{whose}"] = judge.judge(generated, asked)
    measured = [(music.measure(piece.score, piece.request.key), pieces.asked_of(piece)) for piece in composed]
    return {
        "style": {whose: figures.to_json() for whose, figures in judgements.items()},
        "as_asked": music.kept_shares(measured),
        "distances": {name: asdict(d) for name, d in music.distances(generated, [score for score, _ in human]).items()},
    }


def _originals(vocabulary: Vocabulary, examples: Sequence[Example]) -> list[tuple[Score, str | None]]:
    return [
        (vocabulary.tokenizer.decode(example.tokens, example.bpm), example.style)
        for example in examples
        if example.variant == 0
    ]


def _piece_rows(composed: Sequence[Composed]) -> list[dict[str, Any]]:
    return [
        {
            "name": f"{piece.request.style} {piece.request.seed}",
            "asked": pieces.asked_of(piece),
            "measured": asdict(music.measure(piece.score, piece.request.key)),
        }
        for piece in composed
    ]


def _publish(
    workspace: Workspace, report: Report, history: Sequence[Mapping[str, Any]], composed: Sequence[Composed]
) -> None:
    """Draw and write all beside, then swap it in as the report of the workspace."""
    fresh, folder = workspace.hidden / "report", workspace.reports / "generator"
    shutil.rmtree(fresh, ignore_errors=True)
    _illustrated(report, history, composed, fresh).write(fresh)
    folder.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.replace(folder)
    _write_figures(workspace.reports / FIGURES, report)


def _illustrated(
    report: Report, history: Sequence[Mapping[str, Any]], composed: Sequence[Composed], folder: Path
) -> Report:
    """The report with its pictures drawn into `folder`, the first piece of each style written beside them."""
    folder.mkdir(parents=True, exist_ok=True)
    baseline = report.baseline or {}
    curve = [{"step": point["step"], "valid": point["valid_nll_per_note"]} for point in history]
    pictures.learning_curve(curve, baseline.get("nll_per_note"), folder / "learning.png")
    pictures.family_f1(report.figures["families"], baseline.get("families"), folder / "families.png")
    drawn = {"Learning": "learning.png", "Next token by family": "families.png"}
    heard = report.style.get("generated")
    if heard:
        pictures.confusion(heard["confusion"], heard["labels"], folder / "styles.png")
        drawn["Styles asked and heard"] = "styles.png"
    model = {"name": GENERATOR, "version": 0, "data_sha256": report.data_sha256}
    firsts = {piece.request.style: piece for piece in reversed(composed)}
    for files in pieces.write(list(reversed(firsts.values())), folder / PIECES, model):
        drawn[files.picture.stem] = f"{PIECES}/{files.picture.name}"
    return replace(report, pictures=drawn)


def _write_figures(path: Path, report: Report) -> None:
    """The few numbers that `dvc metrics show` compares between versions."""
    heard = report.for_gate()
    names = ("nll_per_note", "accuracy", "style_accuracy", "style_recall_beside_human", "share_in_key", "bars_as_asked")
    figures = {name: round(float(heard[name]), 6) for name in names if heard.get(name) is not None}
    figures["count_model_nll_per_note"] = round(float((report.baseline or {})["nll_per_note"]), 6)
    path.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n", encoding="utf-8")
