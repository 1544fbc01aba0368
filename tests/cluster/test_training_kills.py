"""Whoever dies, freezes or is told to go while a model is trained: the weights are those of a calm run."""

import hashlib
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from musegen.cluster.connect import connected
from musegen.cluster.train import CHECKPOINTS, LOCK, PROGRESS, TrainingJob, train_on_cluster
from musegen.training import Progress, TrainingResult, journal
from musegen.workspace import Workspace

if TYPE_CHECKING:
    from tests.cluster.conftest import JobFor

pytestmark = pytest.mark.slow

STEP = 100
"""Where it happens."""
PATIENCE_SECONDS = 240
DRIVER = """
import pickle, sys
from pathlib import Path
from musegen.cluster.connect import connected
from musegen.cluster.train import train_on_cluster
job = pickle.loads(Path(sys.argv[1]).read_bytes())
with connected(2):
    train_on_cluster(job)
"""


@pytest.fixture(scope="module", autouse=True)
def cluster(shared_workspace: Workspace) -> Iterator[None]:
    with connected(2):
        yield


@pytest.fixture(scope="module")
def calm(job_for: "JobFor") -> TrainingResult:
    return train_on_cluster(job_for("calm"))


def weights(result: TrainingResult) -> str:
    return hashlib.sha256((result.best / "weights.safetensors").read_bytes()).hexdigest()


def ranks(run: Path) -> list[psutil.Process]:
    """The workers of this process's cluster, the one that holds the lock of the run first."""
    workers = [
        process
        for process in psutil.Process().children(recursive=True)
        if "RayTrainWorker" in " ".join(process.cmdline())
    ]
    return sorted(workers, key=lambda worker: all(file.path != str(run / LOCK) for file in worker.open_files()))


def once_at(step: int, act: Callable[[], None]) -> Callable[[Progress], None]:
    acted = []

    def listen(progress: Progress) -> None:
        if progress.step >= step and not acted:
            acted.append(True)
            act()

    return listen


def newest_step(job: TrainingJob) -> int:
    return max(int(path.name.removeprefix("step-")) for path in (job.run / CHECKPOINTS).glob("step-*"))


@pytest.mark.parametrize(
    ("rank", "sent"),
    [
        (0, signal.SIGKILL),
        pytest.param(1, signal.SIGTERM, marks=pytest.mark.soak),
        (1, signal.SIGSTOP),
    ],
    ids=["killed", "told to go", "frozen"],
)
def test_a_lost_worker_is_replaced(calm: TrainingResult, job_for: "JobFor", rank: int, sent: signal.Signals) -> None:
    job = job_for(f"lost-{sent.name}", frozen_seconds=6)
    lost: list[psutil.Process] = []

    def lose() -> None:
        lost.append(ranks(job.run)[rank])
        lost[0].send_signal(sent)

    result = train_on_cluster(job, once_at(STEP, lose))
    assert result.resumed_from_step is not None
    assert result.resumed_nll is not None
    assert (result.steps, weights(result)) == (calm.steps, weights(calm))
    assert not lost[0].is_running() or lost[0].status() == psutil.STATUS_ZOMBIE


def start_driver(job: TrainingJob) -> subprocess.Popen[bytes]:
    """A process of its own that trains; this returns when it has come to `STEP`."""
    path = job.run / "job.pickle"
    path.write_bytes(pickle.dumps(job))
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, str(path)])
    patience = time.monotonic() + PATIENCE_SECONDS
    while not any(progress.step >= STEP for progress in journal.read(job.run / PROGRESS)[0]):
        assert driver.poll() is None and time.monotonic() < patience
        time.sleep(0.05)
    return driver


def test_after_the_death_of_the_driver_the_next_call_goes_on(calm: TrainingResult, job_for: "JobFor") -> None:
    job = job_for("driver-killed")
    driver = start_driver(job)
    driver.kill()
    driver.wait()
    result = train_on_cluster(job)
    assert result.resumed_from_step is not None
    assert (result.steps, weights(result)) == (calm.steps, weights(calm))


def test_a_driver_that_is_told_to_go_saves_first(calm: TrainingResult, job_for: "JobFor") -> None:
    job = job_for("driver-told")
    driver = start_driver(job)
    driver.terminate()
    assert driver.wait(PATIENCE_SECONDS) == signal.SIGTERM
    saved, last = newest_step(job), journal.read(job.run / PROGRESS)[0][-1]
    assert STEP <= saved == last.step < calm.steps
    words: list[Progress] = []
    result = train_on_cluster(job, words.append)
    assert result.resumed_from_step == saved
    assert words[0].resumed and words[0].step == saved
    assert (result.steps, weights(result)) == (calm.steps, weights(calm))


@pytest.mark.soak
def test_an_error_in_the_driver_lets_the_workers_save_and_goes_on(calm: TrainingResult, job_for: "JobFor") -> None:
    job = job_for("driver-error")

    def fail() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_on_cluster(job, once_at(STEP, fail))
    saved = newest_step(job)
    result = train_on_cluster(job)
    assert result.resumed_from_step == saved
    assert weights(result) == weights(calm)
