"""The only door to MLflow: runs that are tracked, versions of models, and the aliases that say which one serves."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
from filelock import FileLock, Timeout
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.store.db.utils import sqlalchemy  # its errors come through MLflow as they are
from mlflow.tracking import MlflowClient

from musegen.errors import BadInput, BadParams, Unavailable
from musegen.workspace import Workspace

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
GENERATOR = "musegen-generator"
GENERATOR_EXPERIMENT = "musegen/generator"
BUNDLE = "model"
FILES = "files.json"
_LOCK_SECONDS = 60
_METRICS_PER_CALL = 1000
_PARAMS_PER_CALL = 100


@dataclass(frozen=True)
class ModelVersion:
    """A registered version: its number, the aliases that point at it, and what its tags say."""

    name: str
    number: int
    run_id: str
    aliases: tuple[str, ...]
    tags: Mapping[str, str]


@dataclass(frozen=True)
class Point:
    """One value of a curve."""

    name: str
    value: float
    step: int
    milliseconds: int


class Registry:
    """Runs and versions at `MLFLOW_TRACKING_URI`, by default a database in the workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        workspace.hidden.mkdir(parents=True, exist_ok=True)
        self.address = os.environ["MLFLOW_TRACKING_URI"]
        with _answering(self.address):
            self._client = MlflowClient(self.address)

    def start_run(self, experiment: str, name: str, parameters: Mapping[str, Any], tags: Mapping[str, str]) -> str:
        """Open a run and write its parameters and tags; returns its id."""
        with _answering(self.address):
            run = self._client.create_run(self._experiment(experiment), run_name=name, tags=dict(tags))
            flat = [Param(key, str(value)[:6000]) for key, value in _flat(parameters)]
            for start in range(0, len(flat), _PARAMS_PER_CALL):
                self._client.log_batch(run.info.run_id, params=flat[start : start + _PARAMS_PER_CALL])
        return str(run.info.run_id)

    def log_points(self, run_id: str, points: Sequence[Point]) -> None:
        """Write values of curves, many at a time."""
        metrics = [Metric(point.name, point.value, point.milliseconds, point.step) for point in points]
        with _answering(self.address):
            for start in range(0, len(metrics), _METRICS_PER_CALL):
                self._client.log_batch(run_id, metrics=metrics[start : start + _METRICS_PER_CALL])

    def knows(self, run_id: str) -> bool:
        """True if there is such a run."""
        with _answering(self.address):
            try:
                self._client.get_run(run_id)
            except MlflowException as error:
                if _not_found(error):
                    return False
                raise
        return True

    def end_run(self, run_id: str, status: str = "FINISHED") -> None:
        """Close a run: `"FINISHED"`, `"FAILED"` or `"KILLED"`."""
        with _answering(self.address):
            self._client.set_terminated(run_id, status)

    def register(self, name: str, run_id: str, bundle: Path, tags: Mapping[str, str], words: str) -> ModelVersion:
        """Keep `bundle` with the run and make it the next version of `name`, pinned by the hash of all its files.

        A run is registered once: the second call returns the version of the first, with `tags` as they are now.
        Raises `BadParams` where this MLflow does not know the run.
        """
        hashes = hashes_of(bundle)
        (bundle / FILES).write_text(json.dumps(hashes, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        if not self.knows(run_id):
            raise BadParams(
                f"run {run_id}: the MLflow at {self.address} does not know it, the model was trained beside another; "
                "point MLFLOW_TRACKING_URI at that one, or delete models/generator and retrain"
            )
        with _answering(self.address):
            if not any(model.name == name for model in self._client.search_registered_models(f"name='{name}'")):
                self._client.create_registered_model(name)
            known = self._client.search_model_versions(f"name='{name}' and run_id='{run_id}'")
            if known:
                for tag, value in tags.items():
                    self._client.set_model_version_tag(name, known[0].version, tag, value)
                return self.version(name, str(known[0].version))
            self._client.log_artifacts(run_id, str(bundle), BUNDLE)
            source = f"{self._client.get_run(run_id).info.artifact_uri}/{BUNDLE}"
            made = self._client.create_model_version(
                name, source, run_id, tags={**tags, "files.sha256": _digest(hashes)}, description=words
            )
        return self.version(name, str(made.version))

    def version(self, name: str, which: str = CHAMPION) -> ModelVersion:
        """A version by alias or number; raises `BadParams` where there is none."""
        with _answering(self.address):
            try:
                found = (
                    self._client.get_model_version(name, which)
                    if which.isdigit()
                    else self._client.get_model_version_by_alias(name, which)
                )
                found = self._client.get_model_version(name, found.version)
            except MlflowException as error:
                if _not_found(error):
                    raise BadParams(f"model {name}@{which}: there is no such version; run `musegen retrain`") from error
                raise
        return ModelVersion(name, int(found.version), str(found.run_id), tuple(found.aliases), dict(found.tags))

    def find(self, name: str, which: str = CHAMPION) -> ModelVersion | None:
        """Like `version`, with None where there is none."""
        try:
            return self.version(name, which)
        except BadParams:
            return None

    def versions(self, name: str) -> list[ModelVersion]:
        """All versions, oldest first."""
        with _answering(self.address):
            numbers = sorted(int(found.version) for found in self._client.search_model_versions(f"name='{name}'"))
        return [self.version(name, str(number)) for number in numbers]

    def challenge(self, version: ModelVersion) -> None:
        """Point `challenger` at a version."""
        with _answering(self.address):
            self._client.set_registered_model_alias(version.name, CHALLENGER, str(version.number))

    def promote(self, version: ModelVersion, instead_of: ModelVersion | None, why: str) -> ModelVersion:
        """Make `version` the champion, if `instead_of` still is (None: there is none yet).

        The old champion becomes `previous`. Raises `BadParams` where somebody else was promoted meanwhile.
        """
        with _only_one(self._workspace.hidden / "registry.lock"), _answering(self.address):
            now = self.find(version.name)
            if (now.number if now else None) != (instead_of.number if instead_of else None):
                holder = f"version {now.number}" if now else "nobody"
                raise BadParams(f"{version.name}: {holder} is the champion by now; judge against it and promote again")
            if now is not None and now.number != version.number:
                self._client.set_registered_model_alias(version.name, PREVIOUS, str(now.number))
            self._client.set_registered_model_alias(version.name, CHAMPION, str(version.number))
            challenger = self.find(version.name, CHALLENGER)
            if challenger is not None and challenger.number == version.number:
                self._client.delete_registered_model_alias(version.name, CHALLENGER)
            self._client.set_model_version_tag(version.name, str(version.number), "promoted.why", why[:4000])
        return self.version(version.name, str(version.number))

    def fetch(self, version: ModelVersion) -> Path:
        """The files of a version in the workspace, every hash checked; raises `BadInput` where one differs.

        They are downloaded once; several processes may ask at the same time.
        """
        expected = version.tags.get("files.sha256", "")
        folder = self._workspace.hidden / "fetched" / f"{version.name}-{version.number}-{expected[:12]}"
        if not (folder / FILES).exists():
            with _only_one(self._workspace.hidden / "fetch.lock"), _answering(self.address):
                if not (folder / FILES).exists():
                    self._download(version, folder)
        check_files(folder, expected)
        return folder

    def _download(self, version: ModelVersion, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        arriving = folder.with_name(f".{folder.name}")
        shutil.rmtree(arriving, ignore_errors=True)
        mlflow.artifacts.download_artifacts(
            run_id=version.run_id, artifact_path=BUNDLE, dst_path=str(arriving), tracking_uri=self.address
        )
        (arriving / BUNDLE).replace(folder)
        arriving.rmdir()

    def _experiment(self, name: str) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        embedded = self.address.startswith("sqlite:")
        place = (self._workspace.hidden / "mlartifacts" / name).as_uri() if embedded else None
        return str(self._client.create_experiment(name, artifact_location=place))


def hashes_of(folder: Path) -> dict[str, str]:
    """sha256 of every file below `folder` but the list itself, by its relative path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / FILES)
    return {file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def check_files(folder: Path, expected: str) -> None:
    """Raise `BadInput` unless the files of `folder` are those whose combined hash is `expected`."""
    hashes = hashes_of(folder)
    if _digest(hashes) == expected:
        return
    try:
        listed: dict[str, str] = json.loads((folder / FILES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        listed = {}
    wrong = sorted(name for name in {*hashes, *listed} if hashes.get(name) != listed.get(name)) or [FILES]
    raise BadInput(f"{folder}: {', '.join(wrong)} is not what was registered; delete the folder to fetch it again")


def _digest(hashes: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()


def _flat(parameters: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in parameters.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _not_found(error: MlflowException) -> bool:
    return error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


@contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(str(lock), timeout=_LOCK_SECONDS):
            yield
    except Timeout as error:
        raise Unavailable(f"{lock}: another process holds it; wait for it, or stop it") from error


@contextmanager
def _answering(address: str) -> Iterator[None]:
    try:
        yield
    except (MlflowException, OSError, sqlalchemy.exc.SQLAlchemyError) as error:
        words = str(error).partition("\n")[0]
        raise Unavailable(f"MLflow at {address}: {words}; see that it runs and try again") from error
