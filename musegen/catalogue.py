"""The catalogue of a corpus: one row a track, pinned by content; and the rejects, each with its reason."""

import hashlib
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from musegen.errors import BadInput, Unavailable

CATALOGUE, REJECTS = "catalogue.parquet", "rejects.parquet"


@dataclass(frozen=True)
class CatalogueRow:
    """One track: its content id, its files relative to the corpus and their hashes, and what is known of it.

    `composes` is empty where the track can teach the generator, else the reason why not. `labels_sha256` changes with
    any label; `bpm` counts quarters a minute.
    """

    track: str
    name: str
    group: str
    split: str
    audio: str | None
    notes_file: str | None
    beats_file: str | None
    labels_sha256: str
    style: str | None
    seconds: float
    sample_rate: int | None
    channels: int | None
    notes: int | None
    beats: int | None
    bpm: float | None
    meter: str | None
    composes: str

    def fingerprint(self) -> str:
        """What the rows of this track depend on, its place in the corpus aside."""
        parts = (self.track, self.name, self.group, self.split, self.labels_sha256)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


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
    "notes": pa.int32(), "beats": pa.int32(),
}  # fmt: skip


def write(folder: Path, rows: list[CatalogueRow], rejects: list[Reject]) -> None:
    """Write both tables, each atomically; the same corpus gives the same bytes. Raises `Unavailable` on a full disk."""
    _write(folder / CATALOGUE, CatalogueRow, [asdict(row) for row in rows])
    _write(folder / REJECTS, Reject, [asdict(reject) for reject in rejects])


def read(folder: Path) -> list[CatalogueRow]:
    """The rows of the catalogue; raises `BadInput` where there is none or it is damaged."""
    return _read(folder / CATALOGUE, CatalogueRow)


def read_rejects(folder: Path) -> list[Reject]:
    """The rejects of the last survey; raises `BadInput` like `read`."""
    return _read(folder / REJECTS, Reject)


def _schema(kind: type) -> pa.Schema:
    return pa.schema([pa.field(field.name, _ROW_TYPES.get(field.name, pa.string())) for field in fields(kind)])


def _write(path: Path, kind: type, rows: list[dict[str, Any]]) -> None:
    temporary = path.with_suffix(".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            table = pa.Table.from_pylist(rows, _schema(kind))
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
