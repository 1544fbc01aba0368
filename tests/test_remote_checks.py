"""What DVC misses in its remote and its cache is found, mended where a whole copy exists, and else named."""

import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dvc.exceptions import DvcException, UploadError
from dvc.repo import Repo

from musegen import versions
from musegen.errors import Unavailable
from musegen.labels import Labels
from musegen.shards import elsewhere, manifest, reader
from musegen.shards.listening import LISTENING, Passage, passage_table
from musegen.shards.manifest import Manifest
from musegen.shards.store import Store
from musegen.shards.writer import ShardWriter
from musegen.versions import Pushed
from musegen.versions.checked import stamp
from musegen.versions.objects import Recorded
from musegen.workspace import Workspace

PIPELINE = """
stages:
  survey:
    cmd: exit 1
    outs:
      - data/catalogue.parquet: {persist: true}
  composing:
    cmd: exit 1
    deps: [data/catalogue.parquet]
    outs:
      - data/composing: {persist: true}
"""
STAGES = ["survey", "composing"]
FILES = {"data/catalogue.parquet": "rows"} | {
    f"data/composing/split=train/shard-{index}": f"shard {index}" for index in range(3)
}
SHARD = "data/composing/split=train/shard-1"
LIST = "data/composing"
DATASET_SHARD = "split=train/shard-00000-of-00001.parquet"


def make(root: Path) -> Workspace:
    """A workspace whose two stages have run, but are not recorded."""
    workspace = Workspace(root)
    root.mkdir(exist_ok=True)
    workspace.params.write_text("{}\n")
    workspace.pipeline.write_text(PIPELINE)
    for path, text in FILES.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    versions.start(workspace)
    return workspace


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that is recorded, to be copied."""
    workspace = make(tmp_path_factory.mktemp("template"))
    versions.record(workspace, STAGES)
    return workspace.root


@pytest.fixture
def recorded(workspace: Workspace, template: Path) -> Workspace:
    shutil.copytree(template, workspace.root, dirs_exist_ok=True)
    return workspace


@pytest.fixture
def pushed(recorded: Workspace) -> Workspace:
    versions.push(recorded)
    return recorded


def cache(workspace: Workspace) -> Path:
    return workspace.root / ".dvc" / "cache"


def remote(workspace: Workspace) -> Path:
    return workspace.hidden / "remote"


def stored(store: Path, workspace: Workspace, path: str) -> Path:
    """Where `store` keeps the object of a recorded path."""
    outs = versions.recorded(workspace)
    if path not in outs:
        folder = next(out for out in outs if path.startswith(f"{out}/"))
        entries = json.loads(stored(cache(workspace), workspace, folder).read_text())
        outs |= {f"{folder}/{entry['relpath']}": entry["md5"] for entry in entries}
    return store / "files" / "md5" / outs[path][:2] / outs[path][2:]


def flip(file: Path) -> None:
    """Change a byte; as silently as a disk does, neither time nor permissions tell."""
    before, content = file.stat(), bytearray(file.read_bytes())
    content[0] ^= 1
    file.chmod(0o644)
    file.write_bytes(bytes(content))
    file.chmod(before.st_mode)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def cut(file: Path) -> None:
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-1])


def lose(file: Path) -> None:
    file.unlink()


def lose_all_here(workspace: Workspace) -> None:
    """As after a fresh clone: dvc.lock is there, data and cache are not."""
    shutil.rmtree(workspace.data)
    shutil.rmtree(cache(workspace))


def whole(workspace: Workspace) -> bool:
    there = {path.relative_to(workspace.root).as_posix() for path in workspace.data.rglob("*") if path.is_file()}
    return there == set(FILES) and all((workspace.root / path).read_text() == text for path, text in FILES.items())


def test_dvc_alone_says_that_all_is_pushed_when_the_remote_lacks_an_object(pushed: Workspace) -> None:
    stored(remote(pushed), pushed, SHARD).unlink()
    with Repo(str(pushed.root)) as repo:
        assert repo.push() == 0
        shutil.rmtree(pushed.data)
        shutil.rmtree(cache(pushed))
        with pytest.raises(DvcException):
            repo.pull()


def test_dvc_alone_hands_out_a_flipped_byte_of_the_remote_and_of_the_cache(pushed: Workspace) -> None:
    settings = pushed.root / ".dvc" / "config"
    settings.write_text(settings.read_text().replace("verify = true", "verify = false"))
    flip(stored(remote(pushed), pushed, SHARD))
    with Repo(str(pushed.root)) as repo:
        lose_all_here(pushed)
        repo.pull()
        assert (pushed.root / SHARD).read_text() == "rhard 1"
    flip(stored(cache(pushed), pushed, "data/catalogue.parquet"))
    with Repo(str(pushed.root)) as repo:
        (pushed.data / "catalogue.parquet").unlink()
        repo.checkout()
        assert (pushed.data / "catalogue.parquet").read_text() == "sows"


@pytest.mark.parametrize("path", [SHARD, LIST, "data/catalogue.parquet"])
@pytest.mark.parametrize("harm", [cut, lose])
def test_a_push_mends_what_the_remote_lost_since(pushed: Workspace, path: str, harm: Callable[[Path], None]) -> None:
    harm(stored(remote(pushed), pushed, path))
    (words,) = versions.check_remote(pushed, read_all=False)
    assert words.startswith(path) and ("lacks it" if harm is lose else "not what dvc.lock") in words
    done = versions.push(pushed)
    assert done.repaired == (path,) if path == SHARD else done.sent + len(done.repaired) == 1
    assert versions.push(pushed) == Pushed(0, 0, ())
    assert versions.check_remote(pushed, read_all=True) == []
    lose_all_here(pushed)
    versions.pull(pushed)
    assert whole(pushed)


def test_a_flipped_byte_behind_the_same_time_is_found_when_all_is_read(pushed: Workspace) -> None:
    flip(stored(remote(pushed), pushed, SHARD))
    assert versions.check_remote(pushed, read_all=False) == []
    (words,) = versions.check_remote(pushed, read_all=True)
    assert words.startswith(SHARD)


def test_what_a_push_never_checked_is_read_and_what_it_checked_is_not_read_again(recorded: Workspace) -> None:
    with Repo(str(recorded.root)) as repo:
        repo.push()
    flip(stored(remote(recorded), recorded, SHARD))
    assert versions.push(recorded) == Pushed(0, 6, (SHARD,))  # five objects, and the one that was sent again
    assert versions.push(recorded).checked == 0
    (recorded.hidden / "remote_checked.json").write_text("{")
    assert versions.push(recorded).checked == 5
    (recorded.root / SHARD).write_text("other")
    versions.record(recorded, ["composing"])
    assert versions.push(recorded) == Pushed(2, 2, ())
    assert len(json.loads((recorded.hidden / "remote_checked.json").read_text())["objects"]) == 5


def test_a_push_that_fails_forgets_nothing_that_was_checked(pushed: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Repo) -> int:
        raise UploadError(3)

    (pushed.root / SHARD).write_text("other")
    versions.record(pushed, ["composing"])
    stored(remote(pushed), pushed, "data/catalogue.parquet").touch()  # so that something is to be read
    with monkeypatch.context() as patch:
        patch.setattr(Repo, "push", fail)
        with pytest.raises(Unavailable, match="did not take 3 objects"):
            versions.push(pushed)
    assert versions.push(pushed) == Pushed(2, 3, ())


def test_another_remote_is_checked_anew(pushed: Workspace) -> None:
    settings = pushed.root / ".dvc" / "config"
    settings.write_text(settings.read_text().replace("musegen/remote", "musegen/other"))
    assert versions.push(pushed) == Pushed(5, 5, ())


def test_a_harmed_cache_is_mended_from_the_workspace_before_it_is_sent(recorded: Workspace) -> None:
    flip(stored(cache(recorded), recorded, SHARD))
    pushed = versions.push(recorded)
    assert pushed.repaired == (SHARD,)
    lose_all_here(recorded)
    versions.pull(recorded)
    assert whole(recorded)


@pytest.mark.parametrize("harm", [flip, cut, lose])
def test_a_harmed_list_in_the_cache_is_made_again_from_the_workspace(
    recorded: Workspace, harm: Callable[[Path], None]
) -> None:
    harm(stored(cache(recorded), recorded, LIST))
    assert versions.push(recorded).sent == 5
    assert versions.check_remote(recorded, read_all=True) == []


def test_what_is_whole_nowhere_is_named_and_nothing_wrong_is_left_in_the_remote(recorded: Workspace) -> None:
    flip(stored(cache(recorded), recorded, SHARD))
    (recorded.root / SHARD).write_text("by hand")
    with pytest.raises(Unavailable, match=f"{SHARD}: not whole in the remote .* make them again"):
        versions.push(recorded)


def test_a_remote_that_takes_nothing_is_told(recorded: Workspace) -> None:
    remote(recorded).parent.mkdir(exist_ok=True)
    remote(recorded).write_text("a file where a folder should be")
    with pytest.raises(Unavailable):
        versions.push(recorded)
    with pytest.raises(Unavailable):
        versions.check_remote(recorded, read_all=True)


@pytest.mark.parametrize("path", [SHARD, LIST, "data/catalogue.parquet"])
@pytest.mark.parametrize("harm", [flip, cut, lose])
def test_a_pull_hands_out_nothing_harmed_from_the_cache(
    pushed: Workspace, path: str, harm: Callable[[Path], None]
) -> None:
    file = stored(cache(pushed), pushed, path)
    shutil.rmtree(pushed.data)
    harm(file)
    versions.pull(pushed)
    assert whole(pushed) and versions.check_workspace(pushed) == []


def test_a_pull_of_what_is_harmed_everywhere_names_it_and_spares_the_other_files(pushed: Workspace) -> None:
    for store in (cache(pushed), remote(pushed)):
        flip(stored(store, pushed, SHARD))
    (pushed.root / SHARD).unlink()
    with pytest.raises(Unavailable, match=f"{SHARD}: the remote lacks it, or holds it harmed; push it from where"):
        versions.pull(pushed)
    assert not (pushed.root / SHARD).exists()
    assert (pushed.root / SHARD.replace("1", "2")).read_text() == "shard 2"


@pytest.mark.parametrize("harm", [flip, cut, lose])
def test_a_fresh_pull_from_a_harmed_remote_names_the_file(pushed: Workspace, harm: Callable[[Path], None]) -> None:
    harm(stored(remote(pushed), pushed, SHARD))
    lose_all_here(pushed)
    with pytest.raises(Unavailable, match=SHARD):
        versions.pull(pushed)
    assert not (pushed.root / SHARD).exists()
    versions.pull(pushed, ["survey"])
    assert (pushed.data / "catalogue.parquet").read_text() == "rows"


@pytest.mark.parametrize("harm", [flip, cut, lose])
def test_a_fresh_pull_without_the_list_in_the_remote_names_the_folder(
    pushed: Workspace, harm: Callable[[Path], None]
) -> None:
    harm(stored(remote(pushed), pushed, LIST))
    lose_all_here(pushed)
    with pytest.raises(Unavailable, match=r"data/composing \(the list of its files\)"):
        versions.pull(pushed)


def test_a_dataset_that_was_recorded_damaged_is_told_by_its_own_manifest(pushed: Workspace) -> None:
    (pushed.composing / "manifest.json").write_text("{}")
    versions.record(pushed, ["composing"])
    with pytest.raises(Unavailable, match=r"data/composing: it was recorded damaged .*manifest\.json"):
        versions.push(pushed)
    with Repo(str(pushed.root)) as repo:
        repo.push()
    with pytest.raises(Unavailable, match=r"data/composing: it was recorded damaged .*manifest\.json"):
        versions.pull(pushed)


def commit_dataset(place: Path | str) -> Manifest:
    row = Passage(
        "a" * 8, "n", 0, 0, "g", "train", 0.0, 1.0, 1.0, 0, "[]", 0, Labels(), np.zeros((9, 3), np.uint8), "f"
    )
    with ShardWriter(place, DATASET_SHARD, LISTENING, "f", lambda table: {}) as shard:
        shard.add(passage_table([row]))
        made = Manifest((shard.close(),))
    manifest.commit(place, made)
    return made


@pytest.fixture
def dataset(pushed: Workspace) -> Workspace:
    """Its composing output is a real dataset; it is recorded, but not pushed."""
    shutil.rmtree(pushed.composing)
    commit_dataset(pushed.composing)
    versions.record(pushed, ["composing"])
    return pushed


def test_a_shard_that_was_harmed_before_it_was_recorded_is_not_pushed(dataset: Workspace) -> None:
    whole = (dataset.composing / DATASET_SHARD).read_bytes()
    versions.push(dataset)
    flip(dataset.composing / DATASET_SHARD)
    os.utime(dataset.composing / DATASET_SHARD)
    versions.record(dataset, ["composing"])
    there = len(list(remote(dataset).rglob("*")))
    with pytest.raises(Unavailable, match=f"data/composing: .*{DATASET_SHARD}: its content .*musegen prepare --mend"):
        versions.push(dataset)
    (dataset.composing / DATASET_SHARD).write_bytes(whole)  # repaired, but not recorded: what is pushed is harmed
    with pytest.raises(Unavailable, match=DATASET_SHARD):
        versions.push(dataset)
    assert len(list(remote(dataset).rglob("*"))) == there
    versions.record(dataset, ["composing"])
    assert versions.push(dataset) == Pushed(0, 0, ())


def test_a_push_with_nothing_new_reads_no_shard(dataset: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[object] = []
    verify = reader.verify
    monkeypatch.setattr(reader, "verify", lambda place: read.append(place) or verify(place))
    for count in (1, 1):
        versions.push(dataset)
        assert len(read) == count
    (dataset.hidden / "datasets_checked.json").write_text("[1]")
    versions.push(dataset)
    assert len(read) == 2
    assert not any(path.is_symlink() for path in dataset.root.rglob("*"))


def test_shards_that_lie_elsewhere_are_checked_there_before_their_pointer_is_pushed(
    dataset: Workspace, bucket: str
) -> None:
    there = f"{bucket}/pushed"
    elsewhere.point(dataset.composing, Store.at(there), commit_dataset(there))
    versions.record(dataset, ["composing"])
    whole = Store.at(there).read_bytes(DATASET_SHARD)
    Store.at(there).write_bytes(DATASET_SHARD, whole[:-1] + b"?")
    with pytest.raises(Unavailable, match=DATASET_SHARD):
        versions.push(dataset)
    Store.at(there).write_bytes(DATASET_SHARD, whole)
    manifest.commit(there, Manifest(()))
    with pytest.raises(Unavailable, match="are recorded; prepare again"):
        versions.push(dataset)
    commit_dataset(there)
    assert versions.push(dataset).sent == 2


class Bucket:
    """A remote that tells an object's ETag, as S3 does."""

    path = "bucket/prefix"
    etag = "one"

    @property
    def fs(self) -> "Bucket":
        return self

    def oid_to_path(self, oid: str) -> str:
        return f"{self.path}/{oid}"

    def info(self, path: str) -> dict[str, Any]:
        return {"name": path, "size": 7, "ETag": f'"{self.etag}"', "LastModified": "today"}


def test_in_a_bucket_the_etag_tells_that_an_object_has_changed() -> None:
    bucket = Bucket()
    before = stamp(bucket, Recorded("a", "00"))
    assert before == [7, '"one"'] == stamp(bucket, Recorded("a", "00"))
    bucket.etag = "two"
    assert stamp(bucket, Recorded("a", "00")) != before


PLACING = ("replace", "rename", "link", "chmod", "unlink")


def is_killed(work: Callable[[], object], before: int) -> bool:
    """Whether `work`, in a process of its own, came as far as its call number `before` of `PLACING`; it dies there."""

    def until() -> None:
        left = before

        def counted(call: Callable[..., object]) -> Callable[..., object]:
            def then(*arguments: Any, **options: Any) -> object:
                nonlocal left
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left -= 1
                return call(*arguments, **options)

            return then

        for name in PLACING:
            setattr(os, name, counted(getattr(os, name)))
        work()

    process = multiprocessing.get_context("fork").Process(target=until)
    process.start()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


@pytest.mark.slow
def test_a_record_that_was_killed_anywhere_is_done_by_the_next_process(workspace: Workspace, tmp_path: Path) -> None:
    make(workspace.root)
    here, point = Workspace(tmp_path / "at-0"), 0
    shutil.copytree(workspace.root, here.root)
    while is_killed(partial(versions.record, here, STAGES), before=point):
        versions.record(here, [stage for stage in STAGES if versions.changes(here, stage)])
        assert [versions.changes(here, stage) for stage in STAGES] == [[], []], point
        assert whole(here) and versions.check_workspace(here) == [], point
        versions.push(here)
        lose_all_here(here)
        versions.pull(here)
        assert whole(here), point
        point += 6
        here = Workspace(tmp_path / f"at-{point}")
        shutil.copytree(workspace.root, here.root)
    assert point >= 20


@pytest.mark.slow
def test_a_push_that_was_killed_anywhere_is_done_by_the_next_process(recorded: Workspace) -> None:
    point = 0
    while is_killed(lambda: versions.push(recorded), before=point):
        assert whole(recorded), point
        point += 2
    assert point >= 10
    assert versions.check_remote(recorded, read_all=True) == []
    lose_all_here(recorded)
    versions.pull(recorded)
    assert whole(recorded)
