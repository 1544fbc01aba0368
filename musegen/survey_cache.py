"""What earlier surveys learnt, so that an unchanged file costs a stat."""

import hashlib
import json
import sqlite3
import threading
from pathlib import Path
from typing import Any

from musegen.errors import Unavailable


class SurveyCache:
    """A small SQLite file: content hash by (path, size, mtime), facts by content. Safe to share between threads."""

    def __init__(self, file: Path | None = None) -> None:
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._database = _opened(file)
        except sqlite3.OperationalError as error:
            raise Unavailable(f"{file}: the cache can't be used ({error}); end the survey that holds it") from error
        except sqlite3.DatabaseError:
            if file is not None:
                file.unlink()  # it is damaged, and only a cache
            self._database = _opened(file)
        self._lock = threading.Lock()

    def close(self) -> None:
        """Release the file."""
        self._database.close()

    def sha256(self, path: Path) -> str:
        """The content hash of a file, taken anew only where its size or modification time changed."""
        status = path.stat()
        stat = f"{status.st_size} {status.st_mtime_ns}"
        with self._lock:
            row = self._database.execute("SELECT stat, sha256 FROM hashes WHERE path = ?", (str(path),)).fetchone()
        if row and row[0] == stat:
            return str(row[1])
        with path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        with self._lock, self._database:
            self._database.execute("INSERT OR REPLACE INTO hashes VALUES (?, ?, ?)", (str(path), stat, found))
        return found

    def facts(self, key: str) -> dict[str, Any] | None:
        """What was remembered under `key`."""
        with self._lock:
            row = self._database.execute("SELECT json FROM facts WHERE key = ?", (key,)).fetchone()
        return json.loads(row[0]) if row else None

    def remember(self, key: str, facts: dict[str, Any]) -> None:
        """Keep JSON-able facts under `key`."""
        with self._lock, self._database:
            self._database.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (key, json.dumps(facts)))


def _opened(file: Path | None) -> sqlite3.Connection:
    database = sqlite3.connect(file or ":memory:", check_same_thread=False)
    try:
        with database:
            database.execute("PRAGMA synchronous = OFF")  # what a power cut takes is found out again
            database.execute("CREATE TABLE IF NOT EXISTS hashes (path TEXT PRIMARY KEY, stat TEXT, sha256 TEXT)")
            database.execute("CREATE TABLE IF NOT EXISTS facts (key TEXT PRIMARY KEY, json TEXT)")
    except sqlite3.Error:
        database.close()
        raise
    return database
