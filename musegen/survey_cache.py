"""What earlier surveys learnt, so that an unchanged file costs a stat."""

import contextlib
import hashlib
import json
import os
import sqlite3
import stat
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from musegen.errors import BadInput, Unavailable

_COLUMNS = {"hashes": ("path", "stamp", "sha256"), "facts": ("key", "json")}


@dataclass(frozen=True)
class Learnt:
    """What a cache has learnt since it was opened, to be taken over by another one."""

    hashes: tuple[tuple[str, str, str], ...]
    facts: tuple[tuple[str, str], ...]


class SurveyCache:
    """A small SQLite file: content hash by (path, size, mtime), facts by content. Safe to share between threads.

    Without a `file` it lives in memory. `trusting=False` takes every hash anew, whatever sizes and times say. It is
    never worth a survey: a damaged file is made anew, and where none can be kept memory does; `troubles` tells that.
    """

    def __init__(self, file: Path | None = None, trusting: bool = True) -> None:
        self._file = file
        self._lock = threading.RLock()
        self._trusting = trusting
        self._hashes: dict[str, tuple[str, str]] = {}
        self._facts: dict[str, str] = {}
        self.troubles: list[str] = []
        try:
            if file is not None:
                file.parent.mkdir(parents=True, exist_ok=True)
            self._database = _opened(file)
        except (sqlite3.DatabaseError, OSError) as error:
            self._replace(error)

    def close(self) -> None:
        """Release the file."""
        self._database.close()

    def known_sha256(self, path: Path) -> str | None:
        """The content hash of a file whose size and modification time are those of the last time."""
        return self._remembered(path, stamp(path)) if self._trusting or str(path) in self._hashes else None

    def sha256(self, path: Path) -> str:
        """The content hash of a file, taken anew only where its size or modification time changed.

        Raises `BadInput` where it changes meanwhile or is no plain file, `OSError` where it can't be read.
        """
        known = self.known_sha256(path)
        if known is not None:
            return known
        # A FIFO that stands there by now must not make us wait for somebody who writes to it.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            before = os.fstat(file.fileno())
            if not stat.S_ISREG(before.st_mode):
                raise BadInput("it is not a regular file; put the recording itself there", "not a file", path)
            found = hashlib.file_digest(file, "sha256").hexdigest()
            if _stamp(os.fstat(file.fileno())) != _stamp(before):
                raise changing(path)
        self.take(Learnt(((str(path), _stamp(before), found),), ()))
        return found

    def facts(self, key: str) -> dict[str, Any] | None:
        """What was remembered under `key`."""
        rows = self._run("SELECT json FROM facts WHERE key = ?", [(key,)])
        try:
            found = json.loads(rows[0][0]) if rows else None
        except ValueError:
            return None
        return found if isinstance(found, dict) else None

    def remember(self, key: str, facts: dict[str, Any]) -> None:
        """Keep JSON-able facts under `key`."""
        self.take(Learnt((), ((key, json.dumps(facts)),)))

    def forget_but(self, prefix: str) -> None:
        """Drop all facts whose keys begin otherwise: other code has found them."""
        self._run("DELETE FROM facts WHERE substr(key, 1, ?) != ?", [(len(prefix), prefix)])

    def hashes_of(self, paths: Iterable[Path]) -> tuple[tuple[str, str, str], ...]:
        """What is known of these files, for a cache that works for this one."""
        rows = [row for path in paths for row in self._run("SELECT * FROM hashes WHERE path = ?", [(str(path),)])]
        return tuple((path, now, sha256) for path, now, sha256 in rows if self._trusting or path in self._hashes)

    def learnt(self) -> Learnt:
        """What is new since it was opened."""
        with self._lock:
            hashes = tuple((path, *known) for path, known in self._hashes.items())
            return Learnt(hashes, tuple(self._facts.items()))

    def take(self, learnt: Learnt) -> None:
        """Remember what another cache has learnt."""
        with self._lock:
            self._hashes |= {path: (found, sha256) for path, found, sha256 in learnt.hashes}
            self._facts |= dict(learnt.facts)
        self._run("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?)", learnt.hashes)
        self._run("INSERT OR REPLACE INTO facts VALUES (?, ?)", learnt.facts)

    def _remembered(self, path: Path, now: str) -> str | None:
        rows = self._run("SELECT sha256 FROM hashes WHERE path = ? AND stamp = ?", [(str(path), now)])
        return str(rows[0][0]) if rows else None

    def _run(self, statement: str, values: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Run a statement for each of the values; on a database that fails in the middle, once more on a new one."""
        with self._lock:
            try:
                return self._rows(statement, values)
            except sqlite3.DatabaseError as error:
                self._replace(error)
                return self._rows(statement, values)

    def _rows(self, statement: str, values: Sequence[tuple[Any, ...]]) -> list[Any]:
        with self._database:
            return [row for each in values for row in self._database.execute(statement, each).fetchall()]

    def _replace(self, error: Exception) -> None:
        """Go on with a new file where the old one is damaged, in memory where none can be kept.

        Raises `Unavailable` where another process holds it.
        """
        if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
            words = f"{self._file}: another survey holds it; wait for that one, or stop it"
            raise Unavailable(words) from error
        if hasattr(self, "_database"):
            self._database.close()
        damaged = isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError)
        if damaged and self._file is not None:
            with contextlib.suppress(OSError, sqlite3.Error):
                self._file.unlink()  # it is only a cache
                self._database = _opened(self._file)
                self.take(self.learnt())
                return
        self.troubles.append(
            f"{self._file}: nothing can be remembered there ({error}); free space, or see to its rights"
        )
        self._database = _opened(None)
        self.take(self.learnt())


def stamp(path: Path) -> str:
    """Size and modification time of a file: what changes with its content."""
    return _stamp(path.stat())


def changing(path: Path) -> BadInput:
    """What is wrong with a file that is written while it is read."""
    return BadInput("it changes while it is read; survey again when it is complete", "changing", path)


def _stamp(status: os.stat_result) -> str:
    return f"{status.st_size} {status.st_mtime_ns}"


def _opened(file: Path | None) -> sqlite3.Connection:
    database = sqlite3.connect(file or ":memory:", check_same_thread=False)
    try:
        with database:
            database.execute("PRAGMA synchronous = OFF")  # what a power cut takes is found out again
            for table, columns in _COLUMNS.items():
                have = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
                if have and have != list(columns):
                    database.execute(f"DROP TABLE {table}")
                primary, *others = columns
                rest = "".join(f", {name} TEXT" for name in others)
                database.execute(f"CREATE TABLE IF NOT EXISTS {table} ({primary} TEXT PRIMARY KEY{rest})")
    except sqlite3.Error:
        database.close()
        raise
    return database
