"""Training: the composing dataset to a generator in `models/generator`, every step of it in MLflow."""

import hashlib
import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from musegen.cluster.train import TrainingJob, train_on_cluster
from musegen.errors import BadInput, Unavailable
from musegen.generate import Composer, Habits
from musegen.params import Params
from musegen.registry import GENERATOR_EXPERIMENT, Point, Registry
from musegen.shards import manifest, reader
from musegen.shards.schema import Example
from musegen.training import Progress, TrainingResult
from musegen.vocabulary import Vocabulary
from musegen.workspace import Workspace

HABITS, TRAINING, VOCABULARY = "habits.json", "training.json", "vocabulary.json"
_MOST_KEYS = 4
_POINTS_PER_CALL = 64


@dataclass(frozen=True)
class Fitted:
    """A finished training: what came out, its MLflow run, and the data it learnt from."""

    result: TrainingResult
    run_id: str
    data_sha256: str

    def to_markdown(self) -> str:
        """What a reader of the flow run wants to know of it."""
        result = self.result
        resumed = f"resumed at step {result.resumed_from_step}, " if result.resumed_from_step else ""
        lines = [
            f"{resumed}{result.steps} steps{', stopped early' if result.stopped_early else ''}; the best at step "
            f"{result.best_step} with {result.best_valid_nll_per_note:.3f} nats a note on `valid`.",
            f"MLflow run `{self.run_id}`, data `{self.data_sha256[:12]}`.",
            "",
            "| step | train, nats a token | valid, nats a note |",
            "|---|---|---|",
        ]
        lines += [
            f"| {point.step} | {point.train_nll_per_token:.3f} | {point.valid_nll_per_note:.3f} |"
            for point in result.history
            if point.valid_nll_per_note is not None
        ]
        return "\n".join(lines) + "\n"


def train_generator(
    workspace: Workspace,
    params: Params,
    tags: Mapping[str, str],
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Fitted:
    """Train by the `generator` section and put the best weights into `models/generator`.

    The run is named by data and settings: started again after a kill, it goes on where its newest checkpoint stands,
    in the same MLflow run.
    """
    data_sha256 = manifest.load(workspace.composing).data_sha256
    learnt = reader.read(workspace.composing, "train")
    empty = [split for split in reader.SPLITS if not reader.read(workspace.composing, split)]
    if empty:
        raise BadInput(
            f"{workspace.composing}: no piece with notes and downbeats fell into {' and '.join(empty)}; add music, or "
            "raise survey.valid_share and survey.test_share",
            "too few",
        )
    run = _run_folder(workspace, params, data_sha256)
    vocabulary = Vocabulary.create(params.composing.tokens, tuple(row.style for row in learnt if row.style))
    vocabulary.save(run / VOCABULARY)
    registry = Registry(workspace)
    run_id = _tracked_run(registry, run, params, {**tags, "data.sha256": data_sha256})
    job = TrainingJob(workspace.composing, run, run / VOCABULARY, params.generator.model, params.generator.training)
    with _Curves(registry, run_id) as curves:

        def tell(progress: Progress) -> None:
            curves.add(progress)
            on_progress(progress)

        result = train_on_cluster(job, params.generator.cpu_workers, tell)
    _publish(run, result, workspace.generator, habits_of(learnt), {"run_id": run_id, "data_sha256": data_sha256})
    return Fitted(result, run_id, data_sha256)


def load_composer(folder: Path) -> Composer:
    """The generator that a folder written by `train_generator` holds."""
    try:
        content = json.loads((folder / HABITS).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{folder}: it holds no generator ({error}); run `musegen train`", "no model") from error
    habits = {style: Habits(**{**usual, "keys": tuple(usual["keys"])}) for style, usual in content.items()}
    return Composer.load(folder, habits)


def training_facts(folder: Path) -> dict[str, Any]:
    """How a generator came to be: run id, data, steps, history."""
    facts: dict[str, Any] = json.loads((folder / TRAINING).read_text(encoding="utf-8"))
    return facts


def habits_of(examples: list[Example]) -> dict[str, Habits]:
    """For every style what its tracks usually are; augmented variants don't count."""
    by_style: dict[str, list[Example]] = {}
    for example in examples:
        if example.style and example.variant == 0:
            by_style.setdefault(example.style, []).append(example)
    return {
        style: Habits(
            bpm=float(round(median([row.bpm for row in rows if row.bpm] or [120.0]))),
            meter=Counter(row.meter for row in rows).most_common(1)[0][0],
            keys=tuple(key for key, _ in Counter(row.key for row in rows if row.key).most_common(_MOST_KEYS)) or ("C",),
        )
        for style, rows in sorted(by_style.items())
    }


def words_of(progress: Progress) -> str:
    """How a training stands, for a line beside the bar."""
    words = f"{progress.train_nll_per_token:.2f} nats a token"
    return words if progress.valid_nll_per_note is None else f"{words}, valid {progress.valid_nll_per_note:.2f} a note"


class _Curves:
    """Sends the values of a run to MLflow, many at a time, and closes the run as it ended."""

    def __init__(self, registry: Registry, run_id: str) -> None:
        self._registry, self._run_id = registry, run_id
        self._waiting: list[Point] = []

    def __enter__(self) -> "_Curves":
        return self

    def add(self, progress: Progress) -> None:
        now = int(time.time() * 1000)
        values = {name: getattr(progress, name) for name in _CURVES}
        self._waiting += [
            Point(name, float(value), progress.step, now) for name, value in values.items() if value is not None
        ]
        if len(self._waiting) >= _POINTS_PER_CALL:
            with suppress(Unavailable):  # the points wait for the next try, the training does not
                self._send()

    def _send(self) -> None:
        self._registry.log_points(self._run_id, self._waiting)
        self._waiting = []

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._send()
        self._registry.end_run(self._run_id, "FINISHED" if kind is None else "FAILED")


_CURVES = ("train_nll_per_token", "valid_nll_per_note", "learning_rate", "tokens_per_second", "epoch")


def _run_folder(workspace: Workspace, params: Params, data_sha256: str) -> Path:
    settings = (params.generator.model, params.generator.training, params.composing.tokens)
    key = " ".join([data_sha256, *(part.fingerprint() for part in settings)])
    folder = workspace.runs / f"generator-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _tracked_run(registry: Registry, run: Path, params: Params, tags: Mapping[str, str]) -> str:
    """The MLflow run of this run folder, opened at the first start, or anew where this MLflow lacks it."""
    note = run / "mlflow-run-id"
    if note.exists() and registry.knows(known := note.read_text(encoding="utf-8").strip()):
        return known
    run_id = registry.start_run(GENERATOR_EXPERIMENT, run.name, params.model_dump(mode="json"), tags)
    note.write_text(run_id + "\n", encoding="utf-8")
    return run_id


def _publish(
    run: Path, result: TrainingResult, target: Path, habits: Mapping[str, Habits], origin: Mapping[str, str]
) -> None:
    """Swap the best weights in as the generator of the workspace, with what is needed to use and to explain them."""
    fresh = run / "publish"
    shutil.rmtree(fresh, ignore_errors=True)
    shutil.copytree(result.best, fresh)
    facts = {**origin, **{key: value for key, value in asdict(result).items() if key != "best"}}
    _write_json(fresh / TRAINING, facts)
    _write_json(fresh / HABITS, {style: asdict(usual) for style, usual in habits.items()})
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    fresh.replace(target)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=1, sort_keys=True, default=str) + "\n", encoding="utf-8")
