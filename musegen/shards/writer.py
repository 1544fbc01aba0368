"""Writing one shard: the same rows give the same bytes, and a half-written file is never seen."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from musegen.shards.columns import sizes
from musegen.shards.manifest import ShardEntry, TrackReject, note_path, noted, staged_path
from musegen.shards.schema import SCHEMA, Example, to_table
from musegen.shards.store import Place, Store

_ZSTD_LEVEL = 1  # features are nearly noise: 3 takes twice the time for 1.5 % less
_ROW_GROUP_BYTES = 32 << 20
_HELPINGS = 4  # in which a row group is taken in


def shard_path(split: str, index: int, count: int) -> str:
    """The name of a shard inside its dataset."""
    return f"split={split}/shard-{index:05d}-of-{count:05d}.parquet"


def shard_index(track: str, count: int) -> int:
    """Into which of `count` shards the content id of a track falls."""
    return int(track[:8], 16) % count


class ShardWriter:
    """Stages one shard, a row group in memory at a time; `commit` makes it visible.

    `fingerprint` is what its rows are made from, `totals_of` what the manifest counts of some rows. A row group ends
    before the row that would make its values exceed `row_group_bytes`: so the bytes of the file depend on the rows
    alone, not on how they are handed over, nor on whether they were made now or read from another shard. Unless
    `close` is reached, nothing stays. Raises `Unavailable` where the disk or the network refuses.
    """

    def __init__(
        self,
        place: Place,
        path: str,
        schema: pa.Schema,
        fingerprint: str,
        totals_of: Callable[[pa.Table], Mapping[str, float]],
        row_group_bytes: int = _ROW_GROUP_BYTES,
    ) -> None:
        self._store, self._path, self._schema = Store.at(place), path, schema
        self._fingerprint, self._totals_of, self._row_group_bytes = fingerprint, totals_of, row_group_bytes
        self._added: list[pa.RecordBatch] = []
        self._added_bytes = 0
        self._pending: list[pa.RecordBatch] = []
        self._pending_bytes = 0
        self._tracks: set[str] = set()
        self._rows, self._totals = 0, dict[str, float]()
        self._rejects: list[TrackReject] = []

    def __enter__(self) -> Self:
        self._store.delete(note_path(self._path))  # what was staged here before is about to be replaced
        self._writing = self._store.writing(staged_path(self._path))
        self._sink = _Sink(self._writing.__enter__())
        leaves = list(_leaves(self._schema))
        self._parquet = pq.ParquetWriter(
            self._sink,
            self._schema,
            compression="zstd",
            compression_level=_ZSTD_LEVEL,
            use_dictionary=leaves,
            write_statistics=leaves,
            write_page_checksum=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sink.open:
            self._abandon()

    def add(self, table: pa.Table) -> None:
        """Rows, which follow those that are there already; tracks in order of their ids."""
        if not table.schema.equals(self._schema, check_metadata=True):
            columns = [table.column(field.name).cast(field.type) for field in self._schema]
            table = pa.Table.from_arrays(columns, schema=self._schema)
        for batch in table.to_batches():
            self._added.append(_own(batch))
            self._added_bytes += batch.nbytes
        if self._added_bytes >= self._row_group_bytes // _HELPINGS:
            self._take_in()

    def reject(self, reject: TrackReject) -> None:
        """Note a track that gives no rows."""
        self._rejects.append(reject)

    def close(self) -> ShardEntry:
        """Finish the file and stage it."""
        self._take_in()
        self._flush()
        with self._store.doing("written", staged_path(self._path)):
            self._parquet.close()
        self._sink.open = False
        self._writing.__exit__(None, None, None)
        entry = ShardEntry(
            path=self._path,
            split=self._path.partition("/")[0].removeprefix("split="),
            fingerprint=self._fingerprint,
            sha256=self._sink.digest.hexdigest(),
            size_bytes=self._sink.size_bytes,
            tracks=len(self._tracks),
            rows=self._rows,
            totals=dict(sorted(self._totals.items())),
            rejects=tuple(sorted(self._rejects, key=lambda reject: (reject.track, reject.name))),
        )
        try:
            self._store.write_bytes(note_path(self._path), json.dumps(entry.to_json(), sort_keys=True).encode())
        except BaseException:
            with suppress(Exception):
                self._store.delete(staged_path(self._path))
            raise
        return entry

    def _take_in(self) -> None:
        """Take what was added into row groups: much at a time, since tables may be tiny."""
        added, self._added, self._added_bytes = self._added, [], 0
        for batch in pa.Table.from_batches(added, self._schema).combine_chunks().to_batches():
            self._cut(batch)

    def _cut(self, batch: pa.RecordBatch) -> None:
        """Add rows to the row group, and write it whenever it is full."""
        ends = np.cumsum(sizes(batch))
        start = 0
        while start < len(batch):
            before = int(ends[start - 1]) if start else 0
            room = self._row_group_bytes - self._pending_bytes
            end = int(np.searchsorted(ends, before + room, side="right"))
            if end <= start and not self._pending:
                end = start + 1  # a row that is too large for any is a group of its own
            if end > start:
                self._pending.append(batch.slice(start, end - start))
                self._pending_bytes += int(ends[end - 1]) - before
            if end < len(batch):
                self._flush()
            start = max(start, end)

    def _flush(self) -> None:
        """Write what is pending as one row group, from one fresh piece of memory, whatever it was a part of."""
        if not self._pending:
            return
        pending, self._pending, self._pending_bytes = self._pending, [], 0
        table = pa.Table.from_batches(pending if len(pending) > 1 else [_copy(*pending)]).combine_chunks()
        del pending
        self._tracks.update(table.column("track").unique().to_pylist())
        self._rows += len(table)
        for name, value in self._totals_of(table).items():
            self._totals[name] = self._totals.get(name, 0.0) + float(value)
        with self._store.doing("written", staged_path(self._path)):
            self._parquet.write_table(table, row_group_size=len(table))

    def _abandon(self) -> None:
        self._sink.open = False
        with suppress(Exception):
            self._parquet.close()
        abandoned = _Abandoned()
        self._writing.__exit__(_Abandoned, abandoned, None)


def write(place: Place, path: str, examples: Sequence[Example], fingerprint: str) -> ShardEntry:
    """Stage examples of the composing dataset as one shard, ordered by track and variant."""
    rows = sorted(examples, key=lambda example: (example.track, example.variant))
    with ShardWriter(place, path, SCHEMA, fingerprint, composing_totals) as shard:
        shard.add(to_table(rows))
        return shard.close()


def composing_totals(table: pa.Table) -> dict[str, float]:
    """What the manifest of the composing dataset counts."""
    tokens = table.column("tokens").combine_chunks()
    return {"notes": float(sum(table.column("notes").to_pylist())), "tokens": float(len(tokens.flatten()))}


def staged(place: Place, path: str, fingerprint: str) -> ShardEntry | None:
    """The entry of a shard that an interrupted run has staged with this fingerprint, None if there is none."""
    store = Store.at(place)
    entry = noted(store, path)
    if entry is None or entry.fingerprint != fingerprint:
        return None
    try:
        whole = store.sha256(staged_path(path)) == entry.sha256
    except FileNotFoundError:
        return None
    return entry if whole else None


def sha256(file: Path) -> str:
    """Hash of the content of a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class _Abandoned(Exception):
    """Tells the stream of a shard that its end was not reached."""


class _Sink:
    """A stream that knows the hash and size of what went through it; once it is not open, it takes in nothing."""

    closed = False

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.digest, self.size_bytes, self.open = hashlib.sha256(), 0, True

    def write(self, content: bytes) -> int:
        if self.open:
            self._stream.write(content)
            self.digest.update(content)
            self.size_bytes += len(content)
        return len(content)

    def tell(self) -> int:
        return self.size_bytes

    def flush(self) -> None:
        """The stream is flushed when it ends."""

    def close(self) -> None:
        """The stream is closed when it ends."""


def _leaves(schema: pa.Schema) -> list[str]:
    """The columns, as Parquet names them, that gain by a dictionary and statistics: all but binary."""
    return [
        f"{field.name}.list.element" if pa.types.is_list(field.type) else field.name
        for field in schema
        if not pa.types.is_binary(field.type)
    ]


def _own(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The rows without the memory of a much larger table that they are a slice of."""
    return _copy(batch) if batch.get_total_buffer_size() > 2 * batch.nbytes else batch


def _copy(batch: pa.RecordBatch) -> pa.RecordBatch:
    return batch.take(pa.array(np.arange(len(batch))))
