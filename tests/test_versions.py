"""DVC knows what was recorded, says what has changed, and brings data back."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo

from musegen import versions
from musegen.errors import BadParams, Unavailable
from musegen.versions import Pushed, session
from musegen.workspace import VARIABLE, Workspace, set_environment

PARAMS = "survey: {corpus: sample}\ncomposing: {shards: 8}\n"
PIPELINE = """
stages:
  survey:
    cmd: exit 1
    params: [survey]
    outs:
      - data/catalogue.parquet: {persist: true}
  composing:
    cmd: exit 1
    deps: [data/catalogue.parquet]
    params: [composing]
    outs:
      - data/composing: {persist: true}
"""


def dvc(workspace: Workspace, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=workspace.root, capture_output=True, text=True, check=True
    )
    return done.stdout + done.stderr


def git(workspace: Workspace, *arguments: str) -> str:
    known = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main"]
    return subprocess.run(
        ["git", *known, *arguments], cwd=workspace.root, capture_output=True, text=True, check=True
    ).stdout


@pytest.fixture
def project(workspace: Workspace) -> Workspace:
    """A workspace whose two stages have run, but are not recorded."""
    workspace.params.write_text(PARAMS)
    workspace.pipeline.write_text(PIPELINE)
    workspace.composing.mkdir(parents=True)
    (workspace.data / "catalogue.parquet").write_text("rows")
    for index in range(3):
        (workspace.composing / f"shard-{index}").write_text(f"shard {index}")
    versions.start(workspace)
    return workspace


@pytest.fixture
def recorded(project: Workspace) -> Workspace:
    versions.record(project, ["survey", "composing"])
    return project


def stale(workspace: Workspace) -> dict[str, list[str]]:
    return {stage: versions.changes(workspace, stage) for stage in ("survey", "composing")}


def test_to_start_twice_changes_nothing(project: Workspace) -> None:
    files = {path: path.read_bytes() for path in (project.root / ".dvc").rglob("*") if path.is_file()}
    versions.start(project)
    assert {path: path.read_bytes() for path in files} == files
    assert "verify = true" in (project.root / ".dvc" / "config").read_text()
    assert str(project.root) not in (project.root / ".dvc" / "config").read_text()


def test_a_start_that_was_cut_short_is_done_again(workspace: Workspace) -> None:
    (workspace.root / ".dvc").mkdir()
    versions.start(workspace)
    assert "verify = true" in (workspace.root / ".dvc" / "config").read_text()


def test_before_the_first_record_everything_is_new(project: Workspace) -> None:
    assert any("is new" in words for words in versions.changes(project, "survey"))
    shutil.rmtree(project.data)
    assert "data/composing is deleted" in versions.changes(project, "composing")


def test_after_the_record_nothing_has_changed_and_dvc_agrees(recorded: Workspace) -> None:
    assert stale(recorded) == {"survey": [], "composing": []}
    assert "up to date" in dvc(recorded, "status")
    # The stages' commands fail; so a run of one of them would not come to its end.
    assert "Running stage" not in dvc(recorded, "repro")


@pytest.mark.parametrize(
    ("change", "survey", "composing"),
    [
        (lambda w: w.params.write_text(PARAMS.replace("8", "9")), [], ["params.yaml: composing is modified"]),
        (lambda w: w.params.write_text("survey: {corpus: sample}\n"), [], ["params.yaml: composing is deleted"]),
        (lambda w: (w.composing / "shard-1").write_text("by hand"), [], ["data/composing is modified"]),
        (lambda w: (w.composing / "new").touch(), [], ["data/composing is modified"]),
        (lambda w: shutil.rmtree(w.composing), [], ["data/composing is deleted"]),
        (
            lambda w: (w.data / "catalogue.parquet").write_text("other rows"),
            ["data/catalogue.parquet is modified"],
            ["data/catalogue.parquet is modified"],
        ),
        (
            lambda w: w.pipeline.write_text(PIPELINE.replace("    params: [composing]\n", "")),
            [],
            ["changed command"],
        ),
    ],
    ids=["a parameter", "no parameter", "an output", "one more output", "no output", "a dependency", "the stage"],
)
def test_what_has_changed_is_said_in_words(
    recorded: Workspace, change: Callable[[Workspace], None], survey: list[str], composing: list[str]
) -> None:
    change(recorded)
    found = stale(recorded)
    assert found["survey"] == survey
    assert set(composing) <= set(found["composing"]) or composing == ["changed command"]


def test_recording_again_takes_up_the_change(recorded: Workspace) -> None:
    (recorded.composing / "shard-1").write_text("another")
    versions.record(recorded, ["composing"])
    assert stale(recorded) == {"survey": [], "composing": []}


def test_what_is_not_there_is_not_recorded(project: Workspace) -> None:
    shutil.rmtree(project.composing)
    with pytest.raises(Unavailable, match="data/composing"):
        versions.record(project, ["composing"])


def test_pushed_data_comes_back_when_data_and_cache_are_lost(recorded: Workspace) -> None:
    pushed = versions.push(recorded)
    assert pushed == Pushed(sent=5, checked=5, repaired=())  # the catalogue, three shards, and their list
    assert versions.push(recorded) == Pushed(sent=0, checked=0, repaired=())
    shutil.rmtree(recorded.data)
    shutil.rmtree(recorded.root / ".dvc" / "cache")
    versions.pull(recorded)
    assert (recorded.composing / "shard-2").read_text() == "shard 2"
    assert stale(recorded) == {"survey": [], "composing": []}


def test_one_stage_comes_back_alone(recorded: Workspace) -> None:
    versions.push(recorded)
    shutil.rmtree(recorded.data)
    versions.pull(recorded, ["survey"])
    assert [path.name for path in recorded.data.iterdir() if path.suffix] == ["catalogue.parquet"]


def test_data_that_was_not_pushed_can_not_be_pulled(recorded: Workspace) -> None:
    shutil.rmtree(recorded.data)
    shutil.rmtree(recorded.root / ".dvc" / "cache")
    with pytest.raises(Unavailable, match="push it"):
        versions.pull(recorded)


def test_it_does_not_matter_where_one_stands(
    recorded: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in (tmp_path, recorded.data):
        monkeypatch.chdir(place)
        assert stale(recorded) == {"survey": [], "composing": []}
        (recorded.composing / "shard-0").write_text(f"from {place.name}")
        (words,) = stale(recorded)["composing"]
        assert words.endswith("composing is modified")
        versions.record(recorded, ["composing"])
        versions.push(recorded)
        versions.pull(recorded)


HOLDER = """
import sys, time
from dvc.repo import Repo
with Repo(sys.argv[1]) as repo, repo.lock:
    print("held", flush=True)
    time.sleep(float(sys.argv[2]))
"""


@contextmanager
def locked(workspace: Workspace, seconds: float = 60.0) -> Iterator[None]:
    """Another DVC command is at work."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(workspace.root), str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=workspace.root,
    )
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "held\n"
        yield
    finally:
        holder.kill()
        holder.communicate()


def test_after_a_minute_of_another_commands_lock_it_is_unavailable(
    recorded: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert session.PATIENCE_SECONDS == 60
    monkeypatch.setattr(session, "PATIENCE_SECONDS", 0.0)
    with locked(recorded), pytest.raises(Unavailable, match="holds the lock"):
        versions.record(recorded, ["survey"])
    assert versions.changes(recorded, "survey") == []


@pytest.mark.slow
def test_a_lock_that_is_held_longer_than_dvc_waits_is_waited_for(recorded: Workspace) -> None:
    with locked(recorded, seconds=4.5):
        with Repo(str(recorded.root)) as repo, pytest.raises(LockError):
            repo.status()
        assert versions.changes(recorded, "survey") == []


def rwlock(workspace: Workspace) -> Path:
    return workspace.root / ".dvc" / "tmp" / "rwlock"


@pytest.mark.parametrize("left", [b"", b'{"write": {"/a": {"pi', b"[1]", b"\xff\xfe\x00", b"\x00" * 40])
def test_what_a_killed_command_left_of_its_locks_is_cleared(recorded: Workspace, left: bytes) -> None:
    rwlock(recorded).write_bytes(left)
    with Repo(str(recorded.root)) as repo, pytest.raises((DvcException, UnicodeDecodeError)):
        repo.status()  # DVC alone is stuck
    assert versions.changes(recorded, "survey") == []
    assert not any(json.loads(rwlock(recorded).read_text()).values())


def test_damaged_locks_stay_while_another_command_is_at_work(recorded: Workspace) -> None:
    sleeper = "import sys, time; print('up', flush=True); time.sleep(60)"
    other = subprocess.Popen(
        [sys.executable, "-c", sleeper, "dvc", "repro"], stdout=subprocess.PIPE, text=True, cwd=recorded.root
    )
    try:
        assert other.stdout is not None and other.stdout.readline() == "up\n"
        rwlock(recorded).write_text("")
        with pytest.raises(Unavailable, match=rf"process {other.pid} .* is at work"):
            versions.changes(recorded, "survey")
        assert rwlock(recorded).exists()
    finally:
        other.kill()
        other.communicate()
    assert versions.changes(recorded, "survey") == []


def note_a_writer(workspace: Workspace, pid: int, written: float) -> None:
    """Note in the file of locks that a process writes the catalogue."""
    note = {"pid": pid, "cmd": "dvc commit"}
    rwlock(workspace).write_text(json.dumps({"write": {str(workspace.data / "catalogue.parquet"): note}}))
    os.utime(rwlock(workspace), (written, written))


def test_a_lock_of_a_process_whose_number_is_anothers_now_is_cleared(
    recorded: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "PATIENCE_SECONDS", 0.5)
    note_a_writer(recorded, os.getppid(), written=time.time())
    with pytest.raises(Unavailable, match="holds the lock"):  # the process may have written it
        versions.changes(recorded, "survey")
    note_a_writer(recorded, os.getppid(), written=1e9)  # it did not run then
    with Repo(str(recorded.root)) as repo, pytest.raises(LockError):
        repo.status()
    assert versions.changes(recorded, "survey") == []


def test_what_is_recorded_is_told_by_path(recorded: Workspace) -> None:
    found = versions.recorded(recorded)
    assert found["data/catalogue.parquet"] == hashlib.md5(b"rows").hexdigest()
    assert found["data/composing"].endswith(".dir")
    assert versions.check_workspace(recorded) == []


def test_a_file_that_changed_behind_its_time_is_found(recorded: Workspace) -> None:
    shard = recorded.composing / "shard-1"
    before = shard.stat()
    with shard.open("r+b") as file:
        file.write(b"S")
    os.utime(shard, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert stale(recorded) == {"survey": [], "composing": []}  # DVC trusts the time
    assert versions.check_workspace(recorded) == [
        "data/composing/shard-1: it is not what dvc.lock records; run `musegen pull`, or record it if it is meant"
    ]
    versions.push(recorded)
    versions.pull(recorded)
    assert shard.read_text() == "shard 1"
    shard.unlink()
    assert "shard-1" in versions.check_workspace(recorded)[0]


def test_a_stage_that_an_older_workspace_lacks_is_to_be_taken_from_a_fresh_one(recorded: Workspace) -> None:
    for ask in (versions.changes, lambda workspace, stage: versions.record(workspace, [stage])):
        with pytest.raises(
            BadParams, match=r"dvc\.yaml: it lacks a stage \(.*listening.*musegen init.*copy its dvc.yaml"
        ):
            ask(recorded, "listening")


def test_without_dvc_it_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="DVC"):
        versions.changes(Workspace(tmp_path), "survey")


def test_a_checkout_that_came_as_an_archive_works_without_git(project: Workspace) -> None:
    git(project, "init", "--quiet")
    versions.start(project)
    shutil.rmtree(project.root / ".git")
    versions.start(project)
    versions.record(project, ["survey"])
    assert not versions.changes(project, "survey")


def test_without_git_there_is_no_revision(recorded: Workspace) -> None:
    assert versions.code_revision(recorded) == "none"
    git(recorded, "init", "--quiet")
    assert versions.code_revision(recorded) == "none"


def test_with_git_data_stays_out_of_it_and_the_commit_is_known(workspace: Workspace) -> None:
    git(workspace, "init", "--quiet")
    workspace.params.write_text(PARAMS)
    workspace.pipeline.write_text(PIPELINE)
    workspace.composing.mkdir(parents=True)
    (workspace.data / "catalogue.parquet").write_text("rows")
    (workspace.composing / "shard-0").write_text("shard")
    versions.start(workspace)
    assert versions.code_revision(workspace) == "none"
    versions.record(workspace, ["survey", "composing"])
    git(workspace, "add", "params.yaml", "dvc.yaml", "dvc.lock", ".dvc")
    git(workspace, "commit", "--quiet", "--message", "one")
    assert versions.code_revision(workspace) == git(workspace, "rev-parse", "HEAD").strip()
    assert "data/composing" not in git(workspace, "status", "--short", "--untracked-files=all")
    assert stale(workspace) == {"survey": [], "composing": []}
    assert "up to date" in dvc(workspace, "status")


def test_a_folder_without_its_two_files_is_no_workspace(workspace: Workspace) -> None:
    with pytest.raises(BadParams, match="musegen init"):
        workspace.checked()
    workspace.params.touch()
    with pytest.raises(BadParams, match=r"dvc\.yaml"):
        workspace.checked()
    workspace.pipeline.touch()
    assert workspace.checked() is workspace


def test_the_workspace_is_what_the_environment_names_else_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "named"))
    assert Workspace.current().root == tmp_path / "named"
    monkeypatch.delenv(VARIABLE)
    assert Workspace.current().root == tmp_path


def test_everything_embedded_lies_in_the_workspace_and_what_is_set_stays(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert os.environ["MLFLOW_TRACKING_URI"] == f"sqlite:///{workspace.hidden / 'mlflow.db'}"
    for name in ("PREFECT_HOME", "NUMBA_CACHE_DIR", "MPLCONFIGDIR"):
        assert Path(os.environ[name]).is_relative_to(workspace.hidden)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow:5000")
    set_environment(workspace)
    assert os.environ["MLFLOW_TRACKING_URI"] == "http://mlflow:5000"
    assert workspace.corpus("../songs") == workspace.root.parent / "songs"
    assert workspace.corpus("/music") == Path("/music")
