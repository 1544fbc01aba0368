"""Checkpoints are whole or not there, the best weights included."""

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from musegen.errors import Unavailable
from musegen.models import load_model
from musegen.training import TrainingResult, checkpoint
from musegen.training.validation import Validation
from tests.training.runs import MODEL, SETTINGS, StopAt, run, sha256

STATE_FILES = ("weights.safetensors", "average.safetensors", "optimizer.safetensors", "state.json", "manifest.json")
BEST_FILES = ("weights.safetensors", "model.json", "vocabulary.json", "manifest.json")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    return run(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def halfway(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was stopped at step 10, with checkpoints of steps 5 and 10 that name other best weights."""
    folder = tmp_path_factory.mktemp("halfway")
    run(folder, stop=StopAt(10))
    assert sorted(path.name for path in folder.iterdir()) == [
        "best-00000005",
        "best-00000010",
        "step-00000005",
        "step-00000010",
    ]
    return folder


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [truncate, flip, Path.unlink])
@pytest.mark.parametrize("file", STATE_FILES)
def test_no_damage_goes_unseen(halfway: Path, tmp_path: Path, file: str, damage: Callable[[Path], None]) -> None:
    folder = Path(shutil.copytree(halfway, tmp_path / "run"))
    damage(folder / "step-00000010" / file)
    found = checkpoint.newest_valid(folder)
    assert found is not None
    assert found.name == "step-00000005"


@pytest.mark.parametrize("damage", [truncate, flip, Path.unlink])
@pytest.mark.parametrize("file", BEST_FILES)
def test_damaged_best_weights_are_taken_from_the_checkpoint(
    halfway: Path, tmp_path: Path, file: str, damage: Callable[[Path], None]
) -> None:
    folder = Path(shutil.copytree(halfway, tmp_path / "run"))
    before = (folder / "best-00000010/weights.safetensors").read_bytes()
    damage(folder / "best-00000010" / file)
    newest = checkpoint.newest_valid(folder)
    assert newest is not None
    assert newest.name == "step-00000010"
    assert checkpoint.mend_best(newest)
    assert checkpoint.is_valid(folder / "best-00000010")
    assert (folder / "best-00000010/weights.safetensors").read_bytes() == before


def test_behind_a_truncated_checkpoint_the_one_before_is_gone_on_from(
    halfway: Path, whole: TrainingResult, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(halfway, tmp_path / "run"))
    truncate(folder / "step-00000010/weights.safetensors")
    resumed = run(folder)
    assert resumed.resumed_from_step == 5
    assert sha256(resumed) == sha256(whole)


@pytest.fixture
def best_was_earlier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run whose best weights are those of step 8 for ever, stopped at step 14, saved at each."""
    _judge_best_at_8(monkeypatch)
    run(tmp_path / "run", EARLIER, stop=StopAt(14))
    return tmp_path / "run"


EARLIER = SETTINGS.model_copy(update={"checkpoint_every": 1, "eval_every": 4})


def _judge_best_at_8(monkeypatch: pytest.MonkeyPatch, *first: float) -> None:
    verdicts = iter(first or (3.0, 1.0, 2.0, 2.0, 2.0))
    monkeypatch.setattr(Validation, "nll_per_note", lambda self, learner: next(verdicts))


def test_deleted_best_weights_come_back_and_the_run_ends_as_if_nothing_had_been(
    best_was_earlier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(best_was_earlier / "best-00000008")
    _judge_best_at_8(monkeypatch, 2.0, 2.0)
    resumed = run(best_was_earlier, EARLIER)
    assert (resumed.resumed_from_step, resumed.best_step, resumed.best_valid_nll_per_note) == (14, 8, 1.0)
    _judge_best_at_8(monkeypatch)
    assert sha256(resumed) == sha256(run(tmp_path / "whole", EARLIER))


def test_where_no_copy_of_the_best_weights_is_whole_the_steps_are_kept_and_the_best_is_looked_for_anew(
    best_was_earlier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in best_was_earlier.glob("**/best*/weights.safetensors"):
        flip(file)
    _judge_best_at_8(monkeypatch, 2.0, 2.5)
    resumed = run(best_was_earlier, EARLIER)
    assert (resumed.resumed_from_step, resumed.best_step, resumed.best_valid_nll_per_note) == (14, 16, 2.0)
    assert load_model(resumed.best)[1] == MODEL


def test_best_weights_that_are_the_checkpoint_s_own_average_are_never_lost(
    halfway: Path, whole: TrainingResult, tmp_path: Path
) -> None:
    finished = Path(shutil.copytree(whole.best.parent, tmp_path / "finished"))
    for file in finished.glob("**/best*/weights.safetensors"):
        truncate(file)
    again = run(finished)
    assert (again.resumed_from_step, again.best_step) == (20, whole.best_step)
    assert sha256(again) == sha256(whole)


def test_a_checkpoint_s_copy_of_the_best_weights_takes_no_room(halfway: Path) -> None:
    for name in BEST_FILES:
        assert (halfway / "step-00000010/best" / name).samefile(halfway / "best-00000010" / name)


def test_where_the_disk_has_no_links_the_best_weights_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*paths: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    run(tmp_path, stop=StopAt(5))
    truncate(tmp_path / "best-00000005/weights.safetensors")
    assert checkpoint.mend_best(tmp_path / "step-00000005")


def test_broken_checkpoints_are_not_kept_in_place_of_whole_ones(halfway: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(halfway, tmp_path / "run"))
    (folder / "step-00000010").rename(folder / "step-00000007")
    truncate(folder / "step-00000007/weights.safetensors")
    resumed = run(folder, stop=StopAt(3))
    assert (resumed.resumed_from_step, resumed.steps) == (5, 8)
    kept = sorted(path.name for path in folder.glob("step-*"))
    assert kept == ["step-00000005", "step-00000008"]
    assert all(checkpoint.is_valid(folder / name) for name in kept)


def test_what_can_not_be_removed_does_not_end_training_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rmdir, refused = os.rmdir, list[str]()

    def busy(path: str, **more: int) -> None:
        if not refused and "step-" in str(path) and Path(path).name.startswith("step-"):
            refused.append(str(path))
            raise OSError(errno.ENOTEMPTY, "Directory not empty")
        rmdir(path, **more)

    monkeypatch.setattr(os, "rmdir", busy)
    result = run(tmp_path)
    assert (result.steps, len(refused)) == (20, 1)
    assert sorted(path.name for path in tmp_path.glob("step-*")) == ["step-00000015", "step-00000020"]


def test_where_none_is_whole_training_begins_anew(halfway: Path, whole: TrainingResult, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(halfway, tmp_path / "run"))
    for state in folder.glob("step-*/state.json"):
        truncate(state)
    again = run(folder)
    assert again.resumed_from_step is None
    assert sha256(again) == sha256(whole)


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_the_newest_checkpoints_stay_and_the_best_weights_that_they_name(tmp_path: Path, keep: int) -> None:
    settings = SETTINGS.model_copy(update={"keep_checkpoints": keep, "learning_rate": 0.5, "muon_learning_rate": 0.5})
    result = run(tmp_path, settings)
    kept = sorted(path for path in tmp_path.glob("step-*"))
    assert [path.name for path in kept] == ["step-00000005", "step-00000010", "step-00000015", "step-00000020"][-keep:]
    assert {checkpoint.best_of(path) for path in kept} == set(tmp_path.glob("best-*"))
    assert result.best in tmp_path.glob("best-*")


def test_best_weights_older_than_all_checkpoints_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    verdicts = iter([3.0, 1.0, 2.0, 2.0, 2.0])
    monkeypatch.setattr(Validation, "nll_per_note", lambda self, learner: next(verdicts))
    settings = SETTINGS.model_copy(update={"checkpoint_every": 1, "eval_every": 4})
    result = run(tmp_path, settings)
    assert result.best == tmp_path / "best-00000008"
    assert load_model(result.best)[1] == MODEL
    assert [path.name for path in sorted(tmp_path.glob("best-*"))] == ["best-00000008"]


def test_nothing_is_left_of_what_a_kill_cut_short(tmp_path: Path) -> None:
    for name in (".step-00000005.draft", ".best-00000005.draft", ".step-00000005.former"):
        (tmp_path / name).mkdir()
    run(tmp_path)
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("moment", ["at the next one", "at the end"])
def test_a_full_disk_ends_training_with_words_and_leaves_what_was_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    settings = SETTINGS.model_copy(update={"steps": 20 if moment == "at the next one" else 10})
    calls = []
    fsync = os.fsync

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) > 15:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(Unavailable, match=r"can't be written .*No space left.*free space"):
            run(tmp_path, settings)
    found = checkpoint.newest_valid(tmp_path)
    assert found is not None
    assert found.name == "step-00000005"
    assert run(tmp_path, settings).resumed_from_step == 5
