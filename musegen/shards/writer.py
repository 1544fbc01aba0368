"""Writing one shard: the same examples give the same bytes, and a half-written file is never seen."""

import hashlib
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from musegen.errors import Unavailable
from musegen.shards.manifest import STAGING, ShardEntry, sync_folder
from musegen.shards.schema import Example, to_table


def shard_path(split: str, index: int, count: int) -> str:
    """The name of a shard inside its dataset."""
    return f"split={split}/shard-{index:05d}-of-{count:05d}.parquet"


def write(folder: Path, path: str, examples: Sequence[Example], fingerprint: str) -> ShardEntry:
    """Stage `examples` as shard `path` of the dataset in `folder`; `commit` makes it visible.

    Rows are ordered by track and variant; `fingerprint` is what they were made from. Raises `Unavailable` where the
    disk refuses.
    """
    table = to_table(sorted(examples, key=lambda example: (example.track, example.variant)))
    file = folder / STAGING / path
    temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as stream:
            pq.write_table(table, stream, compression="zstd", write_page_checksum=True)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(file)
        entry = _entry(file, path, table, fingerprint)
        temporary.write_text(json.dumps(asdict(entry)), encoding="utf-8")
        temporary.replace(file.with_suffix(".json"))
        sync_folder(file.parent)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink()
        raise Unavailable(f"{file}: the shard can't be written ({error}); free space, then run again") from error
    return entry


def staged(folder: Path, path: str, fingerprint: str) -> ShardEntry | None:
    """The entry of a shard that an interrupted run has staged with this fingerprint, None if there is none."""
    file = folder / STAGING / path
    try:
        entry = ShardEntry(**json.loads(file.with_suffix(".json").read_text(encoding="utf-8")))
        whole = entry.sha256 == sha256(file)
    except (OSError, ValueError, TypeError):
        return None
    return entry if whole and entry.fingerprint == fingerprint else None


def _entry(file: Path, path: str, table: pa.Table, fingerprint: str) -> ShardEntry:
    return ShardEntry(
        path=path,
        split=path.partition("/")[0].removeprefix("split="),
        fingerprint=fingerprint,
        sha256=sha256(file),
        size_bytes=file.stat().st_size,
        tracks=len(table.column("track").unique()),
        rows=table.num_rows,
        notes=sum(table.column("notes").to_pylist()),
        tokens=len(table.column("tokens").combine_chunks().values),
    )


def sha256(file: Path) -> str:
    """Hash of the content of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
