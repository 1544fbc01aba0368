"""Feeds a trainer: what it will ask for next is read, cut and put into batches by a thread, while it computes."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from musegen.training.batches import Batch, Piece, Window, batch_of, company, row_of
from musegen.training.order import Epoch, Order, Position
from musegen.training.source import Source
from musegen.training.world import World
from musegen.vocabulary import Vocabulary

_AHEAD = 4


@dataclass(frozen=True, eq=False)
class MicroBatch:
    """What a worker computes at once: the `number`-th part of the global batch at `position`.

    `targets` counts those of the whole global batch; `windows` (`order.WINDOW`) has none where the batch only keeps the
    other workers company; `is_last` ends this worker's part of the global batch.
    """

    position: Position
    number: int
    batch: Batch
    targets: int
    windows: NDArray[np.void]
    is_last: bool


class Shelf:
    """The pieces of the groups in use, and of those that come next, which are read meanwhile."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._reader = ThreadPoolExecutor(1, "musegen-read")
        self._groups: dict[int, Future[list[Piece]]] = {}

    def hold(self, groups: Sequence[int]) -> None:
        """Have these groups and no others; those that are not there are read, in this order."""
        if list(self._groups) != list(groups):
            before, self._groups = self._groups, {}
            for group in groups:
                self._groups[group] = before.get(group) or self._reader.submit(self._source.read, group)

    def piece(self, group: int, index: int) -> Piece:
        """A piece of a group that is held, as soon as it is read; raises what reading it raised."""
        return self._groups[group].result()[index]

    def close(self) -> None:
        """Read no more."""
        self._reader.shutdown(wait=True, cancel_futures=True)


class Feed:
    """This worker's micro-batches from `start` on, in order and without end; a few are made ahead.

    Worker r of n computes the micro-batches r, r + n, … of every global batch. Close it, or use it in `with`.
    """

    def __init__(self, source: Source, order: Order, vocabulary: Vocabulary, world: World, start: Position) -> None:
        self.waited_seconds = 0.0
        self._order, self._vocabulary, self._world = order, vocabulary, world
        self._shelf = Shelf(source)
        self._micro_batches = self._made(start)
        self._maker = ThreadPoolExecutor(1, "musegen-feed")
        self._ahead: deque[Future[MicroBatch]] = deque()
        self._refill()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def step(self) -> Iterator[MicroBatch]:
        """The micro-batches of the next global batch; raises what the source raised, `BadInput` above all."""
        while True:
            began = time.perf_counter()
            micro_batch = self._ahead.popleft().result()
            self.waited_seconds += time.perf_counter() - began
            self._refill()
            yield micro_batch
            if micro_batch.is_last:
                return

    def close(self) -> None:
        """End the threads; what was made ahead is dropped."""
        # The shelf in between: the thread may be waiting for pieces that nobody needs any more.
        self._maker.shutdown(wait=False, cancel_futures=True)
        self._shelf.close()
        self._maker.shutdown(wait=True)

    def _refill(self) -> None:
        while len(self._ahead) < _AHEAD:
            self._ahead.append(self._maker.submit(next, self._micro_batches))

    def _made(self, start: Position) -> Iterator[MicroBatch]:
        size, rank, windows_each = self._world.size, self._world.rank, self._order.settings.micro_batch
        rounds = -(-self._order.micro_batches // size)
        for position, windows in self._global_batches(start):
            targets = int((windows["stop"] - windows["start"] - (windows["start"] > 0)).sum())
            for number in range(rank, rounds * size, size):
                mine = windows[number * windows_each :][:windows_each]
                is_last = number + size >= rounds * size
                yield MicroBatch(position, number, self._batch(mine), targets, mine, is_last)

    def _global_batches(self, start: Position) -> Iterator[tuple[Position, NDArray[np.void]]]:
        """Positions and windows without end; the shelf holds what they and the block after them need."""
        epoch, following, position = Epoch(self._order, start.epoch), Epoch(self._order, start.epoch + 1), start
        while True:
            if position.epoch != epoch.number:
                epoch, following = following, Epoch(self._order, position.epoch + 1)
            touched = epoch.touched(position.batch)
            blocks = [*epoch.blocks, following.blocks[0]][touched.start : max(touched.stop, touched.start + 2)]
            self._shelf.hold(list(dict.fromkeys(group for block in blocks for group in block)))
            yield position, epoch.batch(position.batch)
            position = self._order.after(position)

    def _batch(self, windows: NDArray[np.void]) -> Batch:
        rows = []
        for group, piece, start, stop, hidden in windows:
            window = Window(int(piece), int(start), int(stop), int(start))
            rows.append(row_of(self._vocabulary, self._shelf.piece(int(group), window.piece), window, hidden))
        batch = batch_of(self._vocabulary, rows) if rows else company(self._vocabulary)
        return batch.pinned() if self._world.device.type == "cuda" else batch
