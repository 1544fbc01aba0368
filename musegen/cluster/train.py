"""Training on Ray: all accelerators of the cluster, else some processors, under one `TorchTrainer`."""

import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import ray.train
import torch
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchConfig, TorchTrainer, get_device, prepare_model
from ray.train.v2.api.exceptions import TrainingFailedError

from musegen.cluster.connect import cluster_cpus, cluster_gpus, connected
from musegen.errors import MusegenError
from musegen.models import ModelSettings
from musegen.shards import reader
from musegen.training import Progress, TrainingResult, TrainingSettings, World, train
from musegen.training.dataset import pieces_of
from musegen.vocabulary import Vocabulary

PROGRESS = "progress.jsonl"
_POLL_SECONDS = 0.5
_COLLECTIVE_TIMEOUT_SECONDS = 300
_FAILURES = 3


@dataclass(frozen=True)
class TrainingJob:
    """Everything a worker needs, found again on any machine: the dataset, the run's folder on shared disk, settings."""

    dataset: Path
    run: Path
    vocabulary: Path
    model: ModelSettings
    training: TrainingSettings


def train_on_cluster(
    job: TrainingJob, cpu_workers: int, on_progress: Callable[[Progress], None] = lambda progress: None
) -> TrainingResult:
    """Train until done; a run that was cut short goes on from its newest valid checkpoint.

    One worker an accelerator where the cluster has any, else `cpu_workers` of one thread each, as far as there are
    processors: the order of the data does not depend on it. Failed workers are replaced three times.
    """
    with connected():
        gpus = cluster_gpus()
        workers = gpus or max(1, min(cpu_workers, cluster_cpus()))
        work: Any = _work  # its result comes back from the first worker; the annotation of TorchTrainer knows none
        trainer = TorchTrainer(
            work,
            train_loop_config={"job": job},
            torch_config=TorchConfig(backend="nccl" if gpus else "gloo", timeout_s=_COLLECTIVE_TIMEOUT_SECONDS),
            scaling_config=ScalingConfig(num_workers=workers, use_gpu=bool(gpus)),
            run_config=RunConfig(
                # Never the name of an earlier run: Ray would resume its own state, and we resume ours.
                name=f"train-{uuid.uuid4().hex[:12]}",
                storage_path=str(job.run / "ray"),
                failure_config=FailureConfig(max_failures=_FAILURES),
            ),
        )
        try:
            with _following(job.run / PROGRESS, on_progress):
                outcome = trainer.fit()
        except TrainingFailedError as error:
            raise _explained(job, error) from error
    result = getattr(outcome, "return_value", None)
    if not isinstance(result, TrainingResult):
        raise MusegenError(f"{job.run}: training ended without a result ({outcome.error}); run it again")
    return result


def _explained(job: TrainingJob, error: TrainingFailedError) -> MusegenError:
    """What a worker said of itself, else that training failed, with the last words."""
    for failure in getattr(error, "worker_failures", {}).values():
        cause = getattr(failure, "cause", failure)
        if isinstance(cause, MusegenError):
            return cause
    last = next(reversed(str(error).strip().splitlines()), "no words")
    return MusegenError(f"{job.run}: training failed ({last}); what is saved stays, run it again to go on")


def _work(config: dict[str, Any]) -> TrainingResult:
    """What every worker runs."""
    job: TrainingJob = config["job"]
    context = ray.train.get_context()
    rank, size = context.get_world_rank(), context.get_world_size()
    torch.set_num_threads(1)
    vocabulary = Vocabulary.load(job.vocabulary)
    journal = job.run / PROGRESS

    def tell(progress: Progress) -> None:
        if rank == 0:
            with journal.open("a", encoding="utf-8") as file:
                file.write(json.dumps({**asdict(progress), "checkpoint": None}) + "\n")

    return train(
        job.training,
        job.model,
        vocabulary,
        pieces_of(reader.read(job.dataset, "train")),
        pieces_of(reader.read(job.dataset, "valid")),
        job.run / "checkpoints",
        World(rank, size, get_device(), prepare_model if size > 1 else lambda module: module),
        tell,
        lambda: False,
    )


@contextmanager
def _following(journal: Path, on_progress: Callable[[Progress], None]) -> Iterator[None]:
    """Hand every line that rank 0 writes from now on to `on_progress`."""
    journal.parent.mkdir(parents=True, exist_ok=True)
    journal.touch()
    over = threading.Event()

    def follow() -> None:
        with journal.open(encoding="utf-8") as file:
            file.seek(0, 2)
            unfinished = ""
            while True:
                last = over.is_set()
                unfinished += file.read()
                *lines, unfinished = unfinished.split("\n")
                for line in lines:
                    on_progress(Progress(**json.loads(line)))
                if last:
                    return
                time.sleep(_POLL_SECONDS)

    thread = threading.Thread(target=copy_context().run, args=(follow,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
