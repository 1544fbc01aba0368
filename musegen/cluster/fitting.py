"""`fit` of Ray Train in a thread of its own, and what is to be said of the ways in which it fails."""

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ray
import ray._private.state
from ray.exceptions import RayActorError
from ray.train import Result
from ray.train.torch import TorchTrainer
from ray.train.v2._internal.exceptions import WorkerGroupStartupTimeoutError
from ray.train.v2.api.callback import UserCallback
from ray.train.v2.api.exceptions import TrainingFailedError

from musegen.errors import MusegenError, Unavailable
from musegen.training import TrainingResult

WHERE_NO_PLACE = "wait until other work has left, or set generator.least_workers to begin with fewer, then run again"
"""What to do about a cluster whose places are taken."""

_ENDING_SECONDS = 20.0
_WRAPPINGS = ("_base_exc", "controller_failure", "cause")


class NoReplacement(UserCallback):
    """Ends a training in which a worker raised an error of musegen's own, which another worker would raise as well."""

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:
        explained = _explained(worker_exceptions)
        if explained is not None and not isinstance(explained, Unavailable):
            raise explained


class Fit(threading.Thread):
    """`fit` beside the driver's main thread: there it would keep SIGINT to itself, and the journal would wait."""

    def __init__(self, trainer: Callable[[], TorchTrainer], failures: int) -> None:
        super().__init__(name="ray-train", daemon=True)
        self._trainer, self._failures = trainer, failures
        self._outcome: Result | None = None
        self._error: BaseException | None = None
        self.is_unwanted = threading.Event()

    def run(self) -> None:
        for _ in range(self._failures + 1):
            try:
                self._outcome, self._error = self._trainer().fit(), None
            except BaseException as error:  # told where the driver waits
                self._error = error
            # Ray replaces a worker that dies at work; over one that dies while the group starts, it gives up, and the
            # controller itself may die.
            death = getattr(self._error, "controller_failure", self._error)
            if self.is_unwanted.is_set() or not isinstance(death, RayActorError):
                return

    def end(self) -> None:
        """Kill the controller that this thread waits for: were Ray shut down under it, the process would crash."""
        until = time.monotonic() + _ENDING_SECONDS
        while self.is_alive() and time.monotonic() < until:
            job = ray.JobID.from_hex(ray.get_runtime_context().get_job_id())
            for number, actor in ray._private.state.actors(job_id=job).items():
                if "TrainController" in actor["ActorClassName"]:
                    # Ray hands out no handle of it.
                    core: Any = ray._private.worker.global_worker
                    core.core_worker.kill_actor(ray.ActorID.from_hex(number), True)
            self.join(1)

    def result(self, run: Path) -> TrainingResult:
        """What the first worker returned; raises what a worker said of itself, else that training failed.

        `Unavailable` where the workers got no places.
        """
        if isinstance(getattr(self._error, "controller_failure", None), WorkerGroupStartupTimeoutError):
            raise Unavailable(f"{run}: the workers got no places on the cluster; {WHERE_NO_PLACE}") from self._error
        if isinstance(self._error, TrainingFailedError):
            explained = _explained(getattr(self._error, "worker_failures", {0: self._error}))
            last = next(reversed(str(self._error).strip().splitlines()), "no words")
            raise explained or MusegenError(
                f"{run}: training failed ({last}); what is saved stays, run it again to go on"
            ) from self._error
        if self._error is not None:
            raise self._error
        returned = getattr(self._outcome, "return_value", None)
        if not isinstance(returned, TrainingResult):
            raise MusegenError(f"{run}: training ended without a result; run it again")
        return returned


def _explained(failures: Mapping[int, BaseException]) -> MusegenError | None:
    """The first of the failures that is an error of musegen's own, below whatever Ray wrapped it in."""
    for failure in failures.values():
        inner: Any = failure
        while inner is not None and not isinstance(inner, MusegenError):
            inner = next((vars(inner)[name] for name in _WRAPPINGS if vars(inner).get(name) is not None), None)
        if inner is not None:
            return inner
    return None
