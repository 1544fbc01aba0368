"""Evaluation: a trained generator beside two baselines and the champion, on the same untouched test pieces."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from musegen import pieces
from musegen.evaluation import distance, gate, likelihood, music, originality
from musegen.evaluation.gate import GateSettings
from musegen.evaluation.likelihood import Likelihood
from musegen.evaluation.report import Report
from musegen.evaluation.style import StyleJudge
from musegen.evaluation.tally import Tally, by_style
from musegen.generate import Composed, Composer, Request
from musegen.models import load_model, parameter_count
from musegen.params import Params, ReportSettings
from musegen.registry import CHAMPION, GENERATOR, Registry
from musegen.score import Score
from musegen.shards import elsewhere, reader
from musegen.shards.schema import Example
from musegen.stages import lineage, report_files
from musegen.stages.exam import Duel, Exam, copy_last_model, duel, stronger_count_model
from musegen.stages.generator import load_composer, training_facts
from musegen.vocabulary import Vocabulary
from musegen.workspace import Workspace

_STEPS = 7
Tell = Callable[[int, int, str], None]


def judge_generator(
    workspace: Workspace,
    params: Params,
    on_progress: Tell = lambda done, total, words: None,
    attempts: Mapping[str, Any] | None = None,
) -> Report:
    """Judge `models/generator` and write `reports/generator` with pictures and pieces, and `reports/figures.json`.

    The champion, where there is one, is judged in the same run on the same pieces, and compared on what is fair to both
    (`exam.duel`). `attempts`: what tuning did before, for the report to tell.
    """
    model, settings, vocabulary = load_model(workspace.generator)
    facts = training_facts(workspace.generator)
    place = elsewhere.place_of(workspace.composing)
    train, valid, test = (reader.read(place, split) for split in reader.SPLITS)
    exam = Exam.of(test, vocabulary)
    on_progress(0, _STEPS, "likelihood")
    found = exam.judge(likelihood.generating(model, vocabulary, settings.window))
    sides = _beside(workspace, params, exam, (train, valid), found, on_progress)
    on_progress(4, _STEPS, "new pieces")
    composer = load_composer(workspace.generator)
    composed = composer.compose(requests_of(composer, params.report))
    on_progress(5, _STEPS, "judges of style and originality")
    report = Report(
        model={"name": GENERATOR, "kind": settings.kind, "parameters": parameter_count(model), **_origin(facts)},
        data_sha256=facts["data_sha256"],
        figures=exam.told(found),
        baseline=sides.baseline,
        champion=sides.champion,
        copy_last=sides.copy_last,
        by_style=by_style(sides.tallies, [example.style or "none" for example in test]),
        pieces=_piece_rows(composed),
        originality=_borrowed(workspace, composed),
        attempts=attempts or {},
        **_heard(vocabulary, train, test, composed),
    )
    figures = {**report.for_gate(), **(sides.duel.ours if sides.duel else {})}
    verdict = gate.judge(figures, sides.champion, _gate_for(report, params), sides.baseline)
    on_progress(6, _STEPS, "pictures")
    return report_files.publish(workspace, replace(report, verdict=verdict), facts["history"], composed)


def _origin(facts: Mapping[str, Any]) -> dict[str, Any]:
    """How the model came to be, as far as a reader of the report asks."""
    return {name: facts[name] for name in ("steps", "run", "run_id") if facts.get(name) is not None}


@dataclass(frozen=True)
class _Beside:
    """What stands beside the model, as the report has it, and the sums of all by the names of their columns.

    `duel`: the model and the champion on what is fair to both.
    """

    baseline: dict[str, Any]
    copy_last: dict[str, Any]
    champion: dict[str, Any] | None
    tallies: dict[str, Tally]
    duel: Duel | None


def _beside(
    workspace: Workspace,
    params: Params,
    exam: Exam,
    learnt: tuple[Sequence[Example], Sequence[Example]],
    found: Likelihood,
    on_progress: Tell,
) -> _Beside:
    """Judge both baselines, made from `learnt` (train, valid), and the champion."""
    train, valid = learnt
    on_progress(1, _STEPS, "count model")
    counts, words = stronger_count_model(train, valid, exam.vocabulary, params.report.counts)
    counted = exam.judge(likelihood.counting(counts))
    on_progress(2, _STEPS, "copy-last")
    repeats = copy_last_model(train, exam.vocabulary)
    copied = exam.judge(likelihood.copying(repeats))
    on_progress(3, _STEPS, "champion")
    tallies = {"nll_per_note": found.tally, "count_model": counted.tally, "copy_last": copied.tally}
    champion, compared, judged = _champion(workspace, exam, found)
    if judged is not None:
        tallies["champion"] = judged
    return _Beside(
        baseline={**exam.told(counted, found), "words": words},
        copy_last={**exam.told(copied, found), "words": repeats.words},
        champion=champion,
        tallies=tallies,
        duel=compared,
    )


def _champion(
    workspace: Workspace, exam: Exam, found: Likelihood
) -> tuple[dict[str, Any] | None, Duel | None, Tally | None]:
    """The champion's figures with its duel with the model, and its sums where these may stand beside the model's."""
    registry = Registry(workspace)
    version = registry.find(GENERATOR, CHAMPION)
    if version is None:
        return None, None, None
    bundle = registry.fetch(version)
    model, settings, theirs = load_model(bundle / "generator")
    judged = exam.known_to(theirs).judge(likelihood.generating(model, theirs, settings.window))
    learnt = {ancestor.track for ancestor in lineage.read(bundle) or () if ancestor.split != reader.SPLITS[-1]}
    compared = duel(exam, found, judged, theirs, learnt)
    words = "; ".join(filter(None, (f"version {version.number}", compared.words)))
    told = {**exam.told(judged), **compared.theirs, "beside": compared.beside, "left_out": compared.left_out}
    champion = {**told, "version": version.number, "words": words}
    return champion, compared, judged.tally if compared.whole else None


def _borrowed(workspace: Workspace, composed: Sequence[Composed]) -> dict[str, Any]:
    """What generated pieces share with training pieces; nothing for a model that keeps no record of those."""
    known = originality.load(workspace.generator)
    if known is None:
        return {}
    return known.study([piece.score for piece in composed], [piece.request.style for piece in composed])


def _gate_for(report: Report, params: Params) -> GateSettings:
    """The gate of params.yaml without what nobody can be asked here.

    Floors on style ask nothing where the judge heard no human test piece with a style, nor what is borrowed beyond
    people where no piece of theirs was held out.
    """
    settings, people = params.report.gate, report.originality.get("people") or {}
    idle = [] if "human_test" in report.style else ["style_"]
    if report.originality and not (people.get("pieces") or people.get("versions")):
        idle.append("borrowed_beyond_people")
    floors = {name: floor for name, floor in settings.floors.items() if not name.startswith(tuple(idle))}
    return settings.model_copy(update={"floors": floors})


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
        "distances": {name: asdict(row) for name, row in distance.distances(generated, [s for s, _ in human]).items()},
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
