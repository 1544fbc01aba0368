"""A training that is killed, wherever, ends with the weights of one that nobody disturbed."""

import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from musegen.training import checkpoint, learner, saving, validation
from tests.training.runs import SETTINGS, run, sha256

pytestmark = pytest.mark.slow
KILLABLE = SETTINGS.model_copy(update={"steps": 12, "eval_every": 3, "checkpoint_every": 4, "keep_checkpoints": 1})

MOMENTS = {
    "in the middle of a step": (learner.Learner, "learn", 11, "before"),
    "before the weights move": (learner.Learner, "move", 7, "before"),
    "after the weights have moved": (learner.Learner, "move", 9, "after"),
    "while it is judged": (validation.Validation, "nll_per_note", 2, "before"),
    "before a snapshot is handed over": (saving.Saver, "save", 2, "before"),
    "after a snapshot is handed over": (saving.Saver, "save", 2, "after"),
    "before the first checkpoint is whole": (checkpoint, "save_file", 1, "after"),
    "within the best weights": (saving.Saver, "_write_best", 2, "after"),
    "between two files of a checkpoint": (checkpoint, "save_file", 5, "after"),
    "in the middle of a file of a checkpoint": (checkpoint, "save_file", 5, "half"),
    "before a manifest is written": (Path, "write_text", 5, "before"),
    "while files are synced": (os, "fsync", 15, "before"),
    "before the best weights get their name": (Path, "replace", 3, "before"),
    "between the best weights and the checkpoint": (Path, "replace", 3, "after"),
    "before the checkpoint gets its name": (Path, "replace", 4, "before"),
    "before old ones are removed": (checkpoint, "retain", 2, "before"),
    "while old ones are removed": (os, "rmdir", 1, "before"),
    "before the last is on disk": (saving.Saver, "newly_saved", 5, "before"),
}


def die_at(owner: Any, name: str, call: int, when: str) -> None:
    """Have this process killed at the so-manieth call of a function, before, after, or when half of a file is there."""
    function, calls = getattr(owner, name), [0]

    def deadly(*arguments: Any, **more: Any) -> Any:
        calls[0] += 1
        if calls[0] < call:
            return function(*arguments, **more)
        if when != "before":
            function(*arguments, **more)
        if when == "half":
            os.truncate(arguments[1], arguments[1].stat().st_size // 2)
        os.kill(os.getpid(), signal.SIGKILL)
        return time.sleep(60)

    setattr(owner, name, deadly)


def doomed(folder: Path, moment: str) -> None:
    torch.set_num_threads(1)
    owner, name, call, when = MOMENTS[moment]
    if name == "_write_best":  # an attribute of the object, not a method
        made = owner.__init__

        def init(self: Any, *arguments: Any) -> None:
            made(self, *arguments)
            die_at(self, name, call, when)

        owner.__init__ = init
    else:
        die_at(owner, name, call, when)
    run(folder, KILLABLE)


def lived(folder: Path) -> None:
    torch.set_num_threads(1)
    run(folder, KILLABLE)


def started(target: Callable[..., None], *arguments: Any) -> Any:
    """A process of its own, which has everything imported already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.training.test_kills"])
    process = context.Process(target=target, args=arguments)
    process.start()
    return process


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    return sha256(run(tmp_path_factory.mktemp("undisturbed"), KILLABLE))


@pytest.mark.parametrize(
    "moment", [pytest.param(each, marks=[pytest.mark.soak] * (number % 2)) for number, each in enumerate(MOMENTS)]
)
def test_a_run_that_is_killed_ends_with_the_same_weights(moment: str, undisturbed: str, tmp_path: Path) -> None:
    process = started(doomed, tmp_path, moment)
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert sha256(run(tmp_path, KILLABLE)) == undisturbed
    assert not list(tmp_path.glob(".*"))


def test_a_run_that_is_killed_again_and_again_at_any_time_ends_with_the_same_weights(
    undisturbed: str, tmp_path: Path
) -> None:
    for share in (1, 3, 5):
        process = started(lived, tmp_path)
        deadline = time.monotonic() + 60
        while process.is_alive() and time.monotonic() < deadline:
            if len(list(tmp_path.glob("*-*/*"))) + len(list(tmp_path.glob(".*-*/*"))) >= share:
                break
            time.sleep(0.002)
        process.kill()
        process.join()
    assert sha256(run(tmp_path, KILLABLE)) == undisturbed
    shutil.rmtree(tmp_path)
