"""The manifest of a dataset: what it names exists, what it does not name does not; writing it is the commit."""

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from musegen.errors import BadInput, Unavailable

MANIFEST = "manifest.json"
STAGING = ".staging"
_INTENT = "manifest.next.json"
_VERSION = 1
_REPAIR = "run `dvc checkout` or `musegen prepare`"


@dataclass(frozen=True)
class ShardEntry:
    """One committed shard: where it is, what it was made from (`fingerprint`) and what is in it (`sha256`)."""

    path: str
    split: str
    fingerprint: str
    sha256: str
    size_bytes: int
    tracks: int
    rows: int
    notes: int
    tokens: int


@dataclass(frozen=True)
class Manifest:
    """All shards of a dataset, in order of their paths."""

    shards: tuple[ShardEntry, ...]

    @property
    def data_sha256(self) -> str:
        """One hash for the whole dataset: of its shards' paths and hashes."""
        lines = "".join(f"{shard.sha256}  {shard.path}\n" for shard in self.shards)
        return hashlib.sha256(lines.encode()).hexdigest()

    def of(self, split: str) -> tuple[ShardEntry, ...]:
        """The shards of one split."""
        return tuple(shard for shard in self.shards if shard.split == split)


def load(folder: Path) -> Manifest:
    """The committed manifest of `folder`, a commit that was cut short being finished first.

    Raises `BadInput` where there is none or it is damaged.
    """
    _finish_commit(folder)
    path = folder / MANIFEST
    if not path.exists():
        raise BadInput(f"{path}: there is no dataset; run `musegen prepare`", "no dataset")
    return _read(path)


def commit(folder: Path, manifest: Manifest) -> None:
    """Make `manifest` what the dataset is; new shards wait complete in `STAGING`.

    The intent is written first, so that a kill at any point leaves either the old dataset, or one that `load` finishes.
    Raises `Unavailable` where the disk refuses.
    """
    try:
        _write(folder / _INTENT, manifest)
        _finish_commit(folder)
    except OSError as error:
        raise Unavailable(f"{folder}: the dataset can't be committed ({error}); free space, then run again") from error


def discard_staged(folder: Path) -> None:
    """Forget the shards of a run that did not come to its commit."""
    shutil.rmtree(folder / STAGING, ignore_errors=True)


def _finish_commit(folder: Path) -> None:
    """Carry out the intent, if there is one; every step may be done again, and that it is gone ends it."""
    intent = folder / _INTENT
    if not intent.exists():
        return
    manifest = _read(intent)
    named = {shard.path for shard in manifest.shards}
    for path in sorted(named):
        staged = folder / STAGING / path
        if staged.exists():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            staged.replace(folder / path)
    for split in {(folder / path).parent for path in named}:
        sync_folder(split)
    for stranger in sorted(folder.glob("split=*/*")):
        if stranger.relative_to(folder).as_posix() not in named:
            stranger.unlink()
    discard_staged(folder)
    intent.replace(folder / MANIFEST)
    sync_folder(folder)


def _write(path: Path, manifest: Manifest) -> None:
    shards = [asdict(shard) for shard in manifest.shards]
    body = {"version": _VERSION, "data_sha256": manifest.data_sha256, "sha256": _sha256(shards), "shards": shards}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(body, file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def _read(path: Path) -> Manifest:
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        manifest = Manifest(tuple(ShardEntry(**shard) for shard in body["shards"]))
        intact = (body["version"], body["data_sha256"], body["sha256"]) == (
            _VERSION, manifest.data_sha256, _sha256(body["shards"])
        )  # fmt: skip
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path}: it is damaged ({error}); {_REPAIR}", "damaged") from error
    if not intact:
        raise BadInput(f"{path}: its hash does not fit its content; {_REPAIR}", "damaged")
    return manifest


def _sha256(shards: list[dict[str, Any]]) -> str:
    return hashlib.sha256(json.dumps(shards, sort_keys=True).encode()).hexdigest()


def sync_folder(folder: Path) -> None:
    """Make renames inside `folder` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
