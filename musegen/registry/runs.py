"""Training runs in MLflow: parameters, curves, figures, files and tags; every call may be made again.

A run is known by its name, kept in the tag `musegen.run`: MLflow's own id may be lost with a reply.
Equal points (name, value, step, time) are stored once, parameters and tags by their name, files by their path.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException

from musegen.registry.connection import Connection, answering, not_found
from musegen.workspace import Workspace

GENERATOR_EXPERIMENT = "musegen/generator"
RUN, KIND, NOTE, PARENT = "musegen.run", "musegen.kind", "mlflow.note.content", "mlflow.parentRunId"
"""Tags: the name of a run, `training` or `trial`, words for people, the id of the run that it belongs to."""

_METRICS_PER_CALL = 1000
_PARAMS_PER_CALL = 100
_LONGEST_PARAM = 6000
_LONGEST_TAG = 5000
_ACTIVE = "active"
_DESCRIPTIONS = {
    GENERATOR_EXPERIMENT: """\
Every training of the generator, and every trial of a tuning below the training that it was for.

**To compare**: tick runs, then *Compare*; or choose columns: the parameters `model.*`, `training.*`, `tokens.*` and
`composing.*` are what params.yaml said, `data.*` what it learnt from.

| metric | says |
|---|---|
| `valid.nll_per_note` | nats a note on the `valid` split, best weights so far; lower is better, tuning goes by it |
| `test.nll_per_note` and other `test.*` | the evaluation, on pieces that nothing was chosen by |
| `training/…` | the curves: loss, speed, learning rate, share of the time spent waiting for data |
| `system/…` | the machine of the first worker |

| tag | says |
|---|---|
| `musegen.kind` | `training` or `trial` |
| `musegen.run` | the folder of the run in `.musegen/runs` |
| `data.sha256`, `git.sha`, `prefect.flow_run_id` | the dataset, the code, the flow run |
| `gate.result` | what the gate said of it |

Files: `plots/` (learning curve), `samples/epoch-…/` (pieces made on the way, to be heard), `params.yaml`.
"""
}


@dataclass(frozen=True)
class Point:
    """One value of a curve; `milliseconds` since 1970."""

    name: str
    value: float
    step: int
    milliseconds: int


class Runs:
    """Runs at `MLFLOW_TRACKING_URI`, by default a database in the workspace; everything raises `Unavailable`."""

    def __init__(self, workspace: Workspace) -> None:
        self._connection = Connection(workspace)
        self.address = self._connection.address

    def open(
        self,
        experiment: str,
        name: str,
        parameters: Mapping[str, Any],
        tags: Mapping[str, str],
        parent: str | None = None,
    ) -> str:
        """The id of the run of that name, made where there is none.

        Nested `parameters` are written under dotted names; those that the run has stay as they are. `parent` is the id
        or the name of the run that this one belongs to.
        """
        with answering(self.address):
            place = self._experiment(experiment)
            known = self._named(place, name)
            if not known:
                marks = {KIND: "training", **tags, RUN: name}
                started = int(time.time() * 1000)
                self._connection.client.create_run(place, started, _short(marks), name)
                known = self._named(place, name)
            run = self._only(known)
            self._complete(run, parameters, {**tags, **self._parent(place, parent)})
        return str(run.info.run_id)

    def find(self, experiment: str, name: str) -> str | None:
        """The id of the run of that name, None where there is none."""
        with answering(self.address):
            found = self._connection.client.get_experiment_by_name(experiment)
            known = self._named(str(found.experiment_id), name) if found else []
        return str(known[0].info.run_id) if known else None

    def knows(self, run_id: str) -> bool:
        """True if there is such a run, and nobody deleted it."""
        with answering(self.address):
            try:
                found = self._connection.client.get_run(run_id)
            except MlflowException as error:
                if not_found(error):
                    return False
                raise
        return bool(found.info.lifecycle_stage == _ACTIVE)

    def log_points(self, run_id: str, points: Sequence[Point]) -> None:
        """Write values of curves, many at a time."""
        metrics = [Metric(point.name, point.value, point.milliseconds, point.step) for point in points]
        with answering(self.address):
            for start in range(0, len(metrics), _METRICS_PER_CALL):
                self._connection.client.log_batch(run_id, metrics=metrics[start : start + _METRICS_PER_CALL])

    def log_values(self, run_id: str, values: Mapping[str, float], step: int = 0) -> None:
        """Write figures that are no curve, such as `test.nll_per_note`; one that stands there already stays."""
        with answering(self.address):
            known = self._connection.client.get_run(run_id).data.metrics
            now = int(time.time() * 1000)
            fresh = [Point(name, float(value), step, now) for name, value in values.items() if known.get(name) != value]
            self.log_points(run_id, fresh)

    def log_files(self, run_id: str, path: Path, place: str = "") -> None:
        """Put a file, or all files of a folder, below `place` of the run."""
        with answering(self.address):
            put = self._connection.client.log_artifacts if path.is_dir() else self._connection.client.log_artifact
            put(run_id, str(path), place or None)

    def tag(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags; `mlflow.note.content` is the description that people read."""
        marks = [RunTag(key, value) for key, value in _short(tags).items()]
        with answering(self.address):
            self._connection.client.log_batch(run_id, tags=marks)

    def end(self, run_id: str, status: str = "FINISHED", milliseconds: int | None = None) -> None:
        """Close a run: `"FINISHED"`, `"FAILED"` or `"KILLED"`."""
        with answering(self.address):
            self._connection.client.set_terminated(run_id, status, milliseconds)

    def reopen(self, run_id: str) -> None:
        """Say that a run goes on that was closed."""
        with answering(self.address):
            self._connection.client.update_run(run_id, "RUNNING")

    def _named(self, experiment_id: str, name: str) -> list[Run]:
        """Runs of that name, the first first."""
        found = self._connection.client.search_runs([experiment_id], f"tags.`{RUN}` = '{name}'")
        return sorted(found, key=lambda run: (run.info.start_time, run.info.run_id))

    def _only(self, known: Sequence[Run]) -> Run:
        """The first of them; its twins go, that a repeated request made where a reply was lost."""
        first, *others = known
        for other in others:
            if other.info.start_time == first.info.start_time:
                self._connection.client.delete_run(other.info.run_id)
        return first

    def _complete(self, run: Run, parameters: Mapping[str, Any], tags: Mapping[str, str]) -> None:
        """Write the parameters and tags that a run lacks."""
        lacking = [
            Param(key, str(value)[:_LONGEST_PARAM]) for key, value in _flat(parameters) if key not in run.data.params
        ]
        for start in range(0, len(lacking), _PARAMS_PER_CALL):
            self._connection.client.log_batch(run.info.run_id, params=lacking[start : start + _PARAMS_PER_CALL])
        changed = {key: value for key, value in _short(tags).items() if run.data.tags.get(key) != value}
        if changed:
            self.tag(run.info.run_id, changed)

    def _parent(self, experiment_id: str, parent: str | None) -> dict[str, str]:
        if parent is None:
            return {}
        named = self._named(experiment_id, parent)
        run_id = str(named[0].info.run_id) if named else parent
        return {PARENT: run_id} if named or self.knows(run_id) else {}

    def _experiment(self, name: str) -> str:
        """The id of the experiment, made with its description, brought back where it was deleted."""
        client = self._connection.client
        tags = {NOTE: _DESCRIPTIONS[name]} if name in _DESCRIPTIONS else {}
        found = client.get_experiment_by_name(name)
        if found is None:
            embedded = self.address.startswith("sqlite:")
            place = (self._connection.workspace.hidden / "mlartifacts" / name).as_uri() if embedded else None
            try:
                return str(client.create_experiment(name, artifact_location=place, tags=tags))
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
                found = client.get_experiment_by_name(name)
        if found.lifecycle_stage != _ACTIVE:
            client.restore_experiment(found.experiment_id)
        for key, value in tags.items():
            if key not in found.tags:
                client.set_experiment_tag(found.experiment_id, key, value)
        return str(found.experiment_id)


def _short(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: str(value)[:_LONGEST_TAG] for key, value in tags.items()}


def _flat(parameters: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in parameters.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
