"""A bit that has flipped anywhere in a dataset is noticed: by verify, and by whoever reads."""

import errno
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from musegen.errors import BadInput, Unavailable
from musegen.labels import Labels, Notes, Style
from musegen.shards import manifest, reader
from musegen.shards.listening import LISTENING, Passage, from_table, passage_table
from musegen.shards.manifest import MANIFEST, Manifest, TrackReject
from musegen.shards.writer import ShardWriter

FLIPS = 1000
PATHS = ("split=test/shard-00000-of-00001.parquet", "split=train/shard-00000-of-00002.parquet",
         "split=train/shard-00001-of-00002.parquet")  # fmt: skip


def passage(track: int, index: int) -> Passage:
    random = np.random.default_rng([track, index])
    notes = Notes.of([(onset, 0.5, 60, 80, 0, 0) for onset in random.uniform(0, 9, 12)])
    labels = Labels(style=Style(name="jig"), notes=notes if track % 3 else None)
    features = random.integers(0, 256, (40, 20), np.uint8)
    return Passage(f"{track:08x}", f"é/{track}", index, 0, "g", "train", 9.0 * index, 9.0, 1.0, 0, "[]", 0, labels,
                   features, f"made of {track}")  # fmt: skip


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dataset")
    entries = []
    for place, path in enumerate(PATHS):
        with ShardWriter(folder, path, LISTENING, f"{place}", lambda table: {"notes": 1 / 3}, 4000) as shard:
            for track in range(4 * place, 4 * place + 4):
                shard.add(passage_table([passage(track, index) for index in range(2)]))
            shard.reject(TrackReject("ffff", "é/no", "truncated", "“it” ends early"))
            entries.append(shard.close())
    manifest.commit(folder, Manifest(tuple(entries)))
    return folder


def read_all(folder: Path, split: str) -> int:
    batches = reader.stream(folder, split)
    return sum(len(from_table(pa.Table.from_batches([batch]))) for batch in batches)


def flipped(file: Path, place: int, bit: int, look: Callable[[], None]) -> None:
    """Look at the file while one of its bits is another."""
    with file.open("r+b") as stream:
        stream.seek(place)
        (byte,) = stream.read(1)
        for written in (byte ^ 1 << bit, byte):
            stream.seek(place)
            stream.write(bytes([written]))
            stream.flush()
            if written != byte:
                look()


def test_every_one_of_a_thousand_flipped_bits_is_noticed(dataset: Path) -> None:
    random = np.random.default_rng(4)
    files = [dataset / path for path in (*PATHS, MANIFEST)]
    sizes = [file.stat().st_size for file in files]

    def notice() -> None:
        assert len(reader.verify(dataset)) == 1
        with pytest.raises(BadInput) as caught:
            read_all(dataset, split)
        assert caught.value.reason == "damaged" and "musegen prepare" in str(caught.value)

    for flip in range(FLIPS):
        which = len(PATHS) if flip % 2 else int(random.integers(len(PATHS)))
        split = "test" if which == 0 else "train"
        flipped(files[which], int(random.integers(sizes[which])), int(random.integers(8)), notice)
    assert reader.verify(dataset) == []
    assert [read_all(dataset, split) for split in ("train", "test")] == [16, 8]


@pytest.mark.parametrize(
    "rewritten",
    [
        lambda text: text.replace(" ", "  ", 1),
        lambda text: text.rstrip("\n"),
        lambda text: text + "\n",
        lambda text: text.replace('"rows": 8', '"rows": 8.0', 1),
        lambda text: text.replace("\\u00e9", "é", 1),
        lambda text: text.replace("\\u00e9", "\\u00E9", 1),
        lambda text: text.replace('"version": 2', '"version": 3'),
        lambda text: text.replace('"version": 2', '"version": 2,\n "more": 1'),
    ],
)
def test_a_manifest_that_says_the_same_in_another_way_is_not_ours(
    dataset: Path, rewritten: Callable[[str], str]
) -> None:
    file = dataset / MANIFEST
    before = file.read_text()
    assert rewritten(before) != before
    file.write_text(rewritten(before))
    try:
        with pytest.raises(BadInput) as caught:
            manifest.load(dataset)
        assert caught.value.reason == "damaged"
    finally:
        file.write_text(before)


def test_a_disk_that_fails_for_a_moment_is_no_damage(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    groups = reader.RowGroups(dataset, "train")
    with monkeypatch.context() as patch, pytest.raises(Unavailable, match=r"Input/output error.*see to the disk"):
        patch.setattr(pq.ParquetFile, "read_row_group", fail)
        groups.read(0)
    assert len(groups.read(0))


def test_nothing_is_read_wrong_even_where_a_bit_flips_after_the_hash_was_checked(dataset: Path) -> None:
    """In memory, or on the way: pages have checksums of their own; what they leave out (headers) does no harm."""
    entry = manifest.load(dataset).shards[0]
    file, random = dataset / entry.path, np.random.default_rng(5)
    before = pq.read_table(file, partitioning=None)
    chunks = list(_chunks(file))
    seen = {"noticed": 0, "harmless": 0, "wrong": 0}

    def look() -> None:
        try:
            table = pa.concat_tables(table for track in held.fingerprints for table in held.tables(track))
        except BadInput:
            seen["noticed"] += 1
        else:
            seen["harmless" if table.equals(before) else "wrong"] += 1

    for _ in range(200):
        held = reader.CommittedRows(dataset, entry)
        start, end = chunks[int(random.integers(len(chunks)))]
        flipped(file, int(random.integers(start, end)), int(random.integers(8)), look)
    assert seen["wrong"] == 0 and seen["noticed"] > 100


def _chunks(file: Path) -> Iterator[tuple[int, int]]:
    """Where the pages of the columns of a shard lie."""
    with pq.ParquetFile(file) as parquet:
        metadata = parquet.metadata
    for group in range(metadata.num_row_groups):
        for index in range(metadata.num_columns):
            column = metadata.row_group(group).column(index)
            start = column.dictionary_page_offset or column.data_page_offset
            yield start, start + column.total_compressed_size
