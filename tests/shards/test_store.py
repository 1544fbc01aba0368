"""A dataset lies in a folder or in a bucket, and both are written so that nothing is seen half."""

import hashlib
import os
import pickle
from pathlib import Path

import numpy as np
import pyarrow.fs as pafs
import pytest

from musegen.errors import BadInput, BadParams, Unavailable
from musegen.shards import manifest, reader, writer
from musegen.shards.manifest import MANIFEST, STAGING, Manifest
from musegen.shards.schema import Example
from musegen.shards.store import FolderStore, RemoteStore, Store

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing", "AWS_REGION": "us-east-1"}
PATHS = ("split=test/shard-00000-of-00001.parquet", "split=train/shard-00000-of-00001.parquet")


@pytest.fixture(params=["folder", "any filesystem", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return Store.at(tmp_path / "data")
    if request.param == "any filesystem":
        return RemoteStore(pafs.SubTreeFileSystem(str(tmp_path), pafs.LocalFileSystem()), "data", "sub://data")
    if request.param == "memory":
        return RemoteStore(pafs._MockFileSystem(), "data", "memory://data")
    return Store.at(f"{request.getfixturevalue('bucket')}/{tmp_path.name}/data")


def example(track: str, variant: int = 0) -> Example:
    ids = np.random.default_rng(int(track, 16) + variant).integers(0, 300, 40).astype(np.uint16)
    said = ("file", 1.0)
    return Example(track, f"jig/{track}", variant, track, "train", "jig", *said, *said, *said, *said, *said, 120.0,
                   "D", "6/8", 8, 20, variant, 1.0, "f" * 64, ids)  # fmt: skip


def stage(store: Store, first: int = 0, paths: tuple[str, ...] = PATHS) -> Manifest:
    rows = [example(f"{track:x}", variant) for track in range(first, first + 3) for variant in range(2)]
    return Manifest(tuple(writer.write(store, path, rows, f"{first} {path}") for path in paths))


def committed(store: Store, first: int = 0) -> Manifest:
    made = stage(store, first)
    manifest.commit(store, made)
    return made


def test_what_is_written_is_there_and_can_be_replaced(store: Store) -> None:
    assert store.list() == () and not store.exists("a/b.txt")
    for content in (b"first", b"", b"the second"):
        store.write_bytes("a/b.txt", content)
        assert store.read_bytes("a/b.txt") == content
        assert store.size("a/b.txt") == len(content)
        assert store.sha256("a/b.txt") == hashlib.sha256(content).hexdigest()
    assert store.exists("a/b.txt") and not store.exists("a")
    assert "a/b.txt" in store.describe("a/b.txt")


def test_the_hash_of_a_file_of_many_blocks_is_that_of_its_content(store: Store) -> None:
    content = np.random.default_rng(0).bytes(2 * store.block_bytes + 1)
    with store.writing("large") as stream:
        for start in range(0, len(content), 1 << 20):
            stream.write(content[start : start + (1 << 20)])
    assert store.sha256("large") == hashlib.sha256(content).hexdigest()
    with store.open_input("large") as file:
        file.seek(len(content) - 3)
        assert file.read(10) == content[-3:]


def test_files_are_listed_by_their_full_names_in_order(store: Store) -> None:
    for path in ("split=a/2", "split=a/1", "split=b/below/3", "top"):
        store.write_bytes(path, b"")
    assert store.list() == ("split=a/1", "split=a/2", "split=b/below/3", "top")
    assert store.list("split=b") == ("split=b/below/3",)
    assert store.list("split") == store.list("nowhere") == ()


@pytest.mark.parametrize("mishap", [KeyError("of the writer"), OSError("of the writer"), KeyboardInterrupt()])
def test_a_writing_that_fails_leaves_nothing_and_hides_nothing(store: Store, mishap: BaseException) -> None:
    with pytest.raises(type(mishap)), store.writing("a/b") as stream:
        stream.write(b"half of it")
        raise mishap
    assert store.list() == ()


def test_a_leftover_that_can_not_be_removed_hides_no_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise OSError("no")

    monkeypatch.setattr(os, "fsync", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(Unavailable, match="free space, then run again"):
        Store.at(tmp_path).write_bytes("a", b"content")


def test_sizes_of_files_are_told_with_their_names(store: Store) -> None:
    for path, content in (("split=a/1", b"one"), ("split=a.b", b""), ("top", b"content")):
        store.write_bytes(path, content)
    assert store.sizes() == {"split=a.b": 0, "split=a/1": 3, "top": 7} and list(store.sizes()) == list(store.list())
    assert store.sizes("split=a") == {"split=a/1": 3} and store.sizes("nowhere") == {}


def test_moving_replaces_and_may_be_done_again(store: Store) -> None:
    store.write_bytes("staged/a", b"new")
    store.write_bytes("kept/a", b"old")
    store.move("staged/a", "kept/a")
    assert store.list() == ("kept/a",) and store.read_bytes("kept/a") == b"new"
    store.write_bytes("staged/a", b"new")  # as a move leaves it that was cut short between its halves
    store.move("staged/a", "kept/a")
    assert store.list() == ("kept/a",) and store.read_bytes("kept/a") == b"new"


def test_removing_what_is_not_there_is_well(store: Store) -> None:
    for path in ("a/1", "a/b/2", "c"):
        store.write_bytes(path, b"content")
    for _ in range(2):
        store.delete("a/1")
        assert store.list() == ("a/b/2", "c")
    for _ in range(2):
        store.delete_below("a")
        assert store.list() == ("c",)


def test_what_is_missing_is_told_from_what_cannot_be_read(store: Store) -> None:
    for operation in (store.size, store.read_bytes, store.open_input, store.sha256):
        with pytest.raises(FileNotFoundError):
            operation("nothing")
    with pytest.raises(FileNotFoundError):
        store.move("nothing", "something")


def test_a_dataset_is_committed_read_and_verified_anywhere(store: Store) -> None:
    made = committed(store)
    assert manifest.load(store) == made and reader.verify(store) == []
    assert set(store.list()) == {MANIFEST, *PATHS}
    rows = reader.read(store, "train")
    assert [(row.track, row.variant) for row in rows] == [(f"{i}", v) for i in range(3) for v in range(2)]
    assert sum(len(batch) for batch in reader.stream(store, "train", ["track"])) == 6
    committed_rows = reader.CommittedRows(store, made.shards[1])
    assert dict.fromkeys("012", "f" * 64) == committed_rows.fingerprints
    assert [len(table) for track in "012" for table in committed_rows.tables(track)] == [2, 2, 2]


def test_a_dataset_is_the_same_bytes_anywhere(store: Store, tmp_path: Path) -> None:
    folder = Store.at(tmp_path / "beside")
    assert committed(folder) == committed(store)
    assert [store.read_bytes(path) for path in (MANIFEST, *PATHS)] == [
        folder.read_bytes(path) for path in (MANIFEST, *PATHS)
    ]


def test_damage_and_strangers_are_noticed_anywhere(store: Store) -> None:
    made = committed(store)
    content = bytearray(store.read_bytes(PATHS[0]))
    content[100] ^= 4
    store.write_bytes(PATHS[0], bytes(content))
    store.delete(PATHS[1])
    for path in ("split=train/stranger", "elsewhere.json.0123.tmp", f"{STAGING}/ours", "elsewhere.json"):
        store.write_bytes(path, b"")
    flipped, missing, *strange = reader.verify(store)
    assert "its content" in flipped and "it is missing" in missing
    assert strange == [f"{p}: it is not in the manifest" for p in ("elsewhere.json.0123.tmp", "split=train/stranger")]
    assert reader.damaged(store) == list(PATHS)
    for shard in made.shards:
        with pytest.raises(BadInput, match="dvc checkout"):
            reader.CommittedRows(store, shard)
    with pytest.raises(BadInput, match="dvc checkout"):
        list(reader.stream(store, "test"))


class Killed(BaseException):
    """No `except` of the code under test sees this, as none sees a SIGKILL."""


def test_a_kill_at_any_point_of_a_commit_to_a_bucket_leaves_the_old_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def copied_only(self: RemoteStore, source: str, target: str) -> None:
        self.filesystem.create_dir(self._at(target).rpartition("/")[0])
        self.filesystem.copy_file(self._at(source), self._at(target))

    operations = ("write_bytes", "move", "delete", "delete_below")
    outcomes = []
    for step in range(2 * 20):
        store = RemoteStore(pafs._MockFileSystem(), "data", "memory://data")
        old = committed(store)
        new = stage(store, 8, PATHS[1:])
        left = step // 2

        def dying(name: str, step: int = step):
            whole = getattr(RemoteStore, name)

            def run(self: RemoteStore, *arguments):
                nonlocal left
                left -= 1
                if left < 0:
                    if name == "move" and step % 2:
                        copied_only(self, *arguments)
                    raise Killed
                return whole(self, *arguments)

            return run

        with monkeypatch.context() as patch:
            for name in operations:
                patch.setattr(RemoteStore, name, dying(name))
            try:
                manifest.commit(store, new)
                survived = True
            except Killed:
                survived = False
        assert manifest.load(store) in (old, new) and reader.verify(store) == []
        outcomes.append(manifest.load(store) == new)
        if survived:
            break
    assert outcomes == sorted(outcomes) and 4 < sum(outcomes) < len(outcomes) < 40


def test_the_same_place_is_the_same_store(tmp_path: Path, bucket: str) -> None:
    folder = Store.at(tmp_path)
    assert folder == Store.at(str(tmp_path)) == FolderStore(tmp_path) and folder.is_local
    assert Store.at(folder) is folder and Store.at(folder.path) == folder
    remote = Store.at(f"{bucket}/a/b/")
    assert not remote.is_local and remote.path == "s3://music/a/b" == Store.at(Path(remote.path)).path
    remote.write_bytes("c", b"content")
    for again in (Store.at(remote.path), pickle.loads(pickle.dumps(remote))):
        assert again.read_bytes("c") == b"content"
    assert pickle.loads(pickle.dumps(folder)) == folder


@pytest.mark.parametrize("address", ["s3://", "gs://bucket/data", "http://example.org/data"])
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(BadParams, match="s3://bucket/prefix"):
        Store.at(address)


def test_a_service_that_does_not_answer_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}.items():
        monkeypatch.setenv(name, value)
    store = Store.at("s3://music/data")
    with pytest.raises(Unavailable, match="run again"):
        manifest.load(store)


def test_a_bucket_that_is_not_there_is_unavailable_to_a_writer(bucket: str) -> None:
    store = Store.at(bucket + "s")
    with pytest.raises(Unavailable, match=r"s3://musics/.*rights, then run again"):
        stage(store)


def test_a_folder_that_may_not_be_written_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="can't be written"):
        Store.at(tmp_path / "file").write_bytes("a", b"")


def test_leftovers_of_a_killed_writer_go_with_the_next_commit(tmp_path: Path) -> None:
    committed(Store.at(tmp_path))
    leftover = tmp_path / STAGING / f"{PATHS[0]}.0123456789ab.tmp"
    leftover.parent.mkdir(parents=True)
    leftover.write_bytes(os.urandom(10))
    committed(Store.at(tmp_path), 8)
    assert set(Store.at(tmp_path).list()) == {MANIFEST, *PATHS}
