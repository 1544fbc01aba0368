"""What a killed DVC command leaves in `.dvc/tmp/rwlock`, the file in which commands note what they read and write.

DVC itself ignores the notes of processes that are gone. It is stuck where it was killed as it wrote the file (empty or
cut short, it can't be read any more), and where the number of the killed process is another's by now, as in a
container, whose processes have the same few numbers after every start.
"""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
from dvc.lock import make_lock
from dvc.repo import Repo
from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK, SCHEMA, Invalid

from musegen.errors import Unavailable

_CLOCK_SECONDS = 2.0  # a process's start and a file's time are told by two clocks


def clear(repo: Repo) -> bool:
    """Take out of the file what nobody alive has written; whether there was any of it.

    Raises `Unavailable` where the file can't be read and another DVC command is at work in the project: what that one
    has noted is not known; and `LockError` where another command is just writing the file.
    """
    folder, file = repo.tmp_dir, Path(repo.tmp_dir) / RWLOCK_FILE
    hardlink = repo.config["core"].get("hardlink_lock", False)
    with make_lock(str(Path(folder) / RWLOCK_LOCK), tmp_dir=folder, hardlink_lock=hardlink):
        if not file.exists():
            return False
        notes = _notes(file)
        if notes is None:
            _refuse_if_others_work(Path(repo.root_dir), file)
            file.unlink()
            return True
        alive = _of_the_living(notes, file.stat().st_mtime)
        if alive == notes:
            return False
        with repo.fs.open(str(file), "w", encoding="utf-8") as text:
            json.dump(alive, text)
        return True


def _notes(file: Path) -> dict[str, Any] | None:
    try:
        notes: dict[str, Any] = SCHEMA(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, Invalid):
        return None
    return notes


def _of_the_living(notes: Mapping[str, Any], written: float) -> dict[str, Any]:
    """The notes of processes that run and did so when the file was written (`written`, seconds since 1970)."""

    def wrote(note: Mapping[str, Any]) -> bool:
        try:
            return float(psutil.Process(note["pid"]).create_time()) <= written + _CLOCK_SECONDS
        except psutil.NoSuchProcess:
            return False
        except psutil.AccessDenied:
            return True

    reads = {path: [note for note in readers if wrote(note)] for path, readers in notes["read"].items()}
    return {
        "write": {path: note for path, note in notes["write"].items() if wrote(note)},
        "read": {path: readers for path, readers in reads.items() if readers},
    }


def _refuse_if_others_work(root: Path, file: Path) -> None:
    me = psutil.Process()
    for process in psutil.process_iter(["cmdline", "cwd", "create_time"]):
        words = process.info["cmdline"] or []
        where = Path(process.info["cwd"] or "/")
        if process != me and where.is_relative_to(root) and any(Path(word).name == "dvc" for word in words[:4]):
            age = time.time() - process.info["create_time"]
            raise Unavailable(
                f"{file}: it is damaged, and process {process.pid} ({' '.join(words)}, {age:.0f} s old) is at work; "
                "wait for it, or stop it"
            )
