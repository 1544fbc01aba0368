"""Writes checkpoints while training goes on: the trainer only waits where the one before is not yet on disk."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from torch import Tensor

from musegen.training import checkpoint


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A state in memory of its own: tensors by file, what else there is, and the step of the best weights (0: none).

    `new_best` are these weights by name where they are not on disk yet.
    """

    step: int
    tensors: Mapping[str, Mapping[str, Tensor]]
    state: Mapping[str, Any]
    best_step: int
    new_best: Mapping[str, Tensor] | None


class Saver:
    """Puts snapshots on disk in `folder`, one after the other, in a thread; the newest `keep` of them stay.

    `write_best` makes the files of best weights. An error of the thread is raised by the next call.
    """

    def __init__(self, folder: Path, keep: int, write_best: Callable[[Path, Mapping[str, Tensor]], None]) -> None:
        self._folder, self._keep, self._write_best = folder, keep, write_best
        self._thread = ThreadPoolExecutor(1, "musegen-save")
        self._writing: Future[Path] | None = None
        self._saved: Path | None = None
        checkpoint.sweep(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._thread.shutdown(wait=True)

    def save(self, snapshot: Snapshot) -> None:
        """Have it written as soon as the one before is."""
        self._settle()
        self._writing = self._thread.submit(self._write, snapshot)

    def newly_saved(self, wait: bool = False) -> Path | None:
        """The checkpoint that has come to lie whole on disk since this was last asked; `wait` for what is under way."""
        if self._writing and (wait or self._writing.done()):
            self._settle()
        saved, self._saved = self._saved, None
        return saved

    def save_best(self, step: int, weights: Mapping[str, Tensor]) -> Path:
        """Write the best weights, at once."""
        return checkpoint.save_best(self._folder, step, lambda draft: self._write_best(draft, weights))

    def _settle(self) -> None:
        writing, self._writing = self._writing, None
        if writing:
            self._saved = writing.result()

    def _write(self, snapshot: Snapshot) -> Path:
        best = checkpoint.best_path(self._folder, snapshot.best_step) if snapshot.best_step else None
        if snapshot.new_best is not None:
            self.save_best(snapshot.best_step, snapshot.new_best)
        saved = checkpoint.save(self._folder, snapshot.step, snapshot.tensors, snapshot.state, best)
        checkpoint.retain(self._folder, saved, self._keep)
        return saved
