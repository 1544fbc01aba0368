"""A disk that fills up while a dataset is written: one is told, nothing half is seen, and it goes on afterwards."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from musegen.errors import Unavailable
from musegen.labels import Labels
from musegen.shards import manifest, reader, writer
from musegen.shards.listening import LISTENING, Passage, passage_table
from musegen.shards.manifest import MANIFEST, STAGING, Manifest, ShardEntry
from musegen.shards.store import Store
from musegen.shards.writer import ShardWriter

DISK_BYTES = 768 * 1024
PATHS = ("split=test/shard-00000-of-00001.parquet", "split=train/shard-00000-of-00001.parquet")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A real filesystem that is nearly full from the start."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small disk")
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "musegen-test", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a small disk can't be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def stage(folder: Path, path: str, tracks: int, edition: int = 0) -> ShardEntry:
    """About 20 kB a track, which do not compress."""
    random = np.random.default_rng(edition)
    with ShardWriter(folder, path, LISTENING, f"{edition}", lambda table: {}, 30_000) as shard:
        for track in range(tracks):
            noise = random.integers(0, 256, (1000, 20), np.uint8)
            row = Passage(f"{track:08x}", "n", 0, 0, "g", "s", 0.0, 1.0, 1.0, 0, "[]", 0, Labels(), noise, "f")
            shard.add(passage_table([row]))
        return shard.close()


def fill(disk: Path, left_bytes: int) -> Path:
    """Something else that takes the disk, but for so much."""
    free = os.statvfs(disk)
    hoard = disk / "hoard"
    hoard.write_bytes(bytes(max(0, free.f_bavail * free.f_frsize - left_bytes)))
    return hoard


def files(folder: Path) -> set[str]:
    return set(Store.at(folder).list())


def test_a_full_disk_leaves_the_old_dataset_and_the_run_goes_on_when_there_is_space(disk: Path) -> None:
    data = disk / "data"
    old = Manifest(tuple(stage(data, path, 3) for path in PATHS))
    manifest.commit(data, old)
    hoard = fill(disk, 200 * 1024)

    first = stage(data, PATHS[0], 4, edition=1)
    with pytest.raises(Unavailable, match=r"split=train/.*No space left on device.*; free space, then run again"):
        stage(data, PATHS[1], 10, edition=1)
    assert files(data) == {MANIFEST, *PATHS, manifest.staged_path(PATHS[0]), manifest.note_path(PATHS[0])}
    assert manifest.load(data) == old and reader.verify(data) == []

    hoard.unlink()
    assert writer.staged(data, PATHS[0], "1") == first
    new = Manifest((first, stage(data, PATHS[1], 10, edition=1)))
    manifest.commit(data, new)
    assert manifest.load(data) == new and reader.verify(data) == []
    assert files(data) == {MANIFEST, *PATHS}


@pytest.mark.parametrize("left_bytes", range(0, 100_000, 8192))
def test_however_little_is_left_nothing_half_is_seen(disk: Path, left_bytes: int) -> None:
    data = disk / "data"
    old = Manifest((stage(data, PATHS[0], 2),))
    manifest.commit(data, old)
    hoard = fill(disk, left_bytes)
    before = files(data)
    new = None
    try:
        new = Manifest((stage(data, PATHS[0], 3, edition=1),))
        manifest.commit(data, new)
    except Unavailable as error:
        assert "free space, then run again" in str(error)
        if new is None:
            assert files(data) == before
    assert manifest.load(data) in (old, new) and reader.verify(data) == []
    assert not [path for path in files(data) if path.endswith(".tmp")]

    hoard.unlink()
    ready = writer.staged(data, PATHS[0], "1")
    again = Manifest((ready or stage(data, PATHS[0], 3, edition=1),))
    manifest.commit(data, again)
    assert new in (None, again) and manifest.load(data) == again and reader.verify(data) == []
    assert files(data) == {MANIFEST, PATHS[0]} and not (data / STAGING).exists()
