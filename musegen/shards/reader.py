"""Reading a committed dataset, and checking that it is what its manifest says."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby

import pyarrow as pa
import pyarrow.parquet as pq

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

    `fingerprints`: track → what its rows were made from. Raises `BadInput` where the shard is missing or damaged.
    """

    def __init__(self, place: Place, entry: ShardEntry) -> None:
        self._store, self._entry = Store.at(place), entry
        self._spans: dict[str, list[tuple[int, int, int]]] = {}
        self._held: tuple[int, pa.Table] | None = None
        fingerprints: dict[str, str] = {}
        with _opened(self._store, entry) as parquet:
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
            with _reading(self._store, self._entry) as parquet:
                self._held = index, parquet.read_row_group(index, use_threads=False)
        return self._held[1]


def verify(place: Place) -> list[str]:
    """Every way in which the dataset is not what its manifest says; empty when all is well."""
    store = Store.at(place)
    try:
        manifest = load(store)
    except BadInput as error:
        return [str(error)]
    problems = [f"{shard.path}: {words}" for shard in manifest.shards if (words := _problem(store, shard))]
    return problems + [f"{path}: it is not in the manifest" for path in strangers(store, manifest)]


@contextmanager
def _opened(store: Store, shard: ShardEntry) -> Iterator[pq.ParquetFile]:
    """A shard whose hash was checked."""
    problem = _problem(store, shard)
    if problem:
        raise BadInput(f"{store.describe(shard.path)}: {problem}; {_REPAIR}", "damaged")
    with _reading(store, shard) as parquet:
        yield parquet


@contextmanager
def _reading(store: Store, shard: ShardEntry) -> Iterator[pq.ParquetFile]:
    """A shard whose pages are checked as they are read."""
    try:
        with (
            store.open_input(shard.path) as file,
            pq.ParquetFile(file, page_checksum_verification=True, pre_buffer=not store.is_local) as parquet,
        ):
            yield parquet
    except (OSError, pa.ArrowException) as error:
        name = store.describe(shard.path)
        if isinstance(error, OSError) and not store.is_local:  # its hash was right a moment ago: it is the network
            raise Unavailable(f"{name}: it can't be read ({error}); see to the connection, then run again") from error
        raise BadInput(f"{name}: it can't be read ({error}); {_REPAIR}", "damaged") from error


def _problem(store: Store, shard: ShardEntry) -> str:
    try:
        size_bytes = store.size(shard.path)
    except FileNotFoundError:
        return "it is missing"
    if size_bytes != shard.size_bytes:
        return f"it has {size_bytes} bytes, not {shard.size_bytes}"
    return "" if store.sha256(shard.path) == shard.sha256 else "its content is not what was committed"
