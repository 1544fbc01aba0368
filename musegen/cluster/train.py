"""Training on Ray: all accelerators of the cluster, else some processors, under one `TorchTrainer`.

The run's folder is on a disk that all machines share, and all that was learnt lies there as checkpoints. So any process
may die: Ray starts the workers anew, and after the driver's death the next call goes on. One training writes at a time.
"""

import logging
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import ray.train
import torch
from filelock import FileLock, Timeout
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer, get_device, prepare_model

from musegen.cluster.connect import cluster_cpus, cluster_gpus, connected, free_cpus, free_gpus
from musegen.cluster.fitting import WHERE_NO_PLACE, Fit, NoReplacement
from musegen.errors import BadInput, Unavailable
from musegen.models import ModelSettings
from musegen.shards import elsewhere, manifest, reader
from musegen.training import Progress, ShardSource, TrainingResult, TrainingSettings, World, journal, train
from musegen.training.dataset import pieces_of
from musegen.vocabulary import Vocabulary

PROGRESS, CHECKPOINTS, STOP, LOCK = "progress.jsonl", "checkpoints", "stop", "training.lock"
"""In a run's folder: the journal, the checkpoints, what asks the workers to save and leave, what the first holds."""

_POLL_SECONDS = 0.2
# Workers of a driver that died live on for a moment, and a step may be long; nobody waits for ever.
_PATIENCE_SECONDS = 60.0
# Workers may be as far apart as reading their shards takes.
_COLLECTIVE_TIMEOUT_SECONDS = 300
# How long Ray waits for the places of lost workers to come back before it tries with fewer.
_START_SECONDS = 100
# How long nobody may be at work before that is said, and before the training is given up.
_SAID_SECONDS, _PLACES_SECONDS = 30.0, 300.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Workers:
    """Who trains: one worker an accelerator, else `cpu` of one thread each, as far as there are processors.

    With `least` above 0, training goes on with fewer workers, down to that many, where machines are lost. `sharding`:
    each holds the whole model (`none`) or a part of it (`full`). Lost workers are replaced `failures` times; one that
    says nothing for `frozen_seconds` is lost.
    """

    cpu: int = 2
    least: int = 0
    sharding: Literal["none", "full"] = "none"
    failures: int = 8
    frozen_seconds: float = 30.0


@dataclass(frozen=True)
class TrainingJob:
    """Everything a worker needs, found again on any machine: the dataset, the run's folder on shared disk, settings.

    `dataset` is the folder of the workspace; the shards may lie in a bucket that it names. With `data_sha256`, the
    training ends where the dataset is another one.
    """

    dataset: Path
    run: Path
    vocabulary: Path
    model: ModelSettings
    training: TrainingSettings
    workers: Workers = field(default_factory=Workers)
    data_sha256: str = ""


def train_on_cluster(
    job: TrainingJob, on_progress: Callable[[Progress], None] = lambda progress: None
) -> TrainingResult:
    """Train until done; a run that was cut short goes on from its newest valid checkpoint.

    Every line of the journal is handed to `on_progress` as it comes; an `Exception` of it is said once, and no more.
    What else is raised in this thread, by a signal above all, lets the workers save and leave before it goes on. Raises
    `Unavailable` where another training of this run does not end or the workers get no places for minutes, and what a
    worker raises of musegen's own errors; for all others lost workers are replaced.
    """
    _begin(job.run)
    with connected(), _environment(job.workers):
        fit, patience, hear = Fit(lambda: _trainer(job), job.workers.failures), _Patience(job), _unharmed(on_progress)
        told = _size(job.run / PROGRESS)
        fit.start()
        try:
            while fit.is_alive():
                fit.join(_POLL_SECONDS)
                told = _tell(job.run / PROGRESS, told, hear)
                patience.look()
            _tell(job.run / PROGRESS, told, hear)
        except BaseException:
            _save_and_leave(job.run, fit)
            raise
    shutil.rmtree(job.run / "ray", ignore_errors=True)
    return fit.result(job.run)


def learn(job: TrainingJob, world: World, tell: Callable[[Progress], None], stop: Callable[[], bool]) -> TrainingResult:
    """Train as one worker of `world`, or alone: what runs on the machines of the cluster.

    Raises `BadInput` (reason "changed") where the dataset is not the one of the job any more.
    """
    torch.set_num_threads(1)
    place = elsewhere.place_of(job.dataset)
    source, valid = ShardSource(place, "train"), pieces_of(reader.read(place, "valid"))
    ensure_unchanged(job)  # now that all of it is open: a commit may have fallen between
    vocabulary = Vocabulary.load(job.vocabulary)
    return train(job.training, job.model, vocabulary, source, valid, job.run / CHECKPOINTS, world, tell, stop)


def ensure_unchanged(job: TrainingJob) -> None:
    """Raise `BadInput` (reason "changed") where the dataset is another than the one that the job was made for."""
    if job.data_sha256 and manifest.load(elsewhere.place_of(job.dataset)).data_sha256 != job.data_sha256:
        words = f"{job.dataset}: the dataset changed while training; run `musegen retrain` again"
        raise BadInput(words, "changed")


def _work(config: dict[str, Any]) -> TrainingResult:
    """What Ray runs on every worker."""
    job: TrainingJob = config["job"]
    context = ray.train.get_context()
    rank, size = context.get_world_rank(), context.get_world_size()
    world = World(rank, size, get_device(), prepare_model, job.workers.sharding)

    def tell(progress: Progress) -> None:
        if rank == 0:
            journal.append(job.run / PROGRESS, progress)

    with _alone(job.run, world):
        return learn(job, world, tell, lambda: rank == 0 and (job.run / STOP).exists())


@contextmanager
def _alone(run: Path, world: World) -> Iterator[None]:
    """The first worker holds the lock of the run; all raise `Unavailable` where it can't have it."""
    lock = FileLock(run / LOCK, timeout=_PATIENCE_SECONDS, thread_local=False)
    if world.rank == 0:
        with suppress(Timeout):
            lock.acquire()
    try:
        if world.agreed("ours" if lock.is_locked else None) is None:
            raise _taken(run)
        yield
    finally:
        lock.release()


def _begin(run: Path) -> None:
    """Wait until an earlier training of this run has left; take away what asked it to."""
    run.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(run / LOCK, timeout=_PATIENCE_SECONDS):
            (run / STOP).unlink(missing_ok=True)
    except Timeout:
        raise _taken(run) from None


def _taken(run: Path) -> Unavailable:
    return Unavailable(f"{run}: another training of this run is at work; let it finish, or stop it")


def _trainer(job: TrainingJob) -> TorchTrainer:
    gpus, wanted, most = cluster_gpus(), job.workers, _most(job.workers)
    number = (min(wanted.least, most), most) if wanted.least else most
    return TorchTrainer(
        cast(Any, _work),  # its result comes back from the first worker; the annotation knows of none
        train_loop_config={"job": job},
        torch_config=TorchConfig(backend="nccl" if gpus else "gloo", timeout_s=_COLLECTIVE_TIMEOUT_SECONDS),
        # A pair is a range; the annotations are those of Ray's older trainers.
        scaling_config=ScalingConfig(num_workers=cast(Any, number), use_gpu=bool(gpus)),
        run_config=RunConfig(
            # Never the name of an earlier run: Ray would resume its own state, and we resume ours.
            name=f"train-{uuid.uuid4().hex[:12]}",
            storage_path=str(job.run.resolve() / "ray"),
            failure_config=cast(Any, FailureConfig)(
                max_failures=wanted.failures, controller_failure_limit=int(_PLACES_SECONDS // _START_SECONDS)
            ),
            callbacks=cast(Any, [NoReplacement()]),
        ),
    )


def _most(workers: Workers) -> int:
    """How many workers are asked for."""
    return cluster_gpus() or max(1, min(workers.cpu, cluster_cpus()))


class _Patience:
    """Says that nobody is at work, since the places are taken; gives up after minutes, where Ray would wait on."""

    def __init__(self, job: TrainingJob) -> None:
        self._job = job
        self._since = self._looked = time.monotonic()
        self._said = False

    def look(self) -> None:
        """Look from time to time; raises `Unavailable` where it was too long."""
        now = time.monotonic()
        if now < self._looked + 1:
            return
        self._looked = now
        if _is_at_work(self._job.run):
            self._since, self._said = now, False
        elif now > self._since + _PLACES_SECONDS:
            raise Unavailable(f"{self._words()}; {WHERE_NO_PLACE}")
        elif now > self._since + _SAID_SECONDS and not self._said:
            self._said = True
            _log.warning("%s; it waits up to %.0f s for them", self._words(), _PLACES_SECONDS)

    def _words(self) -> str:
        gpus = cluster_gpus()
        free = f"{free_gpus()} of {gpus} accelerators" if gpus else f"{free_cpus()} of {cluster_cpus()} processors"
        least = f" (at least {self._job.workers.least})" if self._job.workers.least else ""
        return f"{self._job.run}: training asks for {_most(self._job.workers)} workers{least}, {free} are free"


@contextmanager
def _environment(workers: Workers) -> Iterator[None]:
    """The settings that Ray Train's controller takes from the environment of the driver."""
    settings = {
        "RAY_TRAIN_WORKER_HEALTH_CHECK_TIMEOUT_S": str(workers.frozen_seconds),
        "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": str(_START_SECONDS),
    }
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _unharmed(on_progress: Callable[[Progress], None]) -> Callable[[Progress], None]:
    """The listener, whose exceptions cost no training: the first is said."""
    said = False

    def hear(progress: Progress) -> None:
        nonlocal said
        try:
            on_progress(progress)
        except Exception as error:  # whatever it is, the training goes on
            if not said:
                _log.warning("who listens to the training failed (%r); the training goes on", error)
            said = True

    return hear


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _tell(path: Path, offset: int, on_progress: Callable[[Progress], None]) -> int:
    words, offset = journal.read(path, offset)
    for progress in words:
        on_progress(progress)
    return offset


def _save_and_leave(run: Path, fit: Fit) -> None:
    """Ask the workers to stop, and wait until they have saved; where none is at work yet, nothing is lost."""
    fit.is_unwanted.set()
    (run / STOP).touch()
    patience = time.monotonic() + _PATIENCE_SECONDS
    while fit.is_alive() and _is_at_work(run) and time.monotonic() < patience:
        fit.join(_POLL_SECONDS)
    fit.end()


def _is_at_work(run: Path) -> bool:
    try:
        with FileLock(run / LOCK, timeout=0):
            return False
    except Timeout:
        return True
