"""The catalogue of a corpus: one row a track, pinned by content; and the rejects, each with its reason."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from musegen.errors import BadInput, Unavailable
from musegen.labels import FILE, HUMAN

CATALOGUE, REJECTS = "catalogue.parquet", "rejects.parquet"
_SHARES = "musegen.shares"


@dataclass(frozen=True)
class CatalogueRow:
    """One track: its content id, its files relative to the corpus, and the best that is known of it.

    `grouped_by` names what links it to the others of its group (melody, sound), empty where it is alone.
    `files` is JSON, role → file; `sources` is JSON, label kind or field → who says so (`"human"`, `"model@version"`,
    or what kind of file). `labels_sha256` changes with any label, edits of a person included; `files_sha256` is
    of the contents of `files` (see `joint_sha256`). `composes` is empty where
    the track can teach the generator, else why not; `misfits` is a JSON list of the kinds of labels that do not fit the
    recording. `bpm` counts quarters a minute; `warnings` is a JSON list.
    """

    track: str
    name: str
    layout: str
    group: str
    grouped_by: str
    split: str
    audio: str | None
    files: str
    labels_sha256: str
    files_sha256: str
    seconds: float
    sample_rate: int | None
    channels: int | None
    style: str | None
    style_confidence: float | None
    notes: int | None
    notes_confidence: float | None
    beats: int | None
    beats_confidence: float | None
    chords: int | None
    bpm: float | None
    key: str | None
    meter: str | None
    title: str | None
    artist: str | None
    licence: str | None
    consent: bool | None
    sources: str
    composes: str
    misfits: str
    warnings: str

    def fingerprint(self) -> str:
        """What the rows of this track depend on, its place in the corpus aside."""
        parts = (
            self.track, self.name, self.layout, self.group, self.split, self.labels_sha256, self.style,
            self.style_confidence, self.bpm, self.key, self.meter, self.sources, self.misfits,
        )  # fmt: skip
        return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()

    def source(self, field: str) -> str | None:
        """Who says `field` (`"style"`, `"notes"`, `"bpm"`, …)."""
        found = json.loads(self.sources).get(field)
        return str(found) if found is not None else None

    def warning_list(self) -> tuple[str, ...]:
        """What is odd about the track, in sentences."""
        return tuple(json.loads(self.warnings))

    def origin(self, field: str) -> str | None:
        """The origin of `field` as labels have it: `"human"`, `"file"` or `"model@version"`."""
        source = self.source(field)
        return source if source is None or source == HUMAN or "@" in source else FILE


def joint_sha256(hashes: Mapping[str, str]) -> str:
    """One hash over the content hashes of a track's label files by their roles."""
    lines = [f"{role} {found}\n" for role, found in sorted(hashes.items())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@dataclass(frozen=True)
class Reject:
    """A file that was put aside: at which stage, why in a word, and in a sentence."""

    path: str
    stage: str
    reason: str
    detail: str


_Row = TypeVar("_Row", CatalogueRow, Reject)
_ROW_TYPES = {
    "seconds": pa.float64(), "bpm": pa.float64(), "sample_rate": pa.int32(), "channels": pa.int32(),
    "notes": pa.int32(), "beats": pa.int32(), "chords": pa.int32(), "consent": pa.bool_(),
    "style_confidence": pa.float64(), "notes_confidence": pa.float64(), "beats_confidence": pa.float64(),
}  # fmt: skip


def write(folder: Path, rows: list[CatalogueRow], rejects: list[Reject], shares: str = "") -> None:
    """Write both tables, each atomically; the same corpus gives the same bytes. Raises `Unavailable` on a full disk.

    `shares` says by which shares the splits were drawn (see `read_splits`).
    """
    _write(folder / CATALOGUE, CatalogueRow, [asdict(row) for row in rows], {_SHARES: shares})
    write_rejects(folder, rejects)


def write_rejects(folder: Path, rejects: list[Reject]) -> None:
    """Write the table of rejects alone."""
    _write(folder / REJECTS, Reject, [asdict(reject) for reject in rejects])


def read(folder: Path) -> list[CatalogueRow]:
    """The rows of the catalogue; raises `BadInput` where there is none or it is damaged."""
    return _read(folder / CATALOGUE, CatalogueRow)


def read_splits(folder: Path, shares: str) -> dict[str, str]:
    """Track → split of the last survey, if that drew by the same shares; nothing where there is no catalogue."""
    path = folder / CATALOGUE
    try:
        metadata = pq.read_schema(path).metadata or {}
        if metadata.get(_SHARES.encode(), b"").decode() != shares:
            return {}
        table = pq.read_table(path, columns=["track", "split"], page_checksum_verification=True)
    except (OSError, ValueError, pa.ArrowException):
        return {}
    return dict(zip(table["track"].to_pylist(), table["split"].to_pylist(), strict=True))


def read_rejects(folder: Path) -> list[Reject]:
    """The rejects of the last survey; raises `BadInput` like `read`."""
    return _read(folder / REJECTS, Reject)


def _schema(kind: type, metadata: dict[str, str] | None = None) -> pa.Schema:
    columns = [pa.field(field.name, _ROW_TYPES.get(field.name, pa.string())) for field in fields(kind)]
    return pa.schema(columns, metadata)


def _write(path: Path, kind: type, rows: list[dict[str, Any]], metadata: dict[str, str] | None = None) -> None:
    temporary = path.with_suffix(".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            table = pa.Table.from_pylist(rows, _schema(kind, metadata))
            pq.write_table(table, file, compression="zstd", write_page_checksum=True)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise Unavailable(f"{path}: it can't be written ({error}); free space, then run again") from error


def _read(path: Path, kind: type[_Row]) -> list[_Row]:
    if not path.exists():
        raise BadInput(f"{path}: there is none; run `musegen survey` first", "no catalogue")
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        if not table.schema.equals(_schema(kind)):
            raise ValueError("its columns are others")
        return [kind(**row) for row in table.to_pylist()]
    except (OSError, ValueError, pa.ArrowException) as error:
        raise BadInput(f"{path}: it can't be read ({error}); run `musegen survey` again", "damaged") from error
