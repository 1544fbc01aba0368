"""Small runs for the tests of training: what is learnt from, how, and by how many real processes."""

import hashlib
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch.nn.parallel import DistributedDataParallel

from musegen.models import TransformerSettings
from musegen.score import SCORE_NOTE, Score
from musegen.shards import manifest
from musegen.shards.schema import SCHEMA, Example, to_table
from musegen.shards.writer import ShardWriter, composing_totals, shard_path
from musegen.theory import Meter
from musegen.tokens import TokenizerSettings
from musegen.training import Piece, ShardSource, TrainingResult, TrainingSettings, World, train
from musegen.training.run import Passage
from musegen.vocabulary import Conditions, Vocabulary

VOCABULARY = Vocabulary.create(TokenizerSettings(), ("scale",))
MODEL = TransformerSettings(layers=1, width=16, heads=1, window=48, dropout=0.1)
SETTINGS = TrainingSettings(steps=20, global_batch=4, micro_batch=2, eval_every=5, checkpoint_every=5, seed=3)
STREAMED = SETTINGS.model_copy(update={"steps": 12, "global_batch": 5, "micro_batch": 1, "shuffle_pieces": 8})
"""For `dataset`: several blocks an epoch, one and a half epochs, batches that no number of workers divides."""


def pieces(count: int, seed: int, notes: int = 24) -> list[Piece]:
    """Tunes of one style, each another one."""
    random = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        pitches = 60 + np.cumsum(random.integers(-2, 3, notes))
        rows = [(index * 240, 240, int(pitch), 80, 0, 0) for index, pitch in enumerate(pitches)]
        score = Score.steady(np.array(rows, SCORE_NOTE), Meter(4, 4), 100.0)
        conditions = Conditions("scale", 100.0, None, Meter(4, 4), len(score.bars))
        made.append(Piece(VOCABULARY.tokenizer.encode(score), conditions, len(rows)))
    return made


def dataset(folder: Path, count: int = 24, shards: int = 3) -> Path:
    """The same tunes as a committed dataset, a few to a row group."""
    said = ("file", 1.0)
    rows = [
        Example(f"{index:08x}", f"{index}", 0, f"{index}", "train", piece.conditions.style, *said, *said, *said, *said,
                *said, piece.conditions.bpm, None, "4/4", piece.conditions.bars, piece.notes, 0, 1.0, "f", piece.tokens)
        for index, piece in enumerate(pieces(count, 1))
    ]  # fmt: skip
    entries = []
    for index in range(shards):
        path = shard_path("train", index, shards)
        with ShardWriter(folder, path, SCHEMA, "f", composing_totals, row_group_bytes=900) as shard:
            shard.add(to_table(rows[index::shards]))
            entries.append(shard.close())
    manifest.commit(folder, manifest.Manifest(tuple(entries)))
    return folder


def run(
    folder: Path,
    settings: TrainingSettings = SETTINGS,
    model: Any = MODEL,
    world: World | None = None,
    source: Any = None,
    **more: Any,
) -> TrainingResult:
    return train(settings, model, VOCABULARY, source or pieces(12, 1), pieces(4, 2), folder, world, **more)


def sha256(result: TrainingResult) -> str:
    """Of the finished weights."""
    return hashlib.sha256((result.best / "weights.safetensors").read_bytes()).hexdigest()


class StopAt:
    """Asks for the end after so many steps, as a preempted machine would."""

    def __init__(self, step: int) -> None:
        self.left = step

    def __call__(self) -> bool:
        self.left -= 1
        return self.left == 0


@dataclass(frozen=True)
class Told:
    """What one worker says of its run."""

    result: TrainingResult
    weights: str
    passages: dict[int, list[Passage]]


def work(
    rank: int,
    size: int,
    meeting: Path,
    folder: Path,
    settings: TrainingSettings,
    model: Any,
    shards: Path | None = None,
    stop: int = 0,
    sharding: Literal["none", "full"] = "none",
) -> Told:
    """One of `size` workers of a run, which meet at the file `meeting`."""
    torch.set_num_threads(1)
    passages: dict[int, list[Passage]] = {}
    source = ShardSource(shards, "train") if shards else None
    more = {"on_windows": passages.__setitem__, "stop": StopAt(stop)}
    if size == 1:
        result = run(folder, settings, model, World(), source, **more)
        return Told(result, sha256(result), passages)
    torch.distributed.init_process_group("gloo", f"file://{meeting}", rank=rank, world_size=size)
    try:
        world = World(rank, size, wrap=DistributedDataParallel, sharding=sharding)
        result = run(folder, settings, model, world, source, **more)
        return Told(result, sha256(result), passages)
    finally:
        torch.distributed.destroy_process_group()


class Crew:
    """Processes that work together, as many as are asked for; they import everything once.

    Each keeps its rank: what PyTorch remembers of tensors in parts outlives their process group.
    """

    def __init__(self, pools: Sequence[ProcessPoolExecutor], folder: Path) -> None:
        self._pools, self._folder, self._meetings = pools, folder, 0

    def __call__(self, size: int, *arguments: Any, **more: Any) -> list[Told]:
        """`work(rank, size, …)` of every rank."""
        self._meetings += 1
        meeting = self._folder / f"meeting-{self._meetings}"
        asked = [self._pools[rank].submit(work, rank, size, meeting, *arguments, **more) for rank in range(size)]
        return [each.result(60) for each in asked]


@contextmanager
def crew(folder: Path) -> Iterator[Crew]:
    """A crew of up to four."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.training.runs"])
    with ExitStack() as stack:
        pools = [stack.enter_context(ProcessPoolExecutor(1, mp_context=context)) for _ in range(4)]
        yield Crew(pools, folder)


def in_order(told: Sequence[Told], settings: TrainingSettings) -> list[list[Passage]]:
    """What all workers together computed, step by step, in the order of the global batch."""
    steps = []
    for step in sorted(told[0].passages):
        left = [list(each.passages[step]) for each in told]
        whole: list[Passage] = []
        while any(left):
            for mine in left:
                whole += mine[: settings.micro_batch]
                del mine[: settings.micro_batch]
        steps.append(whole)
    return steps
