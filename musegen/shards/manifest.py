"""The manifest of a dataset: what it names exists, what it does not name does not; writing it is the commit."""

import hashlib
import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from musegen.errors import BadInput, Unavailable
from musegen.shards.store import Place, Store

MANIFEST = "manifest.json"
STAGING = ".staging"
POINTER = "elsewhere.json"
_INTENT = "manifest.next.json"
_VERSION = 2
_REPAIR = "run `dvc checkout` or `musegen prepare`"


class LostShard(Unavailable):
    """A shard that was to be committed is not there; a new run makes it anew."""


@dataclass(frozen=True)
class TrackReject:
    """A track that gave no rows, why in one word, and in words for people; `fingerprint`: what was tried."""

    track: str
    name: str
    reason: str
    detail: str
    fingerprint: str = ""


@dataclass(frozen=True)
class ShardEntry:
    """One committed shard: where it is, what it was made from (`fingerprint`) and what is in it (`sha256`).

    `totals` counts what the dataset has (notes, tokens, seconds, …) by name.
    """

    path: str
    split: str
    fingerprint: str
    sha256: str
    size_bytes: int
    tracks: int
    rows: int
    totals: Mapping[str, float]
    rejects: tuple[TrackReject, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As the manifest has it."""
        return asdict(self)

    @classmethod
    def of_json(cls, entry: Mapping[str, Any]) -> "ShardEntry":
        """The entry that gave this; raises `TypeError` or `KeyError` where none did."""
        return cls(**{**entry, "rejects": tuple(TrackReject(**reject) for reject in entry["rejects"])})


@dataclass(frozen=True)
class Manifest:
    """All shards of a dataset, in order of their paths."""

    shards: tuple[ShardEntry, ...]

    @property
    def data_sha256(self) -> str:
        """One hash for the whole dataset: of its shards' paths and hashes."""
        lines = "".join(f"{shard.sha256}  {shard.path}\n" for shard in self.shards)
        return hashlib.sha256(lines.encode()).hexdigest()

    @property
    def rejects(self) -> tuple[TrackReject, ...]:
        """The tracks that gave no rows, shard by shard."""
        return tuple(reject for shard in self.shards for reject in shard.rejects)

    @property
    def totals(self) -> dict[str, float]:
        """The totals of all shards together."""
        names = sorted({name for shard in self.shards for name in shard.totals})
        return {name: sum(shard.totals.get(name, 0.0) for shard in self.shards) for name in names}

    def of(self, split: str) -> tuple[ShardEntry, ...]:
        """The shards of one split."""
        return tuple(shard for shard in self.shards if shard.split == split)


def load(place: Place) -> Manifest:
    """The committed manifest of a dataset, a commit that was cut short being finished first.

    Raises `BadInput` where there is none, it is damaged, or an earlier musegen made it (reason "outdated").
    """
    store = Store.at(place)
    _finish_commit(store)
    try:
        return _read(store, MANIFEST)
    except FileNotFoundError:
        raise BadInput(
            f"{store.describe(MANIFEST)}: there is no dataset; run `musegen prepare`", "no dataset"
        ) from None


def commit(place: Place, manifest: Manifest) -> None:
    """Make `manifest` what the dataset is; new shards wait complete in `STAGING`.

    The intent is written first, so that a kill at any point leaves either the old dataset, or one that `load` finishes.
    Raises `Unavailable` where the disk refuses, and, with the old dataset untouched, where a shard is not there.
    """
    store = Store.at(place)
    try:
        _staged(store, manifest, _named(store))
        # By way of STAGING, with which what a kill leaves of it is discarded.
        store.write_bytes(staged_path(_INTENT), _to_bytes(manifest))
        store.move(staged_path(_INTENT), _INTENT)
        _finish_commit(store)
    except Unavailable as error:
        raise Unavailable(f"{store.path}: the dataset can't be committed; {error}") from error


def discard_staged(place: Place) -> None:
    """Forget the shards of a run that did not come to its commit."""
    Store.at(place).delete_below(STAGING)


def staged_path(path: str) -> str:
    """Where shard `path` waits for its commit."""
    return f"{STAGING}/{path}"


def note_path(path: str) -> str:
    """Where it is noted what the shard is that waits as `staged_path`; without the note, it is not whole."""
    return f"{STAGING}/{path}.json"


def noted(store: Store, path: str) -> ShardEntry | None:
    """The entry of the staged shard `path`, None where there is no such note."""
    try:
        return ShardEntry.of_json(json.loads(store.read_bytes(note_path(path))))
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def strangers(store: Store, manifest: Manifest) -> list[str]:
    """Files that nothing of a dataset whose manifest is `manifest` explains; hidden ones are the system's own."""
    known = {MANIFEST, POINTER, _INTENT, *(shard.path for shard in manifest.shards)}
    return [path for path in store.list() if path not in known and "/." not in f"/{path}"]


def _finish_commit(store: Store) -> None:
    """Carry out the intent, if there is one; every step may be done again, and that it is gone ends it."""
    try:
        manifest = _read(store, _INTENT)
    except FileNotFoundError:
        return
    try:
        # What lacks in staging was moved by whoever was cut short, and was checked before the intent was written.
        staged = _staged(store, manifest, {(shard.path, shard.sha256) for shard in manifest.shards})
    except LostShard:
        store.delete(_INTENT)  # it can never be carried out
        raise
    for shard in staged:
        _move(store, staged_path(shard.path), shard.path)
    for stranger in strangers(store, manifest):
        if stranger.startswith("split="):  # what else lies there is not ours to delete
            store.delete(stranger)
    discard_staged(store)
    _move(store, _INTENT, MANIFEST)


def _staged(store: Store, manifest: Manifest, kept: Collection[tuple[str, str]]) -> list[ShardEntry]:
    """The shards of `manifest` that wait staged; the others have to be in place, and among `kept`, by path and hash.

    Raises `LostShard` where one is neither. A shard that is kept may have a stale one staged, by a run with other
    settings that was cut short.
    """
    sizes = store.sizes(STAGING)
    staged = [
        shard
        for shard in manifest.shards
        if sizes.get(staged_path(shard.path)) == shard.size_bytes
        if (note := noted(store, shard.path)) is not None and note.sha256 == shard.sha256
    ]
    waiting = {shard.path for shard in staged}
    sizes = store.sizes()  # looked up last: whoever finishes the same commit has moved there what was staged before
    for shard in manifest.shards:
        in_place = sizes.get(shard.path) == shard.size_bytes and (shard.path, shard.sha256) in kept
        if shard.path not in waiting and not in_place:
            words = "it is not there any more; another run has touched this dataset; run again"
            raise LostShard(f"{store.describe(shard.path)}: {words}")
    return staged


def _named(store: Store) -> set[tuple[str, str]]:
    """Paths and hashes of the shards that are committed, or are being."""
    found: set[tuple[str, str]] = set()
    for path in (MANIFEST, _INTENT):
        with suppress(FileNotFoundError, BadInput):
            found.update((shard.path, shard.sha256) for shard in _read(store, path).shards)
    return found


def _move(store: Store, source: str, target: str) -> None:
    with suppress(FileNotFoundError):  # another reader finishes the same commit at the same time
        store.move(source, target)


def _to_bytes(manifest: Manifest) -> bytes:
    """The one spelling of a manifest: whatever else says the same was changed by somebody else."""
    shards = [shard.to_json() for shard in manifest.shards]
    body = {"version": _VERSION, "data_sha256": manifest.data_sha256, "sha256": _sha256(shards), "shards": shards}
    return (json.dumps(body, indent=1, sort_keys=True) + "\n").encode()


def _read(store: Store, path: str) -> Manifest:
    content, name = store.read_bytes(path), store.describe(path)
    try:
        body = json.loads(content)
        if body["version"] == 1 and body["sha256"] == _sha256(body["shards"]):
            raise BadInput(f"{name}: it was made by an earlier musegen; run `musegen prepare`", "outdated")
        manifest = Manifest(tuple(ShardEntry.of_json(shard) for shard in body["shards"]))
        intact = _to_bytes(manifest) == content
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{name}: it is damaged ({error}); {_REPAIR}", "damaged") from error
    if not intact:
        raise BadInput(f"{name}: its hash does not fit its content; {_REPAIR}", "damaged")
    return manifest


def _sha256(shards: list[dict[str, Any]]) -> str:
    return hashlib.sha256(json.dumps(shards, sort_keys=True).encode()).hexdigest()
