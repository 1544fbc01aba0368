"""Telling MLflow of a training while it goes on, and making up for what could not be told when it was away.

Everything is in the run folder first (`training_spool`); MLflow gets it from a thread of the driver, never from a step
of the training, and what it does not take now it gets at the next training or deployment.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from musegen.cluster.train import LOCK, PROGRESS
from musegen.errors import Unavailable
from musegen.registry import Point, Runs
from musegen.stages.training_samples import Artist
from musegen.stages.training_spool import FAILED, FINISHED, KILLED, RUNNING, STORY, Sent, Spool, Story
from musegen.training import Progress
from musegen.workspace import Workspace

_SECONDS = 5.0
_LAST_SECONDS, _HURRIED_SECONDS = 20.0, 5.0
_POINTS_AT_ONCE = 5000
_SILENT_SECONDS = 600.0
# An MLflow that says no does so at once; one that is away takes longer, and would for every run.
_PROMPT_SECONDS = 2.0
_LOCK = "sent.lock"


def send(
    runs: Runs, run: Path, name: str, parameters: Mapping[str, Any], tags: Mapping[str, str], parent: str | None = None
) -> str | None:
    """Tell MLflow what it does not know yet of the run in folder `run`; returns the id of its run.

    None where MLflow is away, or somebody else is telling it: nothing is lost, and the same call may be made again.
    """
    spool = Spool(run)
    story = spool.story or Story(name, parameters, tags)
    spool.tell(replace(story, name=name, parameters=parameters, tags=tags, parent=parent))
    with suppress(Unavailable):
        return deliver(runs, run)
    return None


def conclude(run: Path, status: str = FINISHED, steps: int = 0, values: Mapping[str, float] | None = None) -> None:
    """Write down how the run in folder `run` ended, and its figures; the next `send` tells it."""
    spool = Spool(run)
    if story := spool.story:
        spool.tell(replace(story, status=status, steps=steps, ended=_now(), values=values or {}))


def deliver(runs: Runs, run: Path) -> str | None:
    """Tell MLflow all that it does not know of a run folder; raises `Unavailable`, None while another process does."""
    spool = Spool(run)
    try:
        with FileLock(str(run / _LOCK), timeout=1):
            story = spool.story
            if story is None:
                return None
            try:
                return _deliver(runs, spool, story, _opened(runs, spool, story))
            except Unavailable:
                sent = spool.sent
                if sent is None or runs.knows(sent.run_id):
                    raise
            # Somebody deleted the run in MLflow: another takes its place, from the beginning.
            spool.keep(Sent("", ""))
            return _deliver(runs, spool, story, _opened(runs, spool, story))
    except Timeout:
        return None


def catch_up(
    workspace: Workspace,
    also: str | None = None,
    without: Path | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> list[str]:
    """Tell MLflow what it has missed of all runs of the workspace; returns the names of those that still wait.

    Runs that another MLflow knows are left to it, except `also`. A run whose training is gone without a word is closed.
    After a run for which MLflow was away, and when `stop()` says so, none is told any more.
    """
    runs: Runs | None = None
    waiting: list[str] = []
    is_away = False
    for run in sorted(workspace.runs.glob("*")):
        spool, address = Spool(run), os.environ["MLFLOW_TRACKING_URI"]
        if run == without or spool.story is None:
            continue
        _close_if_abandoned(spool)
        sent = spool.sent
        foreign = sent is not None and sent.address not in ("", address) and run.name != also
        if foreign or spool.settled(address):
            continue
        waiting.append(run.name)
        if is_away or stop():
            continue
        began = time.monotonic()
        try:
            runs = runs or Runs(workspace)
            if deliver(runs, run) is not None:
                waiting.pop()
        except Unavailable:
            is_away = runs is None or time.monotonic() > began + _PROMPT_SECONDS
    return waiting


class Tracker:
    """Tells MLflow of a training inside the block: a thread sends every few seconds what the journal says.

    Never raises for MLflow, and never waits for it but some seconds at the end. Afterwards `run_id` is None where the
    run could not even be opened, `waiting` counts the points that MLflow lacks, and `trouble` says why.
    """

    def __init__(self, workspace: Workspace, run: Path, story: Story, artist: Artist | None = None) -> None:
        self._workspace, self._run, self._spool, self._story, self._artist = workspace, run, Spool(run), story, artist
        self._over = threading.Event()
        self._runs: Runs | None = None
        self._thread = threading.Thread(target=self._send_often, daemon=True, name="tracking")
        self.trouble = ""

    def __enter__(self) -> "Tracker":
        self._spool.tell(self._story)
        self._thread.start()
        return self

    def hear(self, progress: Progress) -> None:
        """Take note of a word of the training, for pictures and pieces."""
        if self._artist is not None:
            self._artist.hear(progress)

    def finish(self, steps: int, values: Mapping[str, float], status: str = FINISHED) -> None:
        """Say what came out; without it the run counts as failed."""
        self._story = replace(self._story, status=status, steps=steps, values=values)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        hurried = kind is not None and not issubclass(kind, Exception)
        if self._story.status == RUNNING or (kind is not None and self._story.status == FINISHED):
            self._story = replace(self._story, status=KILLED if hurried else FAILED)
        self._spool.tell(replace(self._story, ended=_now()))
        self._over.set()
        self._thread.join(_HURRIED_SECONDS if hurried else _LAST_SECONDS)

    @property
    def run_id(self) -> str | None:
        """MLflow's id of the run."""
        sent = self._spool.sent
        return (sent.run_id or None) if sent else None

    @property
    def waiting(self) -> int:
        """How many points MLflow has not got."""
        return self._spool.waiting()

    def _send_often(self) -> None:
        has_caught_up = False
        while True:
            self._send()
            if not self.trouble and not has_caught_up:
                has_caught_up = True
                with suppress(Exception):
                    catch_up(self._workspace, without=self._run, stop=self._over.is_set)
            if self._over.wait(_SECONDS):
                break
        if self._artist is not None:
            self._artist.finish()
        self._send()

    def _send(self) -> None:
        try:
            self._runs = self._runs or Runs(self._workspace)
            deliver(self._runs, self._run)
            self.trouble = ""
        except Exception as error:  # whatever it is, the training goes on
            self.trouble = str(error)


def _opened(runs: Runs, spool: Spool, story: Story) -> Sent:
    """What MLflow has of the run, which is opened where it lacks it or its present tags."""
    sent = spool.sent
    if sent is not None and (sent.address, sent.tags) == (runs.address, story.tags):
        return sent
    run_id = runs.open(story.experiment, story.name, story.parameters, story.tags, story.parent)
    same = sent is not None and (sent.address, sent.run_id) == (runs.address, run_id)
    opened = replace(sent if sent and same else Sent(runs.address, run_id), tags=story.tags)
    spool.keep(opened)
    return opened


def _deliver(runs: Runs, spool: Spool, story: Story, sent: Sent) -> str:
    if story.status == RUNNING != sent.status:
        runs.reopen(sent.run_id)
        sent = replace(sent, status=RUNNING)
    sent = _send_points(runs, spool, sent)
    for file, place in spool.files():
        runs.log_files(sent.run_id, file, place)
        file.unlink()
    if story.status != RUNNING and (sent.status, sent.values) != (story.status, story.values):
        points = [Point(name, value, story.steps, story.ended) for name, value in story.values.items()]
        runs.log_points(sent.run_id, points)
        runs.end(sent.run_id, story.status, story.ended)
        sent = replace(sent, status=story.status, values=story.values)
    spool.keep(sent)
    return sent.run_id


def _send_points(runs: Runs, spool: Spool, sent: Sent) -> Sent:
    while True:
        sent = spool.attempt(sent)
        if not sent.attempt:
            return sent
        runs.log_points(sent.run_id, sent.attempt[:_POINTS_AT_ONCE])
        rest = sent.attempt[_POINTS_AT_ONCE:]
        sent = replace(sent, attempt=rest) if rest else sent.answered()
        spool.keep(sent)


def _close_if_abandoned(spool: Spool) -> None:
    story = spool.story
    if story is None or story.status != RUNNING:
        return
    said = [path for path in (spool.run / PROGRESS, spool.run / STORY) if path.exists()]
    last = max(path.stat().st_mtime for path in said)
    if time.time() - last < _SILENT_SECONDS:
        return
    with suppress(Timeout), FileLock(str(spool.run / LOCK), timeout=0):
        spool.tell(replace(story, status=KILLED, ended=int(last * 1000)))


def _now() -> int:
    return int(time.time() * 1000)
