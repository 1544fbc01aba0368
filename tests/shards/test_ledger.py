"""A ledger knows which track a worker died of, whatever moment it died at."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.fs as pafs
import pytest

from musegen.errors import Unavailable
from musegen.shards import ledger
from musegen.shards.ledger import TRIES, Ledger, Standing
from musegen.shards.manifest import STAGING, Manifest, commit
from musegen.shards.store import FolderStore, RemoteStore, Store

SHARD = "split=train/shard-00000-of-00002.parquet"


@pytest.fixture(params=["folder", "remote"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return FolderStore(tmp_path / "dataset")
    (tmp_path / "bucket").mkdir()
    return RemoteStore(pafs.LocalFileSystem(), f"{tmp_path}/bucket/prefix", "s3://bucket/prefix")


def killed_at(store: Store, track: str) -> None:
    """What a worker leaves that is killed in the middle of `track`."""
    Ledger(store, SHARD).begin(track)


def test_a_new_ledger_blames_nobody(store: Store) -> None:
    assert dict(Ledger(store, SHARD).blamed()) == {}
    assert Ledger(store, SHARD).look() == Standing()
    assert Ledger(store, SHARD).progress() == 0


def test_the_track_under_way_when_a_worker_dies_is_blamed_once_for_each(store: Store) -> None:
    for count in range(1, TRIES + 1):
        killed_at(store, "b")
        assert dict(Ledger(store, SHARD).blamed()) == {"b": count}
        assert dict(Ledger(store, SHARD).blamed()) == {"b": count}, "looking blames nobody"


def test_several_tracks_are_blamed_each_for_its_own(store: Store) -> None:
    for track in ("b", "a", "b"):
        killed_at(store, track)
    assert dict(Ledger(store, SHARD).blamed()) == {"b": 2, "a": 1}


def test_a_track_that_gets_through_after_all_is_innocent_but_stays_a_suspect(store: Store) -> None:
    for _ in range(TRIES - 1):
        killed_at(store, "b")
    with Ledger(store, SHARD) as ours:
        ours.begin("b")
        ours.done("b")
    assert dict(Ledger(store, SHARD).blamed()) == {"b": 0}
    killed_at(store, "b")
    assert dict(Ledger(store, SHARD).blamed()) == {"b": 1}


def test_a_worker_that_ends_in_order_blames_nobody(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt), Ledger(store, SHARD) as ours:
        ours.begin("a")
        raise KeyboardInterrupt
    assert dict(Ledger(store, SHARD).blamed()) == {}


def test_after_all_tracks_nobody_is_under_way(store: Store) -> None:
    with Ledger(store, SHARD) as ours:
        ours.begin("a")
        ours.done("a")
        ours.settle()
        assert Ledger(store, SHARD).look() == Standing(attempt=1, done=1)


def test_whoever_is_pardoned_is_not_blamed_and_what_was_known_before_stays(store: Store) -> None:
    killed_at(store, "a")
    killed_at(store, "b")
    Ledger(store, SHARD).pardon()
    assert dict(Ledger(store, SHARD).blamed()) == {"a": 1}
    Ledger(store, SHARD).pardon()
    assert dict(Ledger(store, SHARD).blamed()) == {"a": 1}


def test_what_a_ledger_says_of_another_plan_does_not_count(store: Store) -> None:
    killed_at(store, "a")
    assert dict(Ledger(store, SHARD, "another").blamed()) == {}


def test_progress_counts_the_tracks_of_the_last_worker(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "_QUIET_SECONDS", 0.0)
    watching = Ledger(store, SHARD)
    with Ledger(store, SHARD) as ours:
        for count, track in enumerate("abc", start=1):
            ours.begin(track)
            ours.done(track)
            assert watching.progress() == count
    with Ledger(store, SHARD):
        assert watching.progress() == 0
        assert watching.look().attempt == 2


def test_tracks_that_are_done_quickly_are_told_with_the_next_one(store: Store) -> None:
    with Ledger(store, SHARD) as ours:
        ours.begin("a")
        ours.done("a")
        assert Ledger(store, SHARD).look() == Standing(attempt=1, under_way="a")
        ours.begin("b")
        assert Ledger(store, SHARD).look() == Standing(attempt=1, done=1, under_way="b")


def test_a_ledger_that_has_grown_long_is_as_good(store: Store) -> None:
    tracks = [f"{number:032x}" for number in range(150)]
    for track in tracks:
        killed_at(store, track)
    with Ledger(store, SHARD) as ours:
        for track in tracks[:20]:
            ours.begin(track)
            assert Ledger(store, SHARD).look().under_way == track
            ours.done(track)
    assert [count for _, count in sorted(Ledger(store, SHARD).blamed().items())] == [0] * 20 + [1] * 130


def test_records_that_grow_beyond_a_page_and_shrink_again_are_all_told(store: Store) -> None:
    long = "x" * 200
    for number in range(120):
        killed_at(store, f"{number:032x}")
        with Ledger(store, SHARD) as ours:
            for track in (long, "short", long):
                ours.begin(track)
                assert Ledger(store, SHARD).look().under_way == track
                ours.done(track)
            ours.settle()
            assert Ledger(store, SHARD).look().under_way is None
    assert set(Ledger(store, SHARD).blamed().values()) == {1} and len(Ledger(store, SHARD).blamed()) == 120


def test_signs_of_life_in_a_long_track_are_told_but_not_all(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with Ledger(store, SHARD) as ours:
        ours.begin("a")
        before = Ledger(store, SHARD).look()
        ours.go_on()
        assert Ledger(store, SHARD).look() == before
        monkeypatch.setattr(ledger, "_SIGN_SECONDS", 0.0)
        ours.go_on()
        assert Ledger(store, SHARD).look() == Standing(attempt=1, under_way="a", signs=2)


def test_a_track_that_did_not_go_on_is_told_from_one_that_killed_its_worker(store: Store) -> None:
    killed_at(store, "a")
    killed_at(store, "b")
    Ledger(store, SHARD).stalled()
    after = Ledger(store, SHARD)
    assert dict(after.blamed()) == {"a": 1, "b": 1}
    assert (after.hung("a"), after.hung("b")) == (False, True)
    with Ledger(store, SHARD) as ours:
        ours.begin("b")
        ours.done("b")
    assert not Ledger(store, SHARD).hung("b")


def test_where_no_track_is_under_way_none_has_stalled(store: Store) -> None:
    Ledger(store, SHARD).stalled()
    assert Ledger(store, SHARD).look() == Standing()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b"\xff", b'{"fingerprint": "", "standing": 3}',
                                     b'{"fingerprint": "", "standing": {"other": 1}}'])  # fmt: skip
def test_a_damaged_ledger_is_as_good_as_none(store: Store, content: bytes) -> None:
    store.write_bytes(Ledger(store, SHARD).path, content)
    assert Ledger(store, SHARD).look() == Standing()


def test_ledgers_leave_with_the_commit(store: Store) -> None:
    killed_at(store, "a")
    assert any(path.startswith(STAGING) for path in store.list())
    commit(store, Manifest(()))
    assert store.list() == ("manifest.json",)


def test_a_full_disk_is_unavailable_and_leaves_no_half_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FolderStore(tmp_path)
    killed_at(store, "a")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(Unavailable, match="free space"):
        patch.setattr(Path, "write_bytes", full)
        killed_at(store, "b")
    assert dict(Ledger(store, SHARD).blamed()) == {"a": 1}
    assert [path for path in store.list() if path.endswith(".tmp")] == []


def test_a_path_that_cannot_be_is_no_matter_of_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / STAGING).write_bytes(b"")
    monkeypatch.setattr(Ledger, "look", lambda ledger: Standing())
    with pytest.raises(Unavailable, match="see to the folder") as caught:
        killed_at(FolderStore(tmp_path), "a")
    assert "space" not in str(caught.value)


def test_a_real_kill_at_any_moment_leaves_a_ledger_that_can_be_read(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom musegen.shards.ledger import Ledger\n"
        f"with Ledger(sys.argv[1], {SHARD!r}) as ledger:\n"
        "    print(flush=True)\n"
        "    for number in range(10**9):\n"
        "        ledger.begin(str(number))\n"
        "        ledger.done(str(number))\n"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    watching = Ledger(tmp_path, SHARD)
    assert worker.stdout is not None
    worker.stdout.readline()
    told = [watching.look() for _ in range(200)]
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    worker.stdout.close()
    assert all(standing.attempt == 1 for standing in told)
    assert [standing.done for standing in told] == sorted(standing.done for standing in told)
    last = watching.look()
    assert last.under_way == str(last.done)
    assert dict(Ledger(tmp_path, SHARD).blamed()) == {str(last.done): 1}
    assert json.loads((tmp_path / watching.path).read_text())["standing"]["attempt"] == 1
