"""How long a trainer waits for data: our feed, a loop that makes its batches itself, and PyTorch's DataLoader.

`python -m benchmarks.feeding [--steps 40] [--json]`, with the sizes of the demo preset and made-up pieces of 64 bars.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset

from benchmarks.measuring import tell
from musegen.models import TransformerSettings
from musegen.score import SCORE_NOTE, Score
from musegen.theory import Meter
from musegen.tokens import TokenizerSettings
from musegen.training import InMemory, Piece, TrainingSettings, World
from musegen.training.batches import room_of
from musegen.training.feed import Feed, MicroBatch, Shelf
from musegen.training.learner import Learner
from musegen.training.order import Order, Position
from musegen.vocabulary import Conditions, Vocabulary

VOCABULARY = Vocabulary.create(TokenizerSettings(), ("made up",))
MODEL, SETTINGS = TransformerSettings(), TrainingSettings()


def pieces(count: int = 64) -> list[Piece]:
    """Four voices, 64 bars of quavers: 2,048 notes each."""
    random = np.random.default_rng(0)
    made = []
    for _ in range(count):
        rows = [
            (index * 240, 240, int(random.integers(40, 90)), 80, 0, voice) for voice in range(4) for index in range(512)
        ]
        score = Score.steady(np.array(sorted(rows), SCORE_NOTE), Meter(4, 4), 120.0)
        conditions = Conditions("made up", 120.0, None, Meter(4, 4), len(score.bars))
        made.append(Piece(VOCABULARY.tokenizer.encode(score), conditions, len(rows)))
    return made


class OneByOne:
    """The same micro-batches, each made when it is asked for."""

    def __init__(self, source: InMemory, order: Order) -> None:
        self._source, self._order = source, order

    def __iter__(self) -> Iterator[MicroBatch]:
        feed = object.__new__(Feed)
        feed._order, feed._vocabulary, feed._world = self._order, VOCABULARY, World()
        feed._shelf = Shelf(self._source)
        try:
            yield from feed._made(Position())
        finally:
            feed._shelf.close()


class Loaded(OneByOne, IterableDataset):  # type: ignore[type-arg]
    """The same for PyTorch's DataLoader, which has a process make them."""


def measured(micro_batches: Iterator[MicroBatch], steps: int) -> dict[str, float]:
    """Train; milliseconds a step, and the share of them that went by in waiting for a micro-batch."""
    learner, parts = Learner(SETTINGS, MODEL, VOCABULARY, World()), -(-SETTINGS.global_batch // SETTINGS.micro_batch)
    shares, durations = [], []
    for step in range(steps):
        began, waited = time.perf_counter(), 0.0
        for _ in range(parts):
            asked = time.perf_counter()
            micro_batch = next(micro_batches)
            waited += time.perf_counter() - asked
            learner.learn(step, micro_batch)
        learner.move(step)
        durations.append(time.perf_counter() - began)
        shares.append(waited / durations[-1])
    return {
        "milliseconds_a_step": 1000 * statistics.median(durations[3:]),
        "waiting_share": statistics.mean(shares[3:]),
        "waiting_share_median": statistics.median(shares[3:]),
    }


def main() -> None:
    """One thread computes, as a training worker's does."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=40)
    asked, _ = parser.parse_known_args()
    torch.set_num_threads(1)
    source = InMemory(pieces())
    order = Order(source.lengths, room_of(MODEL.window, VOCABULARY), SETTINGS)

    def fed(stack: ExitStack) -> Iterator[MicroBatch]:
        feed = stack.enter_context(Feed(source, order, VOCABULARY, World(), Position()))
        while True:
            yield from feed.step()

    ways: dict[str, Callable[[ExitStack], Iterator[MicroBatch]]] = {
        "our feed": fed,
        "batches made in the loop": lambda stack: iter(OneByOne(source, order)),
        "DataLoader, 1 process": lambda stack: iter(
            DataLoader(Loaded(source, order), batch_size=None, num_workers=1, prefetch_factor=4)
        ),
    }
    rows: dict[str, dict[str, Any]] = {}
    for name, way in ways.items():
        with ExitStack() as stack:
            rows[name] = measured(way(stack), asked.steps)
    made = list(islice(OneByOne(source, order), 3))
    began = time.thread_time()
    made += islice(OneByOne(source, order), 40)
    rows["making a step's batches, CPU"] = {
        "milliseconds_a_step": 1000 * (time.thread_time() - began) / 40 * SETTINGS.global_batch / SETTINGS.micro_batch
    }
    tell("feeding", rows)


if __name__ == "__main__":
    main()
