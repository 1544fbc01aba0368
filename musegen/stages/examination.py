"""Examination: a registered generator on any labelled folder of music, which the workspace need not know."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from musegen import corpora
from musegen.catalogue import CatalogueRow
from musegen.errors import BadInput
from musegen.evaluation import likelihood
from musegen.evaluation.likelihood import Likelihood
from musegen.models import load_model
from musegen.params import Params
from musegen.prepare import ComposingRecipe
from musegen.registry import GENERATOR, ModelVersion, Registry
from musegen.shards import elsewhere, manifest, reader
from musegen.shards.schema import Example
from musegen.stages import lineage
from musegen.stages.corpus import survey_folder
from musegen.stages.exam import Exam, copy_last_model, stronger_count_model
from musegen.survey import Survey, SurveySettings
from musegen.vocabulary import Vocabulary
from musegen.workspace import Workspace

Tell = Callable[[int, int, str], None]
_STEPS = 4
_FIGURES = ("nll_per_note", "nll_per_beat", "nll_per_bar", "accuracy", "precision", "recall", "f1", "families")


@dataclass(frozen=True)
class Examination:
    """What was found. `tracks`: one mapping a track with `name`, `style` (None where the model has not learnt it),
    `notes`, `nll_per_note`, `accuracy`, and `learnt` where the version was trained on that very track.

    `figures` are the model's over all tracks, with `intervals`; `baseline` and `copy_last` those of the baselines with
    `beside`, the model minus them, or only `why_not` in words. `rejects`: what could not be judged, with its reason.
    """

    model: str
    version: int
    folder: str
    figures: Mapping[str, Any]
    tracks: Sequence[Mapping[str, Any]]
    baseline: Mapping[str, Any]
    copy_last: Mapping[str, Any]
    rejects: Sequence[Mapping[str, str]]

    def to_json(self) -> dict[str, Any]:
        """One object of plain values; the model's figures stand on top."""
        return {
            "model": self.model,
            "version": self.version,
            "folder": self.folder,
            "pieces": len(self.tracks),
            **self.figures,
            "tracks": list(self.tracks),
            "baseline": dict(self.baseline),
            "copy_last": dict(self.copy_last),
            "rejects": list(self.rejects),
        }

    def to_text(self) -> str:
        """The same for a person at a terminal."""
        count = {"piece": len(self.tracks), "file": len(self.rejects)}
        pieces, files = (f"{number:,} {name}{'s' * (number != 1)}" for name, number in count.items())
        lines = [f"{self.model} version {self.version} on {pieces} of {self.folder}", _line("model", self.figures)]
        lines += [_line(side["kind"], side) for side in (self.baseline, self.copy_last)]
        learnt = sum(bool(track.get("learnt")) for track in self.tracks)
        if learnt:
            lines.append(f"{learnt} of them it has learnt from: what it foretells there it may remember")
        if self.rejects:
            lines.append(f"{files} left out; --json names each with its reason")
        return "\n".join(lines)


def examine(
    workspace: Workspace,
    params: Params,
    which: str,
    folder: Path,
    layout: str = "auto",
    on_progress: Tell = lambda done, total, words: None,
) -> Examination:
    """Judge version `which` (a number or an alias) on the music with notes and beats in `folder`.

    Pieces are made as the composing dataset makes them, as they are; nothing in the workspace is written but what is
    remembered of files. Raises `BadParams` for a version that is not there, `BadInput` where nothing can be judged.
    """
    version = Registry(workspace).version(GENERATOR, which)
    bundle = Registry(workspace).fetch(version)
    model, settings, vocabulary = load_model(bundle / "generator")
    on_progress(0, _STEPS, "survey")
    root = folder.resolve()
    corpora.loader(layout)
    looked = survey_folder(workspace, root, SurveySettings(corpus=str(root), layout=layout), _silent, False)
    on_progress(1, _STEPS, "pieces")
    rows, rejects = _examples(looked, params, vocabulary, root)
    if not rows:
        raise BadInput(looked.nothing or f"{root}: no piece in it has notes and downbeats; add labels", "no pieces")
    exam = Exam.of(rows, vocabulary).known_to(vocabulary)
    on_progress(2, _STEPS, "likelihood")
    found = exam.judge(likelihood.generating(model, vocabulary, settings.window))
    on_progress(3, _STEPS, "baselines")
    baseline, copy_last = _baselines(workspace, params, version, exam, found)
    told = exam.told(found)
    return Examination(
        model=GENERATOR,
        version=version.number,
        folder=str(root),
        figures={name: told[name] for name in (*_FIGURES, "notes", "intervals")},
        tracks=_tracks(rows, exam, found, bundle),
        baseline=baseline,
        copy_last=copy_last,
        rejects=rejects,
    )


def _examples(
    looked: Survey, params: Params, vocabulary: Vocabulary, root: Path
) -> tuple[list[Example], list[dict[str, str]]]:
    """The tracks as rows of the composing dataset in the tokens of `vocabulary`, and what can't be judged."""
    rejects = [{"path": reject.path, "reason": reject.reason, "detail": reject.detail} for reject in looked.rejects]
    asked = params.composing.model_copy(update={"variants": 0, "tokens": vocabulary.tokenizer.settings})
    recipe = ComposingRecipe(asked, root)
    rows: list[Example] = []
    for row in looked.rows:
        why = _why_not(row, recipe, rows)
        if why:
            rejects.append({"path": row.name, **why})
    return rows, rejects


def _why_not(row: CatalogueRow, recipe: ComposingRecipe, rows: list[Example]) -> dict[str, str] | None:
    """Add the track to `rows`, or say why it can't be."""
    if not recipe.wants(row):
        return {"reason": "no pieces", "detail": row.composes}
    try:
        made = [example for example in recipe.examples(row) if example.notes]
    except BadInput as error:
        return {"reason": error.reason, "detail": str(error)}
    rows += made
    return None if made else {"reason": "empty", "detail": f"{row.name}: there are no notes in it"}


def _baselines(
    workspace: Workspace, params: Params, version: ModelVersion, exam: Exam, found: Likelihood
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both baselines, learnt from what the version learnt from; only why not, where that is no longer here."""
    kinds = {"kind": "count model"}, {"kind": "copy-last"}
    why = _without_its_data(workspace, version)
    if why:
        return {**kinds[0], "why_not": why}, {**kinds[1], "why_not": why}
    place = elsewhere.place_of(workspace.composing)
    train, valid = (reader.read(place, split) for split in reader.SPLITS[:2])
    counts, words = stronger_count_model(train, valid, exam.vocabulary, params.report.counts)
    repeats = copy_last_model(train, exam.vocabulary)
    scorers = (likelihood.counting(counts), words), (likelihood.copying(repeats), repeats.words)
    sides = []
    for kind, (scorer, said) in zip(kinds, scorers, strict=True):
        told = exam.told(exam.judge(scorer), found)
        sides.append({**kind, **{name: told[name] for name in (*_FIGURES, "intervals", "beside")}, "words": said})
    return sides[0], sides[1]


def _without_its_data(workspace: Workspace, version: ModelVersion) -> str:
    """Why the version's training pieces can't be had, empty where they are those of the workspace."""
    try:
        here = manifest.load(elsewhere.place_of(workspace.composing)).data_sha256
    except BadInput as error:
        return str(error)
    theirs = version.tags.get("data.sha256", "")
    if here != theirs:
        return (
            f"the version learnt from data {theirs[:12]}, the workspace holds {here[:12]}; "
            f"run `musegen reproduce {version.number}` and judge there"
        )
    return ""


def _tracks(rows: Sequence[Example], exam: Exam, found: Likelihood, bundle: Path) -> list[dict[str, Any]]:
    learnt = {ancestor.track for ancestor in lineage.read(bundle) or () if ancestor.split == reader.SPLITS[0]}
    judged = zip(rows, exam.pieces, found.by_piece, found.accuracy_by_piece, strict=True)
    return [
        {
            "name": row.name,
            "style": piece.conditions.style,
            "notes": piece.notes,
            "nll_per_note": nats,
            "accuracy": accuracy,
            **({"learnt": True} if row.track in learnt else {}),
        }
        for row, piece, nats, accuracy in judged
    ]


def _line(name: str, side: Mapping[str, Any]) -> str:
    if side.get("why_not"):
        return f"{name:<12} not judged: {side['why_not']}"
    ends = (side.get("intervals") or {}).get("nll_per_note")
    sure = f" ({ends[0]:.3f} to {ends[1]:.3f})" if ends else ""
    return (
        f"{name:<12} {side['nll_per_note']:.3f}{sure} nats a note, {side['nll_per_beat']:.3f} a beat; "
        f"next token right {side['accuracy']:.1%}, F1 {side['f1']:.3f}"
    )


def _silent(done: int, total: int) -> None:
    """The survey's own bar would stand in that of the examination."""
