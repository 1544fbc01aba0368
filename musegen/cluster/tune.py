"""Tuning on Ray Tune: several settings are trained at once, one worker each, and what falls behind is stopped (ASHA).

ASHA (L. Li et al., "A system for massively parallel hyperparameter tuning", MLSys 2020, algorithm 2) lets every trial
reach a first rung, a share `grace` of the steps; from there to the next, `reduction` times as far, go those among the
best 1 in `reduction` of what had reached the rung by then. Nothing waits: who comes first goes on.

A trial trains in the run folder that a whole training with its settings has: it goes on where that stands, leaves its
checkpoint there when it is stopped, and the whole training of the best goes on from it.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import copy_context
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from ray import tune
from ray.exceptions import RayActorError
from ray.tune.schedulers import ASHAScheduler

from musegen.cluster.connect import cluster_cpus, cluster_gpus, connected
from musegen.cluster.train import LOCK, STOP, learn
from musegen.cluster.trials import (
    LEAVING_SECONDS,
    NUMBER,
    STATE,
    STEP,
    VALID,
    WHY,
    Candidate,
    Learner,
    State,
    Training,
    Trial,
    words_of,
)
from musegen.errors import MusegenError, Unavailable
from musegen.space import TuningSettings

_POLL_SECONDS, _START_SECONDS = 0.2, 600


def run_trials(
    candidates: Sequence[Candidate],
    settings: TuningSettings,
    at_once: int,
    folder: Path,
    on_over: Callable[[Trial], None] = lambda trial: None,
    learner: Learner = learn,
) -> list[Trial]:
    """Train them all by `learner`, one worker of one accelerator each, or of one processor where there are none.

    Up to `at_once` run on processors at a time. A trial that fails is counted and named, the others go on; when
    `settings.minutes` are over those that run are stopped. `on_over` hears of each trial that ends. Trials that are
    known count for the rungs, without being trained. `folder` takes what Ray Tune writes of itself.
    """
    with connected():
        ends = _Ends(candidates, on_over)
        for candidate in candidates:
            (candidate.job.run / STOP).unlink(missing_ok=True)
        with _quiet():
            tuner = _tuner(candidates, settings, at_once, folder, learner, ends)
            _fit(tuner, [candidate.job.run for candidate in candidates], ends, settings.minutes * 60)
    return ends.all()


def _tuner(
    candidates: Sequence[Candidate],
    settings: TuningSettings,
    at_once: int,
    folder: Path,
    learner: Learner,
    ends: "_Ends",
) -> tune.Tuner:
    gpus = cluster_gpus()
    training = tune.with_parameters(Training, candidates=list(candidates), learner=learner)
    return tune.Tuner(
        tune.with_resources(training, {"CPU": 1, "GPU": 1} if gpus else {"CPU": 1}),
        param_space={NUMBER: tune.grid_search([candidate.number for candidate in candidates])},
        tune_config=tune.TuneConfig(
            scheduler=_halving(candidates, settings),
            metric=VALID,
            mode="min",
            max_concurrent_trials=gpus or max(1, min(at_once, cluster_cpus())),
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name="trials",
            storage_path=str(folder.absolute()),
            verbose=0,
            callbacks=[ends],
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),  # a trial's own is in its run folder
        ),
    )


def _fit(tuner: tune.Tuner, runs: Sequence[Path], ends: "_Ends", seconds: float) -> None:
    """Run Tune beside this thread: when `seconds` are over, and when a signal comes to this thread, the trials save and
    leave. Tune waits without end for a worker that the cluster does not give; this does not."""
    said: list[Exception] = []

    def work() -> None:
        try:
            tuner.fit()
        except Exception as error:
            said.append(error)

    thread = threading.Thread(target=copy_context().run, args=(work,), daemon=True, name="ray-tune")
    start = time.monotonic()
    thread.start()
    try:
        while thread.is_alive() and ends.seconds < seconds + 2 * LEAVING_SECONDS:
            thread.join(_POLL_SECONDS)
            if ends.seconds > seconds:
                _stop(runs)
            if not ends.seconds and time.monotonic() - start > _START_SECONDS:
                raise Unavailable("tuning: the cluster gave no worker in 10 minutes; see that it has one to spare")
    except BaseException:
        _stop(runs)
        with suppress(Timeout):
            for run in runs:
                FileLock(run / LOCK, timeout=LEAVING_SECONDS).acquire().lock.release()
        raise
    if said:
        words = f"tuning: the search failed ({said[0]}); run it again, trials that are over stay"
        raise MusegenError(words) from said[0]


def _stop(runs: Sequence[Path]) -> None:
    for run in runs:
        run.mkdir(parents=True, exist_ok=True)
        (run / STOP).touch()


def _halving(candidates: Sequence[Candidate], settings: TuningSettings) -> ASHAScheduler:
    steps = max(candidate.job.training.steps for candidate in candidates)
    return ASHAScheduler(
        time_attr=STEP,
        max_t=steps,
        grace_period=max(1, min(steps, round(settings.grace * steps))),
        reduction_factor=settings.reduction,
        stop_last_trials=False,
    )


class _Ends(tune.Callback):
    """Listens in the driver: the curve of every trial, and how it ended."""

    def __init__(self, candidates: Sequence[Candidate], on_over: Callable[[Trial], None]) -> None:
        self._on_over = on_over
        self._candidates = {candidate.number: candidate for candidate in candidates}
        self._curves: dict[int, list[tuple[int, float]]] = {number: [] for number in self._candidates}
        self._begun: dict[int, float] = {}
        self._over: dict[int, Trial] = {}

    def __getstate__(self) -> dict[str, Any]:
        # Tune writes its callbacks down, to restore a search; ours is known by the trials that are over.
        return {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._begun.setdefault(trial.config[NUMBER], time.monotonic())

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        if VALID in result:
            self._curves[trial.config[NUMBER]].append((result[STEP], result[VALID]))

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        said = trial.last_result
        self._end(trial.config[NUMBER], said.get(STATE, "stopped early"), said.get(WHY, ""))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        error = trial.get_pickled_error()
        died = error is None or isinstance(error, RayActorError)
        why = "its worker died, perhaps for lack of memory" if died else words_of(error)
        self._end(trial.config[NUMBER], "failed", why)

    @property
    def seconds(self) -> float:
        """Since the first trial began; 0 before."""
        return time.monotonic() - min(self._begun.values()) if self._begun else 0.0

    def all(self) -> list[Trial]:
        """Every trial, those that time ran out for too."""
        for number in self._candidates:
            if number not in self._over:
                self._end(number, "out of time", "" if number in self._begun else "it was not begun")
        return [self._over[number] for number in sorted(self._over)]

    def _end(self, number: int, state: State, why: str) -> None:
        candidate = self._candidates[number]
        seconds = time.monotonic() - self._begun.get(number, time.monotonic())
        trial = Trial(number, candidate.values, state, tuple(self._curves[number]), round(seconds, 1), why)
        self._over[number] = candidate.known or trial
        self._on_over(self._over[number])


@contextmanager
def _quiet() -> Iterator[None]:
    """Tune prints nothing, writes no tables of its own, and leaves an interrupt to whoever started the search."""
    asked = {
        "RAY_AIR_NEW_OUTPUT": "0",
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
        "TUNE_DISABLE_SIGINT_HANDLER": "1",
    }
    before = {name: os.environ.get(name) for name in asked}
    level = logging.getLogger("ray.tune").level
    os.environ.update(asked)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logging.getLogger("ray.tune").setLevel(level)
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
