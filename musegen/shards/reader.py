"""Reading a committed dataset, and checking that it is what its manifest says."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import groupby

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from musegen.errors import BadInput, Unavailable
from musegen.shards.manifest import ShardEntry, load, strangers
from musegen.shards.schema import Example, from_table
from musegen.shards.store import Place, Store

SPLITS = ("train", "valid", "test")
_REPAIR = "run `dvc checkout` or `musegen prepare`"


def read(place: Place, split: str) -> list[Example]:
    """All examples of a split of the composing dataset, in order; every shard's hash is checked first."""
    return [example for shard in load(place).of(split) for example in read_shard(place, shard)]


def read_shard(place: Place, shard: ShardEntry) -> list[Example]:
    """The examples of one shard; raises `BadInput` where it is missing or not what was committed."""
    with _opened(Store.at(place), shard) as parquet:
        return from_table(parquet.read())


def stream(place: Place, split: str, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The rows of a split in order, a row group in memory at a time; every shard's hash is checked when it begins."""
    store = Store.at(place)
    for shard in load(store).of(split):
        with _opened(store, shard) as parquet:
            for index in range(parquet.num_row_groups):
                yield from parquet.read_row_group(index, columns=columns).to_batches()


class CommittedRows:
    """The rows of a committed shard by track, a row group in memory at a time; its hash is checked first.

    `fingerprints`: track → what its rows were made from. Raises `BadInput` where the shard is missing or damaged,
    `Unavailable` where disk or network fail. The file stays open: a commit that falls between may put another in its
    place, if it is local; in a bucket, what is read then is refused.
    """

    def __init__(self, place: Place, entry: ShardEntry) -> None:
        self._store, self._entry = Store.at(place), entry
        self._spans: dict[str, list[tuple[int, int, int]]] = {}
        self._held: tuple[int, pa.Table] | None = None
        fingerprints: dict[str, str] = {}
        self._file = _open(self._store, entry)
        with _reading(self._store, entry, self._file) as parquet:
            for group in range(parquet.num_row_groups):
                table = parquet.read_row_group(group, columns=["track", "fingerprint"])
                tracks = table.column("track").to_pylist()
                fingerprints.update(zip(tracks, table.column("fingerprint").to_pylist(), strict=True))
                start = 0
                for track, rows in groupby(tracks):
                    count = len(list(rows))
                    self._spans.setdefault(track, []).append((group, start, count))
                    start += count
        self.fingerprints: Mapping[str, str] = fingerprints

    def tables(self, track: str) -> Iterator[pa.Table]:
        """The rows of a track, in order; ask for tracks in ascending order, so that no row group is read twice."""
        for group, start, count in self._spans[track]:
            yield self._group(group).slice(start, count)

    def _group(self, index: int) -> pa.Table:
        if self._held is None or self._held[0] != index:
            self._held = None
            with _reading(self._store, self._entry, self._file) as parquet:
                self._held = index, parquet.read_row_group(index, use_threads=False)
        return self._held[1]


class RowGroups:
    """The row groups of a split, in the order of its shards, each read when it is asked for.

    Every shard's hash is checked first. Raises `BadInput` where one is missing or damaged, `Unavailable` where disk or
    network fail. The files stay open: a commit that falls between may put others in their places, if they are local; in
    a bucket, what is read then is refused by the checksums of its pages.
    """

    def __init__(self, place: Place, split: str) -> None:
        self._store = Store.at(place)
        self._places: list[tuple[ShardEntry, pa.NativeFile, int]] = []
        for entry in load(self._store).of(split):
            file = _open(self._store, entry)
            with _reading(self._store, entry, file) as parquet:
                self._places += [(entry, file, index) for index in range(parquet.num_row_groups)]

    def __len__(self) -> int:
        return len(self._places)

    def read(self, group: int, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows of one group, held against the checksums of their pages."""
        entry, file, index = self._places[group]
        with _reading(self._store, entry, file) as parquet:
            return parquet.read_row_group(index, columns=columns, use_threads=False)

    def list_lengths(self, column: str) -> list[NDArray[np.int64]]:
        """How long the lists of a column are (rows,), by group; one group is in memory at a time."""
        tables = (self.read(group, [column]) for group in range(len(self)))
        return [pc.list_value_length(table.column(0)).to_numpy().astype(np.int64) for table in tables]


def verify(place: Place) -> list[str]:
    """Every way in which the dataset is not what its manifest says; empty when all is well."""
    store = Store.at(place)
    try:
        manifest = load(store)
    except BadInput as error:
        return [str(error)]
    problems = [f"{shard.path}: {words}" for shard in manifest.shards if (words := _problem(store, shard))]
    return problems + [f"{path}: it is not in the manifest" for path in strangers(store, manifest)]


def damaged(place: Place) -> list[str]:
    """The committed shards that are missing or have another hash than the manifest says, by their paths; all are read.

    Raises `BadInput` where there is no manifest, or a damaged one.
    """
    store = Store.at(place)
    return [shard.path for shard in load(store).shards if _problem(store, shard)]


@contextmanager
def _opened(store: Store, shard: ShardEntry) -> Iterator[pq.ParquetFile]:
    """A shard whose hash was checked."""
    with _open(store, shard) as file, _reading(store, shard, file) as parquet:
        yield parquet


def _open(store: Store, shard: ShardEntry) -> pa.NativeFile:
    """The file of a shard, its hash checked by the same handle that it is then read by."""
    try:
        file = store.open_input(shard.path)
    except FileNotFoundError:
        raise _wrong(store, shard, "it is missing") from None
    problem = _unlike(store, shard, file)
    if problem:
        file.close()
        raise _wrong(store, shard, problem)
    return file


@contextmanager
def _reading(store: Store, shard: ShardEntry, file: pa.NativeFile) -> Iterator[pq.ParquetFile]:
    """A shard whose pages are checked as they are read; its file stays open."""
    try:
        with pq.ParquetFile(file, page_checksum_verification=True, pre_buffer=not store.is_local) as parquet:
            yield parquet
    except (OSError, pa.ArrowException) as error:
        name = store.describe(shard.path)
        # Its hash was right a moment ago: it is the network, or a disk that says so; Arrow's own words have no number.
        if isinstance(error, OSError) and (error.errno or not store.is_local):
            what = "disk" if store.is_local else "connection"
            raise Unavailable(f"{name}: it can't be read ({error}); see to the {what}, then run again") from error
        raise _wrong(store, shard, f"it can't be read ({error})") from error


def _wrong(store: Store, shard: ShardEntry, problem: str) -> BadInput:
    """What to say of a shard that is not as it was committed: whether another commit has replaced it meanwhile."""
    name = store.describe(shard.path)
    with suppress(BadInput):
        if (shard.path, shard.sha256) not in {(each.path, each.sha256) for each in load(store).shards}:
            return BadInput(f"{name}: another run has committed meanwhile; begin again", "changed")
    return BadInput(f"{name}: {problem}; {_REPAIR}", "damaged")


def _problem(store: Store, shard: ShardEntry) -> str:
    try:
        with store.open_input(shard.path) as file:
            return _unlike(store, shard, file)
    except FileNotFoundError:
        return "it is missing"


def _unlike(store: Store, shard: ShardEntry, file: pa.NativeFile) -> str:
    """How the open file differs from what was committed; empty where it does not, and it is at its beginning again."""
    size_bytes = file.size()
    if size_bytes != shard.size_bytes:
        return f"it has {size_bytes} bytes, not {shard.size_bytes}"
    is_same = store.sha256_of(file, shard.path) == shard.sha256
    file.seek(0)
    return "" if is_same else "its content is not what was committed"
