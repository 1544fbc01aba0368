"""What Ray, MLflow, DVC and Prefect take: the same training as bare Python and as the flow does it.

    python -m benchmarks.orchestration [--minutes 3] [--json]

The model and the settings of params.yaml on tunes made on the spot, with as many steps as fill `--minutes`. Bare: two
gloo processes of `torch.multiprocessing` that call `train` on the same shards. Flow: `train-model` in a workspace,
embedded services and all. Both in processes of their own, from start to exit; `more_percent` is the flow's share more.
The parts of the flow are told by the clock: imports; Prefect's server; what comes before Ray, MLflow's database among
it; Ray's start; workers until their tenth step; the steps from there; workers leaving; plots, samples and publication;
DVC's record; and the end of the process. `steps` stands in both rows: what it is more is what MLflow's spool, sample
pieces, Ray's health checks, or the machine, took meanwhile.
"""

import argparse
import hashlib
import json
import os
import pickle
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from benchmarks import corpora
from benchmarks.measuring import tell
from musegen.workspace import Workspace, set_environment

if TYPE_CHECKING:
    from musegen.cluster.train import TrainingJob
    from musegen.training import Progress

_HERE = Path(__file__).parent.parent
_TUNES, _TENTH, _TRIED_STEPS, _WORKERS = 240, 10, 60, 2


def measure(root: Path, minutes: float) -> dict[str, dict[str, Any]]:
    """A row for each of both."""
    workspace = Workspace(root)
    _prepare(workspace)
    tried = _bare(root, _TRIED_STEPS)
    steps = max(_TRIED_STEPS, round(minutes * 60 / (tried["steps"] / (_TRIED_STEPS - _TENTH))))
    bare, flow = _bare(root, steps), _flow(workspace, steps)
    more = flow["seconds"] - bare["seconds"]
    flow |= {"more_seconds": more, "more_percent": 100 * more / bare["seconds"]}
    return {"bare": bare, "flow": flow}


def _prepare(workspace: Workspace) -> None:
    """The composing dataset of made tunes, under DVC."""
    from musegen import params, versions
    from musegen.cluster.connect import connected
    from musegen.cluster.shards import make_dataset
    from musegen.prepare import ComposingRecipe, plan

    corpus = workspace.root / "corpus"
    rows = corpora.tunes(corpus, _TUNES)
    splits = ("valid", "test", *["train"] * 8)
    rows = [replace(row, split=splits[index % len(splits)]) for index, row in enumerate(rows)]
    params.write_template(workspace.root, "demo", str(corpus))
    recipe = ComposingRecipe(params.load(workspace.params).composing, corpus)
    with connected(_WORKERS):
        make_dataset(plan(rows, recipe), recipe, workspace.composing)
    versions.start(workspace)


def _bare(root: Path, steps: int) -> dict[str, Any]:
    run = root / f"bare-{steps}"
    run.mkdir()
    job = _job(Workspace(root), run, steps)
    path = run / "job.pickle"
    path.write_bytes(pickle.dumps(job))
    return _timed(["--bare", str(path)], run)


def _flow(workspace: Workspace, steps: int) -> dict[str, Any]:
    yaml = YAML()
    content = yaml.load(workspace.params)
    content["generator"]["training"] |= {"steps": steps, "patience": steps}
    content["generator"]["cpu_workers"] = _WORKERS
    yaml.dump(content, workspace.params)
    return _timed(["--flow"], workspace.root)


def _timed(words: list[str], folder: Path) -> dict[str, Any]:
    """Seconds from start to exit of a process, and of the parts that it left in `marks.json` of the folder."""
    began = time.time()
    command = [sys.executable, "-m", "benchmarks.orchestration", *words]
    environment = os.environ | {"PYTHONPATH": str(_HERE)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    ended = time.time()
    if done.returncode:
        raise SystemExit(done.stdout[-3000:] + done.stderr[-3000:])
    told = json.loads((folder / "marks.json").read_text())
    moments = [("began", began), *told["marks"], ("end", ended)]
    parts = {name: after - before for (_, before), (name, after) in pairwise(moments)}
    return {"seconds": ended - began, **parts, "weights": told["weights"][:12]}


def _job(workspace: Workspace, run: Path, steps: int) -> "TrainingJob":
    from musegen import params
    from musegen.cluster.train import TrainingJob
    from musegen.vocabulary import Vocabulary

    section = params.load(workspace.params).generator
    vocabulary = run / "vocabulary.json"
    Vocabulary.create(params.load(workspace.params).composing.tokens, corpora.STYLES).save(vocabulary)
    training = section.training.model_copy(update={"steps": steps, "patience": steps})
    return TrainingJob(workspace.composing, run, vocabulary, section.model, training)


def run_bare(path: Path) -> None:
    """Train without anyone's help."""
    import torch.multiprocessing as processes

    job = pickle.loads(path.read_bytes())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes.spawn(_rank, (job, port), nprocs=_WORKERS)


def _rank(rank: int, job: "TrainingJob", port: int) -> None:
    import torch
    import torch.distributed as dist
    from torch.nn.parallel import DistributedDataParallel

    from musegen.shards import reader
    from musegen.training import ShardSource, World, train
    from musegen.training.dataset import pieces_of
    from musegen.vocabulary import Vocabulary

    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=_WORKERS)
    told: list[Progress] = []
    result = train(
        job.training,
        job.model,
        Vocabulary.load(job.vocabulary),
        ShardSource(job.dataset, "train"),
        pieces_of(reader.read(job.dataset, "valid")),
        job.run / "checkpoints",
        World(rank, _WORKERS, wrap=DistributedDataParallel),
        told.append,
    )
    dist.destroy_process_group()
    if rank == 0:
        _leave(job.run, [("workers", _at(told, _TENTH)), ("steps", told[-1].milliseconds / 1000)], result.best)


def run_flow() -> None:
    """The flow, with a look at the clock between its parts."""
    import ray

    from flows.train import train_model
    from musegen import versions
    from musegen.cluster.train import PROGRESS
    from musegen.stages import generator
    from musegen.training import journal

    clock = _Clock()
    clock.mark("imports")
    clock.listen(generator, "train_generator", "prefect", "publication")
    clock.listen(ray, "init", "before_ray", "ray")
    clock.listen(generator, "train_on_cluster", None, "leaving")
    clock.listen(versions, "record", None, "dvc")
    workspace = Workspace.current()
    fitted = train_model()
    told = journal.read(next(workspace.runs.glob("generator-*")) / PROGRESS)[0]
    clock.marks += [("workers", _at(told, _TENTH)), ("steps", told[-1].milliseconds / 1000)]
    _leave(workspace.root, sorted(clock.marks, key=lambda mark: mark[1]), fitted.result.best)


class _Clock:
    """Notes when functions are entered and left."""

    def __init__(self) -> None:
        self.marks: list[tuple[str, float]] = []

    def mark(self, name: str | None) -> None:
        if name:
            self.marks.append((name, time.time()))

    def listen(self, module: Any, function: str, entered: str | None, left: str | None) -> None:
        inner: Callable[..., Any] = getattr(module, function)

        def outer(*arguments: Any, **named: Any) -> Any:
            self.mark(entered)
            result = inner(*arguments, **named)
            self.mark(left)
            return result

        setattr(module, function, outer)


def _at(told: "list[Progress]", step: int) -> float:
    return next(word.milliseconds / 1000 for word in told if word.step >= step)


def _leave(folder: Path, marks: list[tuple[str, float]], best: Path) -> None:
    weights = hashlib.sha256((best / "weights.safetensors").read_bytes()).hexdigest()
    (folder / "marks.json").write_text(json.dumps({"marks": marks, "weights": weights}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--bare", type=Path)
    parser.add_argument("--flow", action="store_true")
    asked = parser.parse_known_args()[0]
    if asked.bare:
        run_bare(asked.bare)
    elif asked.flow:
        run_flow()
    else:
        with TemporaryDirectory() as made:
            home = Path(made).resolve()
            set_environment(Workspace(home))
            tell("orchestration", measure(home, asked.minutes))
