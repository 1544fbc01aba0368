"""Registered versions of models: kept with all their files, found by number or alias, promoted by the log."""

import getpass
import shutil
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException

from musegen.errors import BadParams
from musegen.registry.connection import Connection, answering, not_found, only_one
from musegen.registry.entries import AWAY, make_model, patiently, versions_of
from musegen.registry.files import FILES, check_files, digest, write_hashes
from musegen.registry.promotions import CHALLENGER, CHAMPION, HAND, PREVIOUS, Promotion, PromotionLog
from musegen.registry.runs import Runs
from musegen.workspace import Workspace

GENERATOR = "musegen-generator"
BUNDLE = "model"
_PINNED, _PLACE = "files.sha256", "files.place"


@dataclass(frozen=True)
class ModelVersion:
    """A registered version: its number, the aliases that point at it, and what its tags say."""

    name: str
    number: int
    run_id: str
    aliases: tuple[str, ...]
    tags: Mapping[str, str]


class Registry:
    """Versions at `MLFLOW_TRACKING_URI`, by default a database in the workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._connection, self._runs = Connection(workspace), Runs(workspace)
        self._client, self._address = self._connection.client, self._connection.address
        self._hidden = workspace.hidden

    def register(self, name: str, run_id: str, bundle: Path, tags: Mapping[str, str], words: str) -> ModelVersion:
        """Keep `bundle` with the run and make it the next version of `name`, pinned by the hash of all its files.

        A run is registered once, though a reply be lost or another do the same: the second call returns the version
        of the first with its files, but with `tags` and `words` as they are now. Raises `BadParams` where this MLflow
        does not know the run.
        """
        if not self._runs.knows(run_id):
            raise BadParams(
                f"run {run_id}: the MLflow at {self._address} does not know it, the model was trained beside another; "
                "point MLFLOW_TRACKING_URI at that one, or delete models/generator and retrain"
            )
        pinned = digest(write_hashes(bundle))
        with answering(self._address):
            make_model(self._client, name)
            known = self._of_run(name, run_id)
            if known is None:
                place = f"{BUNDLE}-{pinned[:12]}"
                self._client.log_artifacts(run_id, str(bundle), place)
                made = {**tags, _PINNED: pinned, _PLACE: place}
                return self.version(name, self._make(name, run_id, place, made, words))
            patiently(partial(self._client.update_model_version, name, known, words))
        return self.tag(self.version(name, known), tags)

    def tag(self, version: ModelVersion, tags: Mapping[str, str]) -> ModelVersion:
        """Set tags of a version; returns it as it is then."""
        with answering(self._address):
            for tag, value in tags.items():
                if version.tags.get(tag) != value:
                    set_tag = self._client.set_model_version_tag
                    patiently(partial(set_tag, version.name, str(version.number), tag, value))
        return self.version(version.name, str(version.number))

    def version(self, name: str, which: str = CHAMPION) -> ModelVersion:
        """A version by alias or number; raises `BadParams` where there is none."""
        lacking = f"model {name}@{which}: there is no such version; run `musegen retrain`"
        number: int | str | None = which
        if which in (CHAMPION, PREVIOUS):
            number = getattr(self._log(name).settle(), which)
        if number is None:
            raise BadParams(lacking)
        with answering(self._address):
            try:
                if not str(number).isdigit():
                    number = self._client.get_model_version_by_alias(name, which).version
                return _plain(self._client.get_model_version(name, str(number)))
            except MlflowException as error:
                if not_found(error):
                    raise BadParams(lacking) from error
                raise

    def find(self, name: str, which: str = CHAMPION) -> ModelVersion | None:
        """Like `version`, with None where there is none."""
        try:
            return self.version(name, which)
        except BadParams:
            return None

    def versions(self, name: str) -> list[ModelVersion]:
        """All versions, oldest first."""
        self._log(name).settle()
        with answering(self._address):
            numbers = [str(found.version) for found in versions_of(self._client, f"name='{name}'")]
        return [version for number in numbers if (version := self.find(name, number))]

    def challenge(self, version: ModelVersion) -> None:
        """Point `challenger` at a version."""
        with answering(self._address):
            patiently(partial(self._client.set_registered_model_alias, version.name, CHALLENGER, str(version.number)))

    def promote(
        self, version: ModelVersion, instead_of: ModelVersion | int | None, why: str, who: str = "", by: str = HAND
    ) -> ModelVersion:
        """Make `version` the champion, if `instead_of` still is (None: nobody was), and write down who says so and why.

        The old champion becomes `previous`; to promote the champion changes nothing. `who` is by default the user at
        this machine, `by` is `HAND` or `GATE`. Raises `Overtaken`, the attempt being written down, where another is the
        champion by now, and `BadParams` for a version that is not there.
        """
        number = instead_of.number if isinstance(instead_of, ModelVersion) else instead_of
        found = self.version(version.name, str(version.number))
        entry = Promotion(0, version.number, number, who or whoever(), why, "", run=found.run_id, by=by)
        self._log(version.name).promote(entry)
        return self.version(version.name, str(version.number))

    def rollback(self, name: str, why: str, who: str = "") -> ModelVersion:
        """Make the version that served before the champion again; done twice, it is as it was.

        Of those that served, the last that nobody has deleted in MLflow. Raises `BadParams` where there is none,
        `Overtaken` where somebody promotes at the same time.
        """
        now = self._log(name).settle()
        if now.previous is None:
            raise BadParams(f"model {name}: nothing served before; promote a version by its number: `musegen promote`")
        return self.promote(self.version(name, str(now.previous)), now.champion, why, who)

    def history(self, name: str) -> list[Promotion]:
        """All promotions and refused attempts, oldest first."""
        return self._log(name).history()

    def fetch(self, version: ModelVersion) -> Path:
        """The files of a version in the workspace, every hash checked; raises `BadInput` where one differs.

        They are downloaded once; several processes may ask at the same time.
        """
        expected = version.tags.get(_PINNED, "")
        folder = self._hidden / "fetched" / f"{version.name}-{version.number}-{expected[:12]}"
        if not (folder / FILES).exists():
            with only_one(self._hidden / "fetch.lock"), answering(self._address):
                if not (folder / FILES).exists():
                    self._download(version, folder)
        check_files(folder, expected)
        return folder

    def _log(self, name: str) -> PromotionLog:
        return PromotionLog(self._connection, name)

    def _of_run(self, name: str, run_id: str) -> str | None:
        """The number of the version that a run was registered as; what a lost reply made beside it is deleted."""
        found = versions_of(self._client, f"name='{name}' and run_id='{run_id}'")
        for twin in found[1:]:
            with suppress(*AWAY):  # who else registers this run deletes it too
                self._client.delete_model_version(name, str(twin.version))
        return str(found[0].version) if found else None

    def _make(self, name: str, run_id: str, place: str, tags: Mapping[str, str], words: str) -> str:
        source = f"{self._client.get_run(run_id).info.artifact_uri}/{place}"
        try:
            self._client.create_model_version(name, source, run_id, tags=dict(tags), description=words)
        except AWAY:
            if self._of_run(name, run_id) is None:
                raise
        known = self._of_run(name, run_id)
        if known is None:
            raise MlflowException(f"version of run {run_id} is gone as soon as it was made")
        return known

    def _download(self, version: ModelVersion, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        arriving, place = folder.with_name(f".{folder.name}"), version.tags.get(_PLACE, BUNDLE)
        shutil.rmtree(arriving, ignore_errors=True)
        mlflow.artifacts.download_artifacts(
            run_id=version.run_id, artifact_path=place, dst_path=str(arriving), tracking_uri=self._address
        )
        (arriving / place).replace(folder)
        arriving.rmdir()


def whoever() -> str:
    """Who is at work: the user and the machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number without a name
        user = "somebody"
    return f"{user}@{socket.gethostname()}"


def _plain(found: Any) -> ModelVersion:
    return ModelVersion(found.name, int(found.version), str(found.run_id), tuple(found.aliases), dict(found.tags))
