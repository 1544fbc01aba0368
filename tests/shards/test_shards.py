"""A dataset is what its manifest says, before and after a kill at any point, or one is told that it is not."""

import hashlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen.errors import BadInput, Unavailable
from musegen.shards import manifest, reader, writer
from musegen.shards.manifest import MANIFEST, STAGING, Manifest, ShardEntry, TrackReject
from musegen.shards.schema import SCHEMA, Example, from_table, to_table
from musegen.shards.store import Store

PATHS = ("split=test/shard-00000-of-00002.parquet", "split=train/shard-00000-of-00002.parquet",
         "split=train/shard-00001-of-00002.parquet", "split=valid/shard-00001-of-00002.parquet")  # fmt: skip


@pytest.fixture(autouse=True)
def without_power_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for the disk would be all that these tests do."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def example(track: str, variant: int = 0, tokens: int = 40) -> Example:
    random = np.random.default_rng(int(track, 16) + variant)
    ids = random.integers(0, 300, tokens).astype(np.uint16)
    said = ("file", 1.0)
    return Example(track, f"jig/{track}", variant, track, "train", "jig", *said, *said, *said, *said, *said, 120.0,
                   "D", "6/8", 8, 20, variant, 1.0, "f" * 64, ids)  # fmt: skip


def stage(folder: Path, paths: tuple[str, ...] = PATHS, edition: str = "one") -> Manifest:
    """A dataset that waits for its commit; another edition has other rows in every shard."""
    rows = [example(f"{len(edition)}{index}", variant) for index in range(3) for variant in range(2)]
    return Manifest(tuple(writer.write(folder, path, rows, f"{edition} {path}") for path in paths))


def committed(folder: Path, edition: str = "one", paths: tuple[str, ...] = PATHS) -> Manifest:
    made = stage(folder, paths, edition)
    manifest.commit(folder, made)
    return made


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def equal(one: Example, other: Example) -> bool:
    first, second = asdict(one), asdict(other)
    return np.array_equal(first.pop("tokens"), second.pop("tokens")) and first == second


@contextmanager
def full_disk(free_bytes: int) -> Iterator[None]:
    """No file may grow beyond so many bytes: what a full disk does to a writer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class Killed(BaseException):
    """No `except` of the code under test sees this, as none sees a SIGKILL."""


@contextmanager
def killed_before(step: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Die at the `step`th operation that changes the disk for good."""
    left = step

    def counting(operation):
        def run(*arguments, **named):
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed
            return operation(*arguments, **named)

        return run

    with monkeypatch.context() as patch:
        for owner, name in ((Path, "replace"), (Path, "unlink"), (os, "fsync"), (shutil, "rmtree")):
            patch.setattr(owner, name, counting(getattr(owner, name)))
        yield


@settings(max_examples=20)
@given(st.permutations([(track, variant) for track in ("a", "b", "c") for variant in range(3)]))
def test_the_same_examples_give_the_same_bytes_in_any_order(
    tmp_path_factory: pytest.TempPathFactory, order: list[tuple[str, int]]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "orders"
    sorted_entry = writer.write(folder, PATHS[0], [example(*each) for each in sorted(order)], "f")
    assert writer.write(folder, PATHS[0], [example(*each) for each in order], "f") == sorted_entry


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 50)), max_size=6, unique_by=lambda item: item[0]))
def test_rows_come_back_from_a_table(rows: list[tuple[int, int]]) -> None:
    examples = [replace(example(f"{track}", tokens=count), bpm=None, key=None) for track, count in rows]
    assert all(map(equal, from_table(to_table(examples)), examples))


def test_a_committed_dataset_is_read_and_verified(tmp_path: Path) -> None:
    made = committed(tmp_path)
    assert manifest.load(tmp_path) == made
    assert reader.verify(tmp_path) == []
    assert not (tmp_path / STAGING).exists()
    train = reader.read(tmp_path, "train")
    assert [(row.track, row.variant) for row in train] == [(f"3{i}", v) for i in range(3) for v in range(2)] * 2
    assert all(map(equal, train[:6], [example(f"3{i}", v) for i in range(3) for v in range(2)]))
    assert sum(shard.rows for shard in made.of("train")) == 12
    (test,) = made.of("test")
    assert (test.tracks, test.totals) == (3, {"notes": 120.0, "tokens": 240.0})
    assert made.totals == {"notes": 480.0, "tokens": 960.0}


def test_without_a_dataset_one_is_told_to_prepare(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="musegen prepare"):
        manifest.load(tmp_path)
    assert "musegen prepare" in reader.verify(tmp_path)[0]


def test_what_is_staged_is_not_seen_before_the_commit(tmp_path: Path) -> None:
    old = committed(tmp_path)
    stage(tmp_path, edition="another")
    assert manifest.load(tmp_path) == old and reader.verify(tmp_path) == []


def test_a_kill_at_any_point_leaves_the_old_dataset_or_the_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = []
    old = committed(tmp_path / "old")
    for step in range(100):
        folder = shutil.copytree(tmp_path / "old", tmp_path / str(step))
        with killed_before(step, monkeypatch):
            try:
                new = committed(folder, "another", PATHS[1:])
            except Killed:
                new = None
        found = manifest.load(folder)
        assert reader.verify(folder) == []
        assert found == old or {shard.path for shard in found.shards} == set(PATHS[1:])
        outcomes.append(found == old)
        if new is not None:
            break
        assert committed(folder, "another", PATHS[1:]) == manifest.load(folder)
        assert reader.verify(folder) == []
    assert 15 < len(outcomes) < 100
    assert outcomes == sorted(outcomes, reverse=True)


def test_a_repair_that_is_killed_is_repaired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = tmp_path / "ready"
    committed(ready)
    new = stage(ready, PATHS[1:], "another")
    for first in range(4, 14):
        for second in range(0, 9, 2):
            folder = shutil.copytree(ready, tmp_path / f"{first} {second}")
            with killed_before(first, monkeypatch), pytest.raises(Killed):
                manifest.commit(folder, new)
            with killed_before(second, monkeypatch), suppress(Killed):
                manifest.load(folder)
            assert manifest.load(folder) == new and reader.verify(folder) == []


def test_a_real_kill_between_two_renames_is_finished_by_the_next_reader(tmp_path: Path) -> None:
    committed(tmp_path)
    new = stage(tmp_path, edition="another")
    script = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom musegen.shards import manifest, reader, writer\n"
        "folder = Path(sys.argv[1])\nreplace = Path.replace\n"
        "def deadly(path, target):\n"
        "    if 'valid' in str(target): os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return replace(path, target)\n"
        "Path.replace = deadly\n"
        "import json\nshards = tuple(map(manifest.ShardEntry.of_json, json.loads(sys.argv[2])))\n"
        "manifest.commit(folder, manifest.Manifest(shards))\n"
    )
    shards = json.dumps([shard.to_json() for shard in new.shards])
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path), shards], cwd=Path(__file__).parents[2])
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "manifest.next.json").exists()
    assert manifest.load(tmp_path) == new and reader.verify(tmp_path) == []


def test_every_flipped_bit_of_a_shard_is_noticed(tmp_path: Path) -> None:
    made = committed(tmp_path)
    shard = made.shards[1]
    whole = (tmp_path / shard.path).read_bytes()
    for place in range(0, len(whole), max(1, len(whole) // 150)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        (tmp_path / shard.path).write_bytes(bytes(damaged))
        assert [shard.path in problem for problem in reader.verify(tmp_path)] == [True]
        with pytest.raises(BadInput, match="dvc checkout"):
            reader.read(tmp_path, "train")


def test_every_flipped_bit_of_the_manifest_is_noticed(tmp_path: Path) -> None:
    committed(tmp_path)
    whole = (tmp_path / MANIFEST).read_bytes()
    for place in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        (tmp_path / MANIFEST).write_bytes(bytes(damaged))
        assert len(reader.verify(tmp_path)) == 1
        with pytest.raises(BadInput) as caught:
            manifest.load(tmp_path)
        assert caught.value.reason == "damaged"


@pytest.mark.parametrize("content", ["", "[]", "7", "null", '{"shards": 3}', '{"shards": [3], "version": 1}', "{}"])
def test_a_manifest_that_is_something_else_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / MANIFEST).write_text(content)
    with pytest.raises(BadInput, match="damaged"):
        manifest.load(tmp_path)


def test_missing_shortened_and_strange_files_are_told_apart(tmp_path: Path) -> None:
    made = committed(tmp_path)
    (tmp_path / made.shards[0].path).unlink()
    (tmp_path / made.shards[1].path).write_bytes(b"short")
    (tmp_path / "split=train" / "stranger.parquet").touch()
    missing, short, strange = reader.verify(tmp_path)
    assert "it is missing" in missing and "it has 5 bytes" in short and "not in the manifest" in strange


@pytest.mark.parametrize("free_bytes", [0, 100, 1000])
def test_a_full_disk_is_unavailable_and_leaves_nothing(tmp_path: Path, free_bytes: int) -> None:
    old = committed(tmp_path)
    before = contents(tmp_path)
    with full_disk(free_bytes), pytest.raises(Unavailable, match="free space"):
        stage(tmp_path, edition="another")
    assert contents(tmp_path) == before and manifest.load(tmp_path) == old


def test_a_disk_that_fills_up_at_the_commit_leaves_the_old_dataset(tmp_path: Path) -> None:
    old = committed(tmp_path)
    new = stage(tmp_path, edition="another")
    with full_disk(100), pytest.raises(Unavailable, match="free space"):
        manifest.commit(tmp_path, new)
    assert manifest.load(tmp_path) == old and reader.verify(tmp_path) == []
    manifest.commit(tmp_path, new)
    assert manifest.load(tmp_path) == new and reader.verify(tmp_path) == []


def test_a_shard_that_the_manifest_no_longer_names_is_removed(tmp_path: Path) -> None:
    made = committed(tmp_path)
    manifest.commit(tmp_path, Manifest(made.shards[1:]))
    assert not (tmp_path / PATHS[0]).exists()
    assert reader.verify(tmp_path) == []


def other_run_discards(folder: Path, new: Manifest) -> None:
    manifest.discard_staged(folder)


def other_run_stages(folder: Path, new: Manifest) -> None:
    writer.write(folder, new.shards[0].path, [example("a")], "of a zombie")


def shard_is_cut(folder: Path, new: Manifest) -> None:
    (folder / STAGING / new.shards[-1].path).write_bytes(b"cut")


def shard_is_lost(folder: Path, new: Manifest) -> None:
    (folder / new.shards[1].path).unlink()
    (folder / STAGING / new.shards[1].path).unlink()


@pytest.mark.parametrize("mishap", [other_run_discards, other_run_stages, shard_is_cut, shard_is_lost])
def test_a_commit_of_shards_that_are_not_there_changes_nothing(
    tmp_path: Path, mishap: Callable[[Path, Manifest], None]
) -> None:
    old = committed(tmp_path)
    new = stage(tmp_path, edition="another")
    mishap(tmp_path, new)
    before = contents(tmp_path)
    with pytest.raises(Unavailable, match=r"split=\S+: it is not there any more; another run .*; run again"):
        manifest.commit(tmp_path, new)
    assert contents(tmp_path) == before
    assert manifest.load(tmp_path) == old


def test_an_intent_whose_shards_were_discarded_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(store: Store) -> None:
        raise Killed

    old = committed(tmp_path)
    new = stage(tmp_path, edition="another and larger one")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(manifest, "_finish_commit", die)
        manifest.commit(tmp_path, new)
    manifest.discard_staged(tmp_path)
    with pytest.raises(Unavailable, match="another run has touched this dataset; run again"):
        manifest.load(tmp_path)
    assert manifest.load(tmp_path) == old and reader.verify(tmp_path) == []


def test_what_is_not_ours_stays_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    committed(tmp_path)
    committed(tmp_path, "another")
    assert reader.verify(tmp_path) == ["notes.txt: it is not in the manifest"]


def test_a_commit_meanwhile_is_told_from_damage(tmp_path: Path) -> None:
    old = committed(tmp_path)
    batches = reader.stream(tmp_path, "train")
    first = next(batches)
    held = reader.CommittedRows(tmp_path, old.shards[0])
    committed(tmp_path, "another", PATHS[1:])
    for read in (
        lambda: list(batches),
        lambda: reader.read_shard(tmp_path, old.shards[1]),
        lambda: reader.CommittedRows(tmp_path, old.shards[0]),
    ):
        with pytest.raises(BadInput, match="another run has committed meanwhile; begin again") as caught:
            read()
        assert caught.value.reason == "changed"
    assert first.column("track")[0].as_py() == "30"
    assert [len(table) for track in held.fingerprints for table in held.tables(track)] == [2, 2, 2]  # as it was


def test_what_is_hashed_is_what_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = committed(tmp_path)
    hashed = Store.sha256_of

    def commit_after(store: Store, stream: object, path: str) -> str:
        found = hashed(store, stream, path)
        if manifest.load(store) == old:
            with monkeypatch.context() as patch:
                patch.setattr(Store, "sha256_of", hashed)
                committed(tmp_path, "another")
        return found

    monkeypatch.setattr(Store, "sha256_of", commit_after)
    assert [row.track for row in reader.read_shard(tmp_path, old.shards[0])] == ["30", "30", "31", "31", "32", "32"]


def test_a_shard_that_is_kept_is_not_replaced_by_a_stale_one_that_waits(tmp_path: Path) -> None:
    old = committed(tmp_path)
    stage(tmp_path, edition="a run with other settings, that was killed")
    manifest.commit(tmp_path, old)
    assert manifest.load(tmp_path) == old and reader.verify(tmp_path) == []


def test_a_manifest_of_an_earlier_musegen_is_outdated_not_damaged(tmp_path: Path) -> None:
    shards = [{"path": PATHS[0], "notes": 3}]
    sha256 = hashlib.sha256(json.dumps(shards, sort_keys=True).encode()).hexdigest()
    (tmp_path / MANIFEST).write_text(json.dumps({"version": 1, "sha256": sha256, "shards": shards}))
    with pytest.raises(BadInput, match="earlier musegen; run `musegen prepare`") as caught:
        manifest.load(tmp_path)
    assert caught.value.reason == "outdated"
    made = committed(tmp_path)
    assert manifest.load(tmp_path) == made


def test_rejects_are_kept_with_their_shard(tmp_path: Path) -> None:
    late, early = (TrackReject(track, f"jig/{track}", "truncated", "“é” ends early", f"of {track}") for track in "ba")
    with writer.ShardWriter(tmp_path, PATHS[0], SCHEMA, "f", writer.composing_totals) as shard:
        shard.reject(late)
        shard.reject(early)
        entry = shard.close()
    assert (entry.rows, entry.tracks, entry.rejects) == (0, 0, (early, late))
    assert writer.staged(tmp_path, PATHS[0], "f") == entry
    manifest.commit(tmp_path, Manifest((entry,)))
    assert manifest.load(tmp_path).rejects == (early, late)
    assert reader.read(tmp_path, "test") == [] == list(reader.stream(tmp_path, "test"))


def test_a_shard_that_is_not_closed_leaves_nothing(tmp_path: Path) -> None:
    for mishap in (None, KeyError("of the recipe"), OSError("of the recipe"), KeyboardInterrupt()):
        with (
            suppress(KeyError, OSError, KeyboardInterrupt),
            writer.ShardWriter(tmp_path, PATHS[0], SCHEMA, "f", writer.composing_totals, 100) as shard,
        ):
            shard.add(to_table([example("a"), example("b")]))
            if mishap:
                raise mishap
        assert contents(tmp_path) == {}


def test_what_goes_wrong_in_the_making_is_not_said_of_the_shard(tmp_path: Path) -> None:
    with (
        pytest.raises(PermissionError, match="the recording"),
        writer.ShardWriter(tmp_path, PATHS[0], SCHEMA, "f", writer.composing_totals),
    ):
        raise PermissionError("the recording")


def test_a_staged_shard_is_taken_up_again_only_if_it_is_whole_and_the_same(tmp_path: Path) -> None:
    entry = writer.write(tmp_path, PATHS[0], [example("a")], "mine")
    assert writer.staged(tmp_path, PATHS[0], "mine") == entry
    assert writer.staged(tmp_path, PATHS[0], "another") is None
    assert writer.staged(tmp_path, PATHS[1], "mine") is None
    file = tmp_path / STAGING / PATHS[0]
    whole = file.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], whole[:60] + bytes([whole[60] ^ 1]) + whole[61:]):
        file.write_bytes(damaged)
        assert writer.staged(tmp_path, PATHS[0], "mine") is None


def test_the_hash_of_the_data_does_not_depend_on_how_it_was_made() -> None:
    def of(fingerprint: str, sha256: str) -> str:
        return Manifest((ShardEntry(PATHS[0], "test", fingerprint, sha256, 1, 1, 1, {}),)).data_sha256

    assert of("f", "0" * 64) == of("g", "0" * 64) != of("f", "1" * 64)
