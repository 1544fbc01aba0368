"""Which track a worker has under way, so that one that kills its worker is known to the worker that comes next."""

import errno
import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from musegen.errors import Unavailable
from musegen.shards.manifest import STAGING
from musegen.shards.store import Place, Store

TRIES = 3
"""So many workers in a row may die of a track before it is given up."""
_QUIET_SECONDS = 0.2
_SIGN_SECONDS = 2.0
_RECORD_BYTES = 4096  # a page, which the kernel writes whole whoever is killed


@dataclass(frozen=True)
class Standing:
    """What a ledger says.

    `attempt` counts the workers that have opened it, `done` the tracks that the last of them is through with,
    `under_way` is the one it has begun, `signs` how many signs of life it has given meanwhile. `deaths`: track → how
    many workers in a row died of it before this one, 0 where it got through at last; `stalls`: track → how many of them
    had to be ended because it didn't go on.
    """

    attempt: int = 0
    done: int = 0
    under_way: str | None = None
    deaths: Mapping[str, int] = field(default_factory=dict)
    stalls: Mapping[str, int] = field(default_factory=dict)
    signs: int = 0

    @property
    def blamed(self) -> Mapping[str, int]:
        """The deaths if the worker has died now: of the track that is under way."""
        if self.under_way is None:
            return self.deaths
        return {**self.deaths, self.under_way: self.deaths.get(self.under_way, 0) + 1}


class Ledger:
    """The small object below `STAGING` in which the worker of one shard says what it is about to do.

    A worker uses it as a context: `begin` before a track, `done` after it, whatever came of it. That a name is still
    under way when the next worker opens the ledger means that the one before was killed. The name is there before the
    track begins, but is not synced: it outlives any kill of the process, which is what it is for, not a power cut.
    What a ledger of another `fingerprint` says does not count: it is about something else.
    """

    def __init__(self, place: Place, shard_path: str, fingerprint: str = "") -> None:
        self._store = Store.at(place)
        self._fingerprint = fingerprint
        self.path = ledger_path(shard_path)
        self._written_at = 0.0
        self._entered = False
        self._file: FileIO | None = None

    @cached_property
    def _standing(self) -> Standing:
        """What this worker has to say; at first, what the one before has left."""
        found = self.look()
        return Standing(found.attempt + 1, 0, None, found.blamed, found.stalls)

    def __enter__(self) -> Self:
        self._entered = True
        self._write(self._standing)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self.settle()
        except Unavailable:
            if error is None:  # else, what went wrong first is what matters
                raise
        finally:
            self._entered = False
            self._close()

    def begin(self, track: str) -> None:
        """Say that `track` is next; raises `Unavailable` where it can't be said."""
        self._standing = replace(self._standing, under_way=track)
        self._write(self._standing)

    def done(self, track: str) -> None:
        """The worker has survived `track`; it is told with the next `begin`, or at once if that was long ago."""
        deaths = self._standing.deaths
        deaths = {**deaths, track: 0} if track in deaths else deaths
        stalls = {each: count for each, count in self._standing.stalls.items() if each != track}
        done = self._standing.done + 1
        self._standing = replace(self._standing, done=done, under_way=None, deaths=deaths, stalls=stalls)
        if time.monotonic() - self._written_at > _QUIET_SECONDS:
            self._write(self._standing)

    def go_on(self) -> None:
        """A sign of life in the middle of a track, which is told if nothing else was for some seconds."""
        self._standing = replace(self._standing, signs=self._standing.signs + 1)
        if time.monotonic() - self._written_at > _SIGN_SECONDS:
            self._write(self._standing)

    def settle(self) -> None:
        """Say that no track is under way: what kills the worker from now on is no track's fault."""
        self._standing = replace(self._standing, under_way=None)
        self._write(self._standing)

    def blamed(self) -> Mapping[str, int]:
        """How many workers in a row died of each suspected track, when this ledger was used first and since."""
        return self._standing.deaths

    def hung(self, track: str) -> bool:
        """Whether a worker had to be ended because `track` didn't go on."""
        return track in self._standing.stalls

    def progress(self) -> int:
        """How many tracks the worker of the shard is through with, as far as it has told."""
        return self.look().done

    def look(self) -> Standing:
        """What is written now; nothing where there is no ledger, or none that can be read."""
        try:
            body: dict[str, Any] = json.loads(self._store.read_bytes(self.path))
            return Standing(**body["standing"]) if body["fingerprint"] == self._fingerprint else Standing()
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return Standing()

    def pardon(self) -> None:
        """What is under way is nobody's fault: the worker was ended on purpose, or along with the whole run."""
        found = self.look()
        if found.under_way is not None:
            self._write(replace(found, under_way=None))

    def stalled(self) -> None:
        """The worker was ended because the track under way didn't go on; which is to blame, and that is the reason."""
        found = self.look()
        if found.under_way is not None:
            count = found.stalls.get(found.under_way, 0) + 1
            self._write(replace(found, stalls={**found.stalls, found.under_way: count}))

    def _write(self, standing: Standing) -> None:
        body = json.dumps({"fingerprint": self._fingerprint, "standing": asdict(standing)}).encode()
        self._written_at = time.monotonic()
        if not self._store.is_local:
            self._store.write_bytes(self.path, body)
            return
        file = Path(self._store.path) / self.path
        try:
            self._overwrite(file, body.ljust(_RECORD_BYTES))
        except OSError as error:
            full = error.errno in {errno.ENOSPC, errno.EDQUOT}
            remedy = "free space" if full else "see to the folder, its disk and rights"
            raise Unavailable(f"{file}: it can't be written ({error}); {remedy}, then run again") from error

    def _overwrite(self, file: Path, body: bytes) -> None:
        """In one go: a kill comes before it or after it. In place where that can be, which is by far the fastest."""
        in_place = len(body) == _RECORD_BYTES
        if self._file is not None and in_place:
            os.pwrite(self._file.fileno(), body, 0)
            return
        self._close()  # it is a handle of the file that is replaced here
        temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(body)
            temporary.replace(file)
        except OSError:
            with suppress(OSError):
                temporary.unlink()
            raise
        if self._entered and in_place:
            self._file = FileIO(file, "r+")

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None


def ledger_path(shard_path: str) -> str:
    """Where the ledger of a shard lies in its dataset."""
    return f"{STAGING}/{shard_path}.ledger"
