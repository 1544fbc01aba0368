"""What descends from tracks: shards, datasets, registered versions and pieces, as far as anything keeps a record."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from musegen import catalogue
from musegen.errors import BadInput, Unavailable
from musegen.registry import CHAMPION, GENERATOR, ModelVersion, Registry
from musegen.shards import elsewhere, manifest
from musegen.stages import lineage
from musegen.stages.generator import training_facts
from musegen.workspace import Workspace

MODELS = (GENERATOR,)
_LOCAL = "models/generator"
_MOST_RECEIPT_BYTES = 1_000_000


@dataclass(frozen=True)
class Named:
    """A track by its content id and its name."""

    track: str
    name: str

    def __str__(self) -> str:
        return f"{self.name} ({self.track[:8]})"


@dataclass(frozen=True)
class ShardRows:
    """How many rows of a shard of the present datasets are a track's, and beneath how many of others it sounds."""

    path: str
    track: str
    rows: int
    beneath: int = 0


@dataclass(frozen=True)
class Version:
    """A model that has seen tracks; `number` is None for the one in the workspace, which need not be registered.

    `seen` maps a track to its split; `sample_pieces` are files that the version keeps.
    """

    name: str
    number: int | None
    aliases: tuple[str, ...]
    data_sha256: str
    seen: Mapping[str, str]
    sample_pieces: tuple[str, ...] = ()

    def __str__(self) -> str:
        what = f"{self.name} {self.number}" if self.number is not None else self.name
        return f"{what} ({', '.join(self.aliases)})" if self.aliases else what


@dataclass(frozen=True)
class Unknown:
    """Something whose ancestors nobody can tell, and why."""

    what: str
    why: str


@dataclass(frozen=True)
class Piece:
    """The receipt of a piece that such a model made, and which one."""

    receipt: str
    made_by: str


@dataclass(frozen=True)
class Descent:
    """Everything that is known to descend from `tracks`, and what could not be told.

    `same_piece`: other tracks of the catalogue that are versions of the same music. `datasets`: data hash → where it
    is known from.
    """

    tracks: tuple[Named, ...]
    same_piece: tuple[Named, ...] = ()
    shards: tuple[ShardRows, ...] = ()
    datasets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    versions: tuple[Version, ...] = ()
    pieces: tuple[Piece, ...] = ()
    unknown: tuple[Unknown, ...] = ()

    @property
    def serving(self) -> Version | None:
        """The version among these that serves now."""
        return next((version for version in self.versions if CHAMPION in version.aliases), None)


def find_descent(workspace: Workspace, tracks: Sequence[Named], folders: Sequence[Path] = ()) -> Descent:
    """Look for descendants of `tracks`; receipts of pieces are looked for in `out/`, the reports and `folders`.

    What can't be told, be it that MLflow does not answer, is named in `unknown`; nothing is raised for it.
    """
    search = _Search(workspace, {track.track for track in tracks})
    versions = (*search.in_workspace(), *search.registered())
    here = [share for share in search.shares if share.ancestor.track in search.ids]
    datasets = {data: (what,) for data, what in search.datasets().items()}
    for version in versions:
        datasets[version.data_sha256] = (*datasets.get(version.data_sha256, ()), str(version))
    return Descent(
        tracks=tuple(tracks),
        same_piece=search.same_piece(),
        shards=tuple(ShardRows(share.shard, share.ancestor.track, share.rows, share.beneath) for share in here),
        datasets=datasets,
        versions=versions,
        pieces=search.pieces([workspace.root / "out", workspace.reports, *folders]),
        unknown=tuple(search.unknown),
    )


def ancestors_of_versions(workspace: Workspace) -> list[Named]:
    """Every track on the lists that registered versions keep; raises `Unavailable`."""
    listed: dict[str, Named] = {}
    if not _has_registry():
        return []
    registry = Registry(workspace)
    for version in _versions(registry):
        with suppress(BadInput):
            for ancestor in lineage.read(registry.fetch(version)) or ():
                listed[ancestor.track] = Named(ancestor.track, ancestor.name)
    return list(listed.values())


class _Search:
    """One search. `known`: data hash → what is in it; `unknown` fills up on the way."""

    def __init__(self, workspace: Workspace, ids: set[str]) -> None:
        self._workspace, self.ids = workspace, ids
        self.unknown: list[Unknown] = []
        self.shares: list[lineage.Share] = []
        self._present: dict[str, str] = {}
        self.known: dict[str, Mapping[str, str]] = {}
        self._data_of: dict[tuple[str, int], str] = {}
        for folder in workspace.datasets:
            self.shares += self._found_in(folder)

    def datasets(self) -> dict[str, str]:
        """Hash → name of the present datasets that hold one of the tracks."""
        return {data: what for data, what in self._present.items() if self.ids & self.known[data].keys()}

    def _found_in(self, folder: Path) -> list[lineage.Share]:
        what = f"the present {folder.name} dataset"
        try:
            found = lineage.shares(folder)
            if found:
                data_sha256 = manifest.load(elsewhere.place_of(folder)).data_sha256
                self._present[data_sha256] = what
                self.known[data_sha256] = {share.ancestor.track: share.ancestor.split for share in found}
            return found
        except BadInput as error:
            self.unknown.append(Unknown(what, str(error)))
            return []

    def in_workspace(self) -> list[Version]:
        """The model in the workspace, if it has seen the tracks."""
        folder = self._workspace.generator
        if not folder.exists():
            return []
        try:
            data_sha256 = str(training_facts(folder)["data_sha256"])
        except (OSError, ValueError, KeyError) as error:
            self.unknown.append(Unknown(_LOCAL, f"it does not say what it learnt from ({error})"))
            return []
        if data_sha256 not in self.known:
            self.unknown.append(Unknown(_LOCAL, "its dataset is no longer in the workspace"))
        return self._if_seen(Version(_LOCAL, None, (), data_sha256, {}))

    def registered(self) -> list[Version]:
        """The versions in MLflow that have seen the tracks, oldest first."""
        if not _has_registry():
            return []
        try:
            registry = Registry(self._workspace)
            versions = _versions(registry)
        except Unavailable as error:
            self.unknown.append(Unknown("the registered versions", str(error)))
            return []
        why = [self._learn(registry, version) for version in versions]
        found = []
        for version, reason in zip(versions, why, strict=True):
            plain = Version(version.name, version.number, version.aliases, _data(version), {})
            self._data_of[version.name, version.number] = plain.data_sha256
            if plain.data_sha256 not in self.known:
                self.unknown.append(Unknown(str(plain), reason))
            found += [replace(seen, sample_pieces=_samples(registry, version)) for seen in self._if_seen(plain)]
        return found

    def same_piece(self) -> tuple[Named, ...]:
        """Tracks of the catalogue in the groups of these."""
        try:
            rows = catalogue.read(self._workspace.data)
        except BadInput as error:
            self.unknown.append(Unknown("versions of the same piece", str(error)))
            return ()
        groups = {row.group for row in rows if row.track in self.ids}
        groups |= {share.ancestor.group for share in self.shares if share.ancestor.track in self.ids}
        return tuple(Named(row.track, row.name) for row in rows if row.group in groups and row.track not in self.ids)

    def pieces(self, folders: Sequence[Path]) -> tuple[Piece, ...]:
        """Pieces below `folders` whose model has seen the tracks; call it after `registered`."""
        found, strange = [], 0
        for path, receipt in sorted(
            {path: receipt for folder in folders for path, receipt in _receipts(folder)}.items()
        ):
            model = receipt["model"]
            data = receipt.get("data_sha256") or self._data_of.get((model.get("name"), model.get("version")), "")
            strange += data not in self.known
            if self.known.get(data, {}).keys() & self.ids:
                by = f"{model.get('name') or _LOCAL} {model.get('version') or ''}".rstrip()
                found.append(Piece(_below(path, self._workspace.root), by))
        if strange:
            self.unknown.append(Unknown(f"{strange} pieces", "nothing lists the tracks that their models learnt from"))
        return tuple(found)

    def _learn(self, registry: Registry, version: ModelVersion) -> str:
        """Add what the list of `version` says to `known`, unless it is known already; else why it can't be."""
        if _data(version) in self.known:
            return ""
        try:
            listed = lineage.read(registry.fetch(version))
        except (BadInput, Unavailable) as error:
            return str(error)
        if listed is None:
            return "it keeps no list of its tracks"
        self.known[_data(version)] = {ancestor.track: ancestor.split for ancestor in listed}
        return ""

    def _if_seen(self, version: Version) -> list[Version]:
        seen = self.known.get(version.data_sha256, {})
        mine = {track: seen[track] for track in sorted(self.ids & seen.keys())}
        return [replace(version, seen=mine)] if mine else []


def _has_registry() -> bool:
    """False where MLflow's database is a file that nobody has made yet; to make it only to find it empty takes long."""
    scheme, _, file = os.environ.get("MLFLOW_TRACKING_URI", "").partition(":///")
    return scheme != "sqlite" or Path(file).exists()


def _versions(registry: Registry) -> list[ModelVersion]:
    return [version for name in MODELS for version in registry.versions(name)]


def _data(version: ModelVersion) -> str:
    return version.tags.get("data.sha256") or f"that of {version.name} {version.number}"


def _samples(registry: Registry, version: ModelVersion) -> tuple[str, ...]:
    """The pieces that a version keeps, by their path in it; none where its files can't be fetched."""
    try:
        folder = registry.fetch(version)
    except (BadInput, Unavailable):
        return ()
    return tuple(path.relative_to(folder).as_posix() for path in sorted(folder.glob("report/pieces/*.mid")))


def _receipts(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The receipts below a folder, as `pieces.write` leaves them; other JSON is none of our business."""
    for path in folder.rglob("*.json"):
        try:
            small = path.is_file() and path.stat().st_size <= _MOST_RECEIPT_BYTES
            content = json.loads(path.read_text(encoding="utf-8")) if small else None
        except (OSError, ValueError):
            continue
        if isinstance(content, dict) and isinstance(content.get("model"), dict) and "seed" in content:
            yield path.resolve(), content


def _below(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
