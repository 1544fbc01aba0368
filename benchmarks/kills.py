"""Training under fire: who is killed, frozen or told to go, and when; what it costs, and whether the weights differ.

    python -m benchmarks.kills [--steps 600] [--points N] [--json]

A small transformer on two gloo workers of a private Ray cluster, checkpoints every fiftieth step. A calm run first;
then for every point the same run, disturbed once: the first worker or another, or the driver (a process of its own);
SIGKILL, SIGTERM or SIGSTOP (a driver wakes up after five seconds, a worker never); before the first step, in the
middle, or while a checkpoint is written. `equal`: the best weights have the calm run's sha256. `detection_seconds`:
from the signal until Ray's controller says that a worker failed. `recovery_seconds`: from there, or for a driver from
the next call, to the first word of the training that goes on. `leaving_seconds`: from SIGTERM to the driver's end.
"""

import argparse
import hashlib
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import psutil  # type: ignore[import-untyped]

from benchmarks import corpora
from benchmarks.measuring import tell
from musegen.workspace import Workspace, set_environment

if TYPE_CHECKING:
    from musegen.cluster.train import TrainingJob
    from musegen.training import TrainingResult

_HERE = Path(__file__).parent.parent
_TUNES, _VALID_EVERY = 48, 8
_FROZEN_SECONDS, _SLEEP_SECONDS = 10.0, 5.0
_MOMENTS = ("start", "middle", "saving")


@dataclass(frozen=True)
class Point:
    """Who gets which signal when."""

    target: str
    sent: signal.Signals
    moment: str

    def __str__(self) -> str:
        return f"{self.target} {self.sent.name} {self.moment}"


def points() -> Iterator[Point]:
    """All that are tried."""
    for target, sent, moment in product(("first", "other"), ("SIGKILL", "SIGTERM", "SIGSTOP"), _MOMENTS):
        yield Point(target, signal.Signals[sent], moment)
    for sent, moment in [*product(("SIGKILL", "SIGTERM"), _MOMENTS), *product(("SIGSTOP",), _MOMENTS[1:])]:
        yield Point("driver", signal.Signals[sent], moment)


def measure(root: Path, steps: int, count: int) -> dict[str, dict[str, Any]]:
    """A row for the calm run and one for every point."""
    from musegen.cluster.connect import connected
    from musegen.cluster.train import train_on_cluster

    with connected(2):
        job = _job(root, steps)
        began = time.monotonic()
        calm = _weights(train_on_cluster(_in_run(job, "calm")))
        rows: dict[str, dict[str, Any]] = {"calm": {"seconds": time.monotonic() - began}}
        for point in list(points())[:count]:
            run = _in_run(job, str(point).replace(" ", "-"))
            began = time.monotonic()
            result, row = _lose_driver(run, point) if point.target == "driver" else _lose_worker(run, point)
            row |= {"equal": _weights(result) == calm, "resumed_at": result.resumed_from_step}
            rows[str(point)] = row | {"seconds": time.monotonic() - began}
            print(point, rows[str(point)], file=sys.stderr, flush=True)
    return rows


def _lose_worker(job: "TrainingJob", point: Point) -> tuple["TrainingResult", dict[str, Any]]:
    from musegen.cluster.train import train_on_cluster

    sent: list[float] = []

    def lose() -> None:
        _wait_for(job, point.moment, os.getpid())
        victim = _ranks(job.run, os.getpid())[0 if point.target == "first" else 1]
        sent.append(time.time())
        victim.send_signal(point.sent)

    thread = threading.Thread(target=lose, daemon=True)
    thread.start()
    result = train_on_cluster(job)
    thread.join()
    detected = next(moment for moment in _failures() if moment > sent[0] - 0.5)
    row = {"detection_seconds": detected - sent[0], "recovery_seconds": _first_word(job, detected) - detected}
    return result, row


def _lose_driver(job: "TrainingJob", point: Point) -> tuple["TrainingResult", dict[str, Any]]:
    from musegen.cluster.train import train_on_cluster

    path = job.run / "job.pickle"
    path.write_bytes(pickle.dumps(job))
    driver = subprocess.Popen([sys.executable, "-m", "benchmarks.kills", "--drive", str(path)], cwd=_HERE)
    _wait_for(job, point.moment, driver.pid)
    sent = time.time()
    driver.send_signal(point.sent)
    if point.sent is signal.SIGSTOP:
        time.sleep(_SLEEP_SECONDS)
        driver.send_signal(signal.SIGCONT)
        driver.wait()
        return train_on_cluster(job), {}
    driver.wait()
    again = time.time()
    row = {"leaving_seconds": again - sent} if point.sent is signal.SIGTERM else {}
    result = train_on_cluster(job)
    return result, {**row, "recovery_seconds": _first_word(job, again) - again}


def _wait_for(job: "TrainingJob", moment: str, driver: int) -> None:
    """Return when the workers are there, half of the steps are done, or a checkpoint after that is being written."""
    from musegen.cluster.train import CHECKPOINTS, PROGRESS
    from musegen.training import journal

    while not (workers := _ranks(job.run, driver)) or not _holds_lock(workers[0], job.run):
        time.sleep(0.05)
    if moment == "start":
        return
    while not any(word.step >= job.training.steps // 2 for word in journal.read(job.run / PROGRESS)[0]):
        time.sleep(0.02)
    while moment == "saving" and not any(path.name.startswith(".") for path in (job.run / CHECKPOINTS).iterdir()):
        time.sleep(0.001)


def _ranks(run: Path, driver: int) -> list[psutil.Process]:
    """The workers below a driver, the one that holds the lock of the run first."""
    found = []
    for process in psutil.Process(driver).children(recursive=True):
        try:
            if "RayTrainWorker" in " ".join(process.cmdline()) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return sorted(found, key=lambda process: not _holds_lock(process, run))


def _holds_lock(process: psutil.Process, run: Path) -> bool:
    from musegen.cluster.train import LOCK

    try:
        return any(file.path == str(run / LOCK) for file in process.open_files())
    except psutil.NoSuchProcess:
        return False


def _failures() -> list[float]:
    """When Ray's controllers said that workers failed, in seconds since 1970, ascending."""
    from ray._private.worker import global_worker

    logs = Path(global_worker.node.get_session_dir_path()) / "logs" / "train"
    lines = [line for path in logs.glob("ray-train-sys-controller-*.log") for line in path.read_text().splitlines()]
    said = [json.loads(line)["asctime"] for line in lines if "[FailurePolicy]" in line]
    return sorted(datetime.strptime(moment, "%Y-%m-%d %H:%M:%S,%f").timestamp() for moment in said)


def _first_word(job: "TrainingJob", after: float) -> float:
    from musegen.cluster.train import PROGRESS
    from musegen.training import journal

    words = [word.milliseconds / 1000 for word in journal.read(job.run / PROGRESS)[0]]
    return next(moment for moment in words if moment > after)


def _weights(result: "TrainingResult") -> str:
    return hashlib.sha256((result.best / "weights.safetensors").read_bytes()).hexdigest()


def _job(root: Path, steps: int) -> "TrainingJob":
    from musegen.cluster.shards import make_dataset
    from musegen.cluster.train import TrainingJob, Workers
    from musegen.models import TransformerSettings
    from musegen.prepare import ComposingRecipe, ComposingSettings, plan
    from musegen.tokens import TokenizerSettings
    from musegen.training import TrainingSettings
    from musegen.vocabulary import Vocabulary

    rows = corpora.tunes(root / "corpus", _TUNES)
    rows = [replace(row, split="train" if index % _VALID_EVERY else "valid") for index, row in enumerate(rows)]
    recipe, dataset = ComposingRecipe(ComposingSettings(shards=4), root / "corpus"), root / "data" / "composing"
    make_dataset(plan(rows, recipe), recipe, dataset)
    vocabulary = root / "vocabulary.json"
    Vocabulary.create(TokenizerSettings(), corpora.STYLES).save(vocabulary)
    training = TrainingSettings(
        steps=steps, global_batch=4, micro_batch=2, eval_every=50, checkpoint_every=50, patience=99, valid_pieces=4
    )
    model = TransformerSettings(layers=2, width=64, heads=2, window=64)
    return TrainingJob(dataset, root, vocabulary, model, training, Workers(frozen_seconds=_FROZEN_SECONDS))


def _in_run(job: "TrainingJob", name: str) -> "TrainingJob":
    run = job.run / "runs" / name
    run.mkdir(parents=True)
    return replace(job, run=run)


def _drive(path: Path) -> None:
    from musegen.cluster.connect import connected
    from musegen.cluster.train import train_on_cluster

    with connected(2):
        train_on_cluster(pickle.loads(path.read_bytes()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--drive", type=Path)
    asked = parser.parse_known_args()[0]
    if asked.drive:
        _drive(asked.drive)
    else:
        with TemporaryDirectory() as made:
            set_environment(Workspace(Path(made).resolve()))
            tell("kills", measure(Path(made).resolve(), asked.steps, asked.points))
