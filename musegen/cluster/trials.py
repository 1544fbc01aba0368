"""One trial of a search: settings, the worker that trains with them under Ray Tune, and what became of it."""

import math
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from filelock import FileLock, Timeout
from ray import tune

from musegen.cluster.train import LOCK, PROGRESS, STOP, TrainingJob
from musegen.errors import MusegenError
from musegen.space import Value
from musegen.training import Progress, TrainingResult, World, journal

State = Literal["finished", "stopped early", "out of time", "failed"]
Learner = Callable[[TrainingJob, World, Callable[[Progress], None], Callable[[], bool]], TrainingResult]
NUMBER, STEP, VALID, STATE, WHY = "number", "step", "valid_nll_per_note", "state", "why"
LEAVING_SECONDS = 60.0


@dataclass(frozen=True)
class Trial:
    """What became of one of the settings: `curve` has (step, valid nats a note) by evaluation, `why` is of failures.

    Number 0 is the settings that the gate refused.
    """

    number: int
    values: Mapping[str, Value]
    state: State
    curve: tuple[tuple[int, float], ...] = ()
    seconds: float = 0.0
    why: str = ""

    @property
    def steps(self) -> int:
        """The step of its last evaluation."""
        return self.curve[-1][0] if self.curve else 0

    @property
    def valid_nll_per_note(self) -> float | None:
        """Of its best weights, which are the ones that are kept; None where it was never evaluated, or failed."""
        return min((valid for _, valid in self.curve), default=None) if self.state != "failed" else None


@dataclass(frozen=True)
class Candidate:
    """Settings to be tried: what is trained, or, of a trial that is over already, what became of it."""

    number: int
    values: Mapping[str, Value]
    job: TrainingJob
    known: Trial | None = None


class Training(tune.Trainable):
    """One worker; each `step` waits for the next evaluation. It trains in a thread of its own, which `cleanup` lets
    save and leave."""

    def setup(  # type: ignore[override]  # Tune's `with_parameters` hands over the last two
        self, config: dict[str, Any], candidates: Sequence[Candidate], learner: Learner
    ) -> None:
        torch.set_num_threads(1)
        self._candidates = {candidate.number: candidate for candidate in candidates}
        self._learner = learner
        self._begin(config[NUMBER])

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self.cleanup()
        self._begin(new_config[NUMBER])
        return True

    def step(self) -> dict[str, Any]:
        return self._said.get()

    def cleanup(self) -> None:
        self._leave.set()
        self._thread.join(LEAVING_SECONDS)

    def _begin(self, number: int) -> None:
        self._said: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._leave = threading.Event()
        work = _Work(self._candidates[number], self._learner, self._said.put, self._leave)
        self._thread = threading.Thread(target=work.run, daemon=True)
        self._thread.start()


class _Work:
    """Trains a candidate, and says what Tune has to know: each evaluation once, and how it ended."""

    def __init__(
        self, candidate: Candidate, learner: Learner, say: Callable[[dict[str, Any]], None], leave: threading.Event
    ) -> None:
        self._candidate, self._learner, self._say, self._leave = candidate, learner, say, leave
        self._told = 0
        self._diverged_at: int | None = None

    def run(self) -> None:
        known = self._candidate.known
        if known is not None:
            self._tell_curve(known.curve)
            self._end(known.state, known.why)
            return
        if self._should_stop():
            self._end("out of time", "it was not begun")
            return
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        job = self._candidate.job
        try:
            job.run.mkdir(parents=True, exist_ok=True)
            with FileLock(job.run / LOCK, timeout=LEAVING_SECONDS):
                result = self._learner(job, World(0, 1, device), self._hear, self._should_stop)
        except Exception as error:
            self._end("failed", words_of(error))
            return
        # What an earlier process evaluated is not said again while training goes on.
        self._tell_curve([(each.step, each.valid_nll_per_note) for each in result.history])
        if self._diverged_at is not None:
            self._end("failed", f"it diverged at step {self._diverged_at}")
        else:
            self._end("out of time" if result.interrupted else "finished", "")

    def _hear(self, progress: Progress) -> None:
        journal.append(self._candidate.job.run / PROGRESS, progress)
        valid = progress.valid_nll_per_note
        if not math.isfinite(progress.train_nll_per_token) or (valid is not None and not math.isfinite(valid)):
            self._diverged_at = self._diverged_at or progress.step
        elif valid is not None:
            self._tell_curve([(progress.step, valid)])

    def _should_stop(self) -> bool:
        asked = self._leave.is_set() or (self._candidate.job.run / STOP).exists()
        return asked or self._diverged_at is not None

    def _tell_curve(self, curve: Sequence[tuple[int, float | None]]) -> None:
        for step, valid in curve:
            if step > self._told and valid is not None and math.isfinite(valid):
                self._told = step
                self._say({STEP: step, VALID: valid})

    def _end(self, state: State, why: str) -> None:
        self._say({"done": True, STATE: state, WHY: why})


def words_of(error: Exception) -> str:
    """Why a trial failed, in one line."""
    if isinstance(error, Timeout):
        return "another training of these settings is at work"
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return "it ran out of memory"
    words = next(iter(str(error).strip().splitlines()), "")
    return words if isinstance(error, MusegenError) else f"{type(error).__name__}: {words}"
