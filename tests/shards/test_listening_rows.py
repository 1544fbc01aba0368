"""Passages go into shards and come out as they were; the bytes depend on the rows alone, the memory on a row group."""

import gc
import os
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen.errors import BadInput
from musegen.labels import KINDS, Beats, Chords, Labels, Notes, Style, Tempo, Tonality
from musegen.settings import Settings
from musegen.shards import manifest, reader
from musegen.shards.columns import rows_of, sizes
from musegen.shards.listening import FEATURES, LISTENING, Passage, from_table, listening_schema, passage_table
from musegen.shards.manifest import Manifest, ShardEntry
from musegen.shards.writer import ShardWriter, _Sink
from musegen.theory import Key

PATH = "split=train/shard-00000-of-00001.parquet"


@pytest.fixture(autouse=True, scope="module")
def without_power_cuts() -> Iterator[None]:
    """Waiting for the disk would be all that these tests do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        yield


class Heard(Settings):
    """Stands for the settings of the features."""

    storage: str = "uint8"


def labels(seed: int) -> Labels:
    """Every kind of label, or some of them."""
    random = np.random.default_rng(seed)
    count = int(random.integers(1, 40))
    onsets = np.sort(random.uniform(-1, 9, count))
    known = {
        "style": Style("human", 1.0, "jig"),
        "notes": Notes.of([(onset, 0.5, 60, 80, 0, 0) for onset in onsets], tuning_cents=-3, confidence=0.25),
        "beats": Beats(seconds=onsets, positions=np.arange(count) % 4, quarters_per_beat=1.5, tempo_known=False),
        "tempo": Tempo(bpm=123.456),
        "tonality": Tonality(key=Key.parse("F# minor"), tuning_cents=7),
        "chords": Chords(starts=np.array([0.0, 2.0]), ends=np.array([2.0, 4.0]), names=("A:min", "C#:maj7/3")),
    }
    return Labels(**{kind: label for kind, label in known.items() if random.random() < 0.7})


def passage(track: int, index: int = 0, variant: int = 0, frames: int = 30, storage: type = np.uint8) -> Passage:
    features = np.random.default_rng([track, index, variant]).integers(0, 99, (frames, 20)).astype(storage)
    return Passage(
        f"{track:08x}", f"jig/{track}", index, variant, "g", "train", 0.1 * index, 0.1, 1.0, -7, '[{"kind": "x"}]', 2,
        labels(100 * track + 10 * index + variant), features, f"made of {track}",
    )  # fmt: skip


def same(one: Passage, other: Passage) -> bool:
    return (
        replace(one, features=other.features).__dict__ == other.__dict__
        and one.features.dtype == other.features.dtype
        and np.array_equal(one.features, other.features)
    )


def totals(table: pa.Table) -> dict[str, float]:
    return {"seconds": float(sum(table.column("seconds").to_pylist()))}


def shard(folder: Path, tables: Iterator[pa.Table] | list[pa.Table], row_group_bytes: int = 1 << 20) -> ShardEntry:
    schema = tables[0].schema if isinstance(tables, list) else LISTENING
    with ShardWriter(folder, PATH, schema, "f", totals, row_group_bytes) as writer:
        for table in tables:
            writer.add(table)
        return writer.close()


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.integers(0, 99), st.integers(0, 3), st.integers(0, 40)), max_size=8),
    st.sampled_from([np.uint8, np.float16]),
)
def test_passages_come_back_from_a_table(drawn: list[tuple[int, int, int]], storage: type) -> None:
    rows = [
        passage(track, variant=variant, frames=max(frames, 1 if storage is np.float16 else 0))
        for track, variant, frames in drawn
    ]
    rows = [replace(row, features=row.features.astype(storage)) for row in rows]
    table = passage_table(rows)
    assert all(map(same, from_table(table), rows)) and len(table) == len(rows)
    pieces = pa.concat_tables([table.slice(0, 3), table.slice(3)])
    assert all(map(same, from_table(pieces), rows))


def test_that_nothing_sounds_is_not_that_nothing_is_known() -> None:
    silent = replace(passage(1), labels=Labels(notes=Notes(), beats=Beats()))
    (row,) = from_table(passage_table([silent]))
    assert same(row, silent) and row.labels.notes == Notes() and row.labels.chords is None


def test_a_table_says_how_its_features_were_made(tmp_path: Path) -> None:
    schema = listening_schema(Heard(storage="float16"))
    rows = [passage(1, storage=np.float16)]
    shard(tmp_path, [passage_table(rows, schema)])
    manifest.commit(tmp_path, Manifest((shard(tmp_path, [passage_table(rows, schema)]),)))
    (batch,) = reader.stream(tmp_path, "train")
    assert Heard.model_validate_json(batch.schema.metadata[FEATURES]) == Heard(storage="float16")
    assert same(from_table(pa.Table.from_batches([batch]))[0], rows[0])


def test_columns_are_primitive_and_grow_from_the_kinds_of_labels() -> None:
    for field in LISTENING:
        innermost = field.type.value_type if pa.types.is_list(field.type) else field.type
        assert pa.types.is_primitive(innermost) or innermost in (pa.string(), pa.binary())
        assert field.nullable == field.name.startswith(tuple(f"{kind}_" for kind in KINDS))
    for kind, label_type in KINDS.items():
        wanted = {f"{kind}_{name}" for name in ("origin", "confidence", *label_type.COLUMNS)}
        assert wanted <= set(LISTENING.names)


def test_features_and_numbers_are_read_without_a_copy() -> None:
    table = passage_table([passage(1, frames=5000), passage(2, frames=5000)])
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    rows = from_table(table)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert pa.total_allocated_bytes() == before and peak < 60_000 < 200_000 == 2 * rows[0].features.nbytes
    assert not rows[0].features.flags.writeable
    (row, _) = rows_of(table.select(["notes_pitch", "features"]))
    assert row["features"].address >= table.column("features").chunk(0).buffers()[2].address


def test_features_that_do_not_fit_their_shape_are_damage() -> None:
    table = passage_table([passage(1)])
    wrong = table.set_column(
        table.schema.get_field_index("frames"), LISTENING.field("frames"), [pa.array([31], "int32")]
    )
    with pytest.raises(BadInput, match="600 bytes are no features of 31 × 20"):
        from_table(wrong)


@settings(max_examples=12)
@given(st.data())
def test_rows_that_are_reused_give_the_same_bytes_as_rows_that_are_made(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Whatever is taken from whichever older shard, and in whatever pieces the rest is handed over."""
    folder = tmp_path_factory.mktemp("reused")
    tracks = data.draw(st.lists(st.integers(0, 50), min_size=1, max_size=6, unique=True).map(sorted))
    frames = data.draw(st.lists(st.integers(0, 120), min_size=len(tracks), max_size=len(tracks)))
    rows = {t: [passage(t, i, v, n) for i in range(2) for v in range(2)] for t, n in zip(tracks, frames, strict=True)}
    older = data.draw(st.sets(st.sampled_from(tracks)))
    group, older_group = data.draw(st.tuples(*2 * [st.one_of(st.just(1), st.integers(1000, 30_000))]))

    committed = shard(folder, [passage_table([row for t in sorted(older) for row in rows[t]])], older_group)
    manifest.commit(folder, Manifest((committed,)))
    from_scratch = shard(folder, [passage_table([row for t in tracks for row in rows[t]])], group)
    with ShardWriter(folder, PATH, LISTENING, "f", totals, group) as writer:
        held = reader.CommittedRows(folder, committed)
        assert held.fingerprints == {f"{t:08x}": f"made of {t}" for t in older}
        for track in tracks:
            pieces = (
                held.tables(f"{track:08x}") if track in older else map(passage_table, zip(rows[track], strict=True))
            )
            for piece in pieces:
                writer.add(piece)
        assert writer.close() == from_scratch


def test_a_row_group_is_as_many_rows_as_fit(tmp_path: Path) -> None:
    rows = [passage(track, frames=frames) for track, frames in enumerate([10, 30, 10, 900, 10, 10, 10, 50, 0, 0])]
    table = passage_table(rows)
    whole = sizes(table.to_batches()[0])
    limit = int(whole[0] + whole[1])
    shard(tmp_path, [table], limit)
    with pq.ParquetFile(tmp_path / manifest.staged_path(PATH)) as file:
        counts = [file.metadata.row_group(index).num_rows for index in range(file.num_row_groups)]
    expected, room = [], 0
    for size in whole:
        if size > room or not expected:
            expected.append(0)
            room = limit
        expected[-1] += 1
        room -= size
    assert counts == expected and len(counts) > 4


def test_the_size_of_a_row_is_that_of_its_values() -> None:
    table = pa.table(
        {
            "text": pa.array(["é", None, "abc"]),
            "number": pa.array([1.0, None, 2.0]),
            "flag": pa.array([True, None, False]),
            "list": pa.array([[1, 2, 3], None, []], pa.list_(pa.int16())),
            "words": pa.array([["ab", "c"], None, ["d"]], pa.list_(pa.string())),
        }
    )
    values = [2 + 8 + 1 + 6 + 3, 8 + 1, 3 + 8 + 1 + 0 + 1]
    assert sizes(table.to_batches()[0]).tolist() == values
    assert sizes(pa.concat_tables([table] * 3).combine_chunks().to_batches()[0]).tolist() == values * 3
    assert sizes(table.slice(1, 2).to_batches()[0]).tolist() == values[1:]


POOLS: list[pa.MemoryPool] = []
"""A pool has to live as long as anything that came from it."""


@contextmanager
def peak_of_arrow() -> Iterator[Callable[[], int]]:
    """How much Arrow has had at once since the block began: what Python asks for, and what Parquet's writer does.

    The latter goes by the pool that can't be replaced, and is looked at whenever it writes.
    """
    gc.collect()
    before = pa.default_memory_pool()
    pool = pa.proxy_memory_pool(before)
    POOLS.append(pool)
    at_first, seen = before.bytes_allocated(), [0]
    write = _Sink.write

    def seen_writing(sink: _Sink, content: bytes) -> int:
        seen.append(before.bytes_allocated() - at_first)
        return write(sink, content)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_Sink, "write", seen_writing)
        pa.set_memory_pool(pool)
        try:
            yield lambda: max(pool.max_memory(), *seen)
        finally:
            pa.set_memory_pool(before)


def test_writing_reusing_and_streaming_hold_a_few_row_groups(tmp_path: Path) -> None:
    group, random = 1 << 20, np.random.default_rng(0)

    def made() -> Iterator[pa.Table]:
        for track in range(100):  # 20 MB
            yield passage_table([replace(passage(track), features=random.integers(0, 256, (10_000, 20), np.uint8))])

    shard(tmp_path, [passage_table([passage(1)])])  # what Arrow imports when it is first used is not meant
    with peak_of_arrow() as peak:
        tracemalloc.start()
        entry = shard(tmp_path, made(), group)
        python_peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert python_peak < 3 * group
        assert peak() < 6 * group < entry.size_bytes / 3
    manifest.commit(tmp_path, Manifest((entry,)))
    with peak_of_arrow() as peak:
        held = reader.CommittedRows(tmp_path, entry)
        again = shard(tmp_path, (table for track in held.fingerprints for table in held.tables(track)), group)
        assert again == entry and peak() < 8 * group
    with peak_of_arrow() as peak:
        assert sum(len(batch) for batch in reader.stream(tmp_path, "train")) == 100
        assert peak() < 4 * group


def test_few_rows_of_many_row_groups_do_not_hold_those(tmp_path: Path) -> None:
    group, random = 1 << 18, np.random.default_rng(0)
    rows = [passage(track) for track in range(120)]
    rows[::2] = [replace(row, features=random.integers(0, 256, (10_000, 20), np.uint8)) for row in rows[::2]]
    entry = shard(tmp_path, list(map(passage_table, zip(rows, strict=True))), group)
    manifest.commit(tmp_path, Manifest((entry,)))
    with peak_of_arrow() as peak:
        held = reader.CommittedRows(tmp_path, entry)
        small = (table for track in range(1, 120, 2) for table in held.tables(f"{track:08x}"))
        assert shard(tmp_path, small).rows == 60
        assert peak() < 12 * group < entry.size_bytes / 3
