"""Training: the composing dataset to a generator in `models/generator`, every step of it in MLflow."""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from musegen.cluster.train import PROGRESS, TrainingJob, Workers, ensure_unchanged, train_on_cluster
from musegen.errors import BadInput, MusegenError
from musegen.evaluation import originality
from musegen.generate import Composer, Habits
from musegen.params import Params
from musegen.registry.runs import KIND, NOTE
from musegen.shards import elsewhere, manifest
from musegen.stages import training_folders
from musegen.stages.tracking import Tracker
from musegen.stages.training_data import Learnt, learnt_from, originals
from musegen.stages.training_report import Fitted, pace_of, words_of
from musegen.stages.training_samples import Artist
from musegen.stages.training_spool import FINISHED, KILLED, Spool, Story
from musegen.training import Progress, TrainingResult
from musegen.tuned import TUNED
from musegen.vocabulary import Vocabulary
from musegen.workspace import Workspace

__all__ = ["Fitted", "job_of", "load_composer", "run_folder", "train_generator", "training_facts", "words_of"]

HABITS, TRAINING, VOCABULARY = "habits.json", "training.json", "vocabulary.json"


def train_generator(
    workspace: Workspace,
    params: Params,
    tags: Mapping[str, str],
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Fitted:
    """Train by the `generator` section and put the best weights into `models/generator`.

    The run is named by data and settings: started again after a kill, it goes on where its newest checkpoint stands,
    in the same MLflow run. Where MLflow is away it is told later. Raises `MusegenError` where the training was stopped,
    `BadInput` (reason "changed") where another dataset was committed meanwhile.
    """
    training_folders.mend_if_free(_fresh(workspace), workspace.generator)
    data_sha256 = manifest.load(elsewhere.place_of(workspace.composing)).data_sha256
    learnt = _complete(learnt_from(workspace.composing, data_sha256), workspace.composing)
    job = job_of(workspace, params, data_sha256)
    _hand_over(job.run, workspace.params, workspace.root / TUNED)
    vocabulary = Vocabulary.load(job.vocabulary)
    artist = Artist(job.run, params.generator.samples, job.model, vocabulary, learnt.habits, data_sha256)
    with Tracker(workspace, job.run, _story(job, params, learnt, tags, data_sha256), artist) as tracker:
        result = _learn(job, tracker, on_progress)
    fitted = Fitted(
        result,
        job.run.name,
        tracker.run_id,
        data_sha256,
        pace_of(job.run / PROGRESS),
        samples=tuple(artist.pieces),
        waiting=tracker.waiting,
        trouble=tracker.trouble,
        unheard=artist.trouble,
    )
    with training_folders.publishing(_fresh(workspace)):
        _publish(workspace, job, fitted, learnt, vocabulary)
    training_folders.prune(workspace.runs)
    return fitted


def run_folder(workspace: Workspace, params: Params, data_sha256: str) -> Path:
    """Where the training of these settings on these data lives: named by all that its weights depend on."""
    settings = (params.generator.model, params.generator.training, params.composing.tokens)
    key = " ".join([data_sha256, *(part.fingerprint() for part in settings)])
    return workspace.runs / f"generator-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def job_of(workspace: Workspace, params: Params, data_sha256: str) -> TrainingJob:
    """What a worker needs; the run's folder is made, and its vocabulary."""
    run, section = run_folder(workspace, params, data_sha256), params.generator
    run.mkdir(parents=True, exist_ok=True)
    styles = tuple(learnt_from(workspace.composing, data_sha256).styles)
    Vocabulary.create(params.composing.tokens, styles).save(run / VOCABULARY)
    workers = Workers(
        section.cpu_workers, section.least_workers, section.sharding, section.failures, section.frozen_seconds
    )
    return TrainingJob(
        workspace.composing, run, run / VOCABULARY, section.model, section.training, workers, data_sha256
    )


def parameters_of(params: Params, learnt: Learnt) -> dict[str, Any]:
    """What of params.yaml and the data an engineer compares runs by."""
    content = params.model_dump(mode="json")
    composing, section = dict(content["composing"]), content["generator"]
    return {
        "model": section.pop("model"),
        "training": section.pop("training"),
        "tokens": composing.pop("tokens"),
        "composing": composing,
        "workers": {name: value for name, value in section.items() if name != "samples"},
        "data": {**{f"{split}_rows": rows for split, rows in learnt.rows.items()}, "styles": len(learnt.styles)},
    }


def load_composer(folder: Path) -> Composer:
    """The generator that a folder written by `train_generator` holds."""
    try:
        content = json.loads((folder / HABITS).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{folder}: it holds no generator ({error}); run `musegen train`", "no model") from error
    habits = {style: Habits(**{**usual, "keys": tuple(usual["keys"])}) for style, usual in content.items()}
    return Composer.load(folder, habits)


def training_facts(folder: Path) -> dict[str, Any]:
    """How a generator came to be: `run` (its name), `run_id` (None where MLflow was away), data, steps, history."""
    facts: dict[str, Any] = json.loads((folder / TRAINING).read_text(encoding="utf-8"))
    return facts


def _complete(learnt: Learnt, folder: Path) -> Learnt:
    """Itself; raises `BadInput` where a split of the dataset in `folder` holds nothing."""
    if learnt.empty:
        raise BadInput(
            f"{folder}: no piece with notes and downbeats fell into {' and '.join(learnt.empty)}; add music, or raise "
            "survey.valid_share and survey.test_share",
            "too few",
        )
    return learnt


def _learn(job: TrainingJob, tracker: Tracker, on_progress: Callable[[Progress], None]) -> TrainingResult:
    """Train, and let MLflow know; raises `MusegenError` where somebody stopped it."""

    def tell(progress: Progress) -> None:
        tracker.hear(progress)
        on_progress(progress)

    result = train_on_cluster(job, tell)
    figures = _figures(result, asdict(pace_of(job.run / PROGRESS)))
    tracker.finish(result.steps, figures, KILLED if result.interrupted else FINISHED)
    if result.interrupted:
        raise MusegenError(f"{job.run}: training was stopped at step {result.steps}; run it again to go on")
    return result


def _hand_over(run: Path, *files: Path) -> None:
    """What MLflow shall keep of these files, where they are there, as they are now."""
    for file in files:
        if file.exists():
            made = run / "making" / file.name
            made.parent.mkdir(exist_ok=True)
            shutil.copyfile(file, made)
            Spool(run).put(made, "")


def _fresh(workspace: Workspace) -> Path:
    return workspace.hidden / "publishing"


def _story(job: TrainingJob, params: Params, learnt: Learnt, tags: Mapping[str, str], data_sha256: str) -> Story:
    """The run as MLflow shall know it."""
    model, training = job.model, job.training
    words = (
        f"A {model.kind} of {model.layers} layers, {model.width} wide, {training.steps} steps of "
        f"{training.global_batch} windows of {model.window} tokens, on {learnt.rows['train']} rows of "
        f"{len(learnt.styles)} styles (data `{data_sha256[:12]}`). Hear `samples/`, see `plots/learning.png`."
    )
    marks = {**tags, "data.sha256": data_sha256, KIND: "training", NOTE: words}
    return Story(job.run.name, parameters_of(params, learnt), marks)


def _figures(result: TrainingResult, pace: Mapping[str, float]) -> dict[str, float]:
    """What a finished run is compared by, beside its curves."""
    figures = {f"training.{name}": float(value) for name, value in pace.items()}
    return figures | {"training.steps": float(result.steps), "training.best_step": float(result.best_step)}


def _publish(workspace: Workspace, job: TrainingJob, fitted: Fitted, learnt: Learnt, vocabulary: Vocabulary) -> None:
    """Swap the best weights in as the generator of the workspace, with what is needed to use and to explain them."""
    fresh, result, place = _fresh(workspace), fitted.result, elsewhere.place_of(workspace.composing)
    training_folders.mend(fresh, workspace.generator)
    shutil.copytree(result.best, fresh, ignore=shutil.ignore_patterns("manifest.json"))
    facts = {
        **{name: value for name, value in vars(result).items() if name not in ("best", "history")},
        "history": [point.to_json() for point in result.history],
        "run": fitted.run,
        "run_id": fitted.run_id,
        "data_sha256": fitted.data_sha256,
        "settings": {"model": job.model.model_dump(mode="json"), "training": job.training.model_dump(mode="json")},
        **asdict(fitted.pace),
    }
    _write_json(fresh / TRAINING, facts)
    _write_json(fresh / HABITS, {style: asdict(usual) for style, usual in learnt.habits.items()})
    held_out = [*originals(place, "valid"), *originals(place, "test")]
    train = originals(place, "train")
    ensure_unchanged(job)
    originality.write(fresh, train, held_out, vocabulary.tokenizer)
    training_folders.swap_in(fresh, workspace.generator)
    (job.run / training_folders.PUBLISHED).touch()


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True, default=str) + "\n", encoding="utf-8")
