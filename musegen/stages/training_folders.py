"""Folders of trainings: the generator of the workspace is never missing or half, and old checkpoints go."""

import ctypes
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from musegen.cluster.train import CHECKPOINTS, LOCK
from musegen.errors import Unavailable
from musegen.registry.runs import KIND
from musegen.stages.training_spool import FINISHED, RUNNING, STORY, Spool
from musegen.training.checkpoint import best_of, newest_valid

PUBLISHED = "published"
_KEEP, _KEEP_UNPUBLISHED = 3, 5
_PUBLISHING_SECONDS = 1800.0
# Linux: names are relative to the working folder; both change places in one go.
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2


@contextmanager
def publishing(fresh: Path) -> Iterator[None]:
    """Only one at a time makes the folder `fresh` and swaps it in; raises `Unavailable` after half an hour."""
    lock = _lock(fresh)
    try:
        with FileLock(lock, timeout=_PUBLISHING_SECONDS):
            yield
    except Timeout as error:
        raise Unavailable(f"{lock}: another process is publishing a generator; wait for it, or stop it") from error


def mend_if_free(fresh: Path, target: Path) -> None:
    """`mend`, unless somebody is publishing just now."""
    with suppress(Timeout), FileLock(_lock(fresh), timeout=0):
        mend(fresh, target)


def swap_in(fresh: Path, target: Path) -> None:
    """Make the finished folder `fresh` the one at `target`, in one go where the file system can.

    Elsewhere a kill may leave none at `target` for `mend` to put there. The old one goes; both lie on one disk.
    """
    for path in [*fresh.rglob("*"), fresh]:
        _sync(path)
    aside = _aside(fresh)
    shutil.rmtree(aside, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        fresh.replace(target)
    elif _exchanged(fresh, target):
        shutil.rmtree(fresh)
    else:
        target.replace(aside)
        fresh.replace(target)
        shutil.rmtree(aside)
    _sync(target.parent)


def mend(fresh: Path, target: Path) -> None:
    """Complete what a kill cut short in `swap_in(fresh, target)`; nobody else may be publishing."""
    aside = _aside(fresh)
    if aside.exists() and not target.exists():
        (fresh if fresh.exists() else aside).replace(target)
    for leftover in (aside, fresh):
        shutil.rmtree(leftover, ignore_errors=True)


def prune(runs: Path) -> list[Path]:
    """Remove the checkpoints of all run folders that have ended, but for the newest; returns those pruned.

    Of those that are done with (a training whose model was published, a trial) the newest three stay whole, of those
    that may go on (stopped or failed) the newest five. Journal and best weights stay of all.
    """
    ended = sorted((run for run in runs.glob("*") if _has_ended(run)), key=_last_word, reverse=True)
    over = [run for run in ended if _done_with(run)]
    unpublished = [run for run in ended if run not in over]
    pruned = []
    for run in over[_KEEP:] + unpublished[_KEEP_UNPUBLISHED:]:
        with suppress(Timeout), FileLock(str(run / LOCK), timeout=0):
            checkpoints = run / CHECKPOINTS
            best = _best_in(checkpoints)
            bests = [path for path in checkpoints.glob("best-*") if path != best]
            useless = [*checkpoints.glob("step-*"), *bests, run / "ray"]
            there = [path for path in useless if path.exists()]
            for path in there:
                shutil.rmtree(path, ignore_errors=True)
            if there:
                pruned.append(run)
    return pruned


def _has_ended(run: Path) -> bool:
    story = Spool(run).story
    return story is not None and story.status != RUNNING


def _done_with(run: Path) -> bool:
    story = Spool(run).story
    if story is None:
        return False
    return story.tags.get(KIND) == "trial" or (story.status == FINISHED and (run / PUBLISHED).exists())


def _best_in(checkpoints: Path) -> Path | None:
    """The best weights that the newest whole checkpoint names; without one, the last that were written."""
    newest = newest_valid(checkpoints)
    named = best_of(newest) if newest else None
    return named or max(checkpoints.glob("best-*"), default=None)


def _last_word(run: Path) -> float:
    return (run / STORY).stat().st_mtime


def _lock(fresh: Path) -> Path:
    fresh.parent.mkdir(parents=True, exist_ok=True)
    return fresh.with_name("publish.lock")


def _aside(fresh: Path) -> Path:
    return fresh.with_name(f"{fresh.name}.old")


def _exchanged(first: Path, second: Path) -> bool:
    exchange = getattr(ctypes.CDLL(None), "renameat2", None)
    if exchange is None:
        return False
    names = os.fsencode(first), os.fsencode(second)
    return bool(exchange(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) == 0)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
