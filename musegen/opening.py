"""Having every track of a corpus looked into, with what is remembered of earlier times and in spite of bad files."""

import base64
import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

from musegen import code, inspection, survey_cache
from musegen.catalogue import Reject, joint_sha256
from musegen.errors import BadInput
from musegen.grouping import Prints
from musegen.guard import Guard, Stopped
from musegen.inspection import Facts
from musegen.survey_cache import SurveyCache
from musegen.track import Track

_FACTS = {field.name for field in fields(Facts)}


@dataclass(frozen=True)
class Inspected:
    """A track with only the files that can be used; `facts` is None where the whole track is put aside."""

    track: Track
    id: str
    labels_sha256: str
    facts: Facts | None
    rejects: tuple[Reject, ...] = field(default=())
    files_sha256: str = ""

    @property
    def prints(self) -> Prints:
        """The fingerprints as arrays."""
        return Prints.from_bytes(base64.b85decode(self.facts.prints)) if self.facts else Prints()


class Openers(Protocol):
    """Who looks into tracks: processes of this machine, or a cluster."""

    def open(self, tracks: Sequence[Track], root: Path, layout: str, cache: SurveyCache) -> Iterator[Inspected]:
        """Each track looked into, in any order; what is learnt is kept in the cache at once."""


class LocalOpeners:
    """Guarded children on this machine, one a processor; they stay until `close`."""

    def __init__(self, count: int | None = None) -> None:
        self._count = count or _processors()
        self._guards = [Guard(inspection.TARGET) for _ in range(self._count)]

    def __enter__(self) -> "LocalOpeners":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the children."""
        for guard in self._guards:
            guard.close()

    def open(self, tracks: Sequence[Track], root: Path, layout: str, cache: SurveyCache) -> Iterator[Inspected]:
        free: SimpleQueue[Guard] = SimpleQueue()
        for guard in self._guards:
            free.put(guard)

        def work(track: Track) -> Inspected:
            guard = free.get()
            try:
                return inspect(track, root, layout, cache, guard)
            finally:
                free.put(guard)

        pool, complete = ThreadPoolExecutor(self._count), False
        try:
            yield from pool.map(work, tracks)
            complete = True
        finally:
            if not complete:  # whoever stops listening does not want to wait for files of hours
                for guard in self._guards:
                    guard.end()
            pool.shutdown(cancel_futures=True)
            if not complete:
                self.close()
                self._guards = [Guard(inspection.TARGET) for _ in range(self._count)]


def recall(track: Track, root: Path, layout: str, cache: SurveyCache) -> Inspected | None:
    """What is known of a track whose files have not changed; None where it has to be looked into."""
    return _inspect(track, root, layout, cache, None)


def inspect(track: Track, root: Path, layout: str, cache: SurveyCache, guard: Guard) -> Inspected:
    """Look into a track. A label that can't be used is put aside alone; a recording takes the track along."""
    inspected = _inspect(track, root, layout, cache, guard)
    if inspected is None:
        raise RuntimeError(f"{track.name}: neither facts nor a reason")
    return inspected


def _inspect(track: Track, root: Path, layout: str, cache: SurveyCache, guard: Guard | None) -> Inspected | None:
    rejects: list[Reject] = []
    while True:
        try:
            hashes = _hashes(track, cache, may_read=guard is not None)
            if hashes is None:
                return None
            labels_sha256 = _labels_sha256(track, hashes)
            files_sha256 = joint_sha256({role: hashes[file] for role, file in track.files.items()})
            key = f"{code.of_facts()} {hashes[track.content]} {labels_sha256} {layout}"
            facts = _facts(track, layout, cache, hashes, key, guard)
            if facts is None:
                return None
            return Inspected(track, hashes[track.content][:32], labels_sha256, facts, tuple(rejects), files_sha256)
        except OSError as error:
            culprit, problem = Path(error.filename or ""), BadInput(f"it can't be opened ({error.strerror})")
        except BadInput as error:
            culprit, problem = error.file or track.content, error
        if guard is None and problem.reason == "unreadable":
            return None
        if culprit == track.content or culprit not in track.files.values():
            rejects.append(_reject(track.content, root, "audio" if track.audio else "labels", problem))
            return Inspected(track, "", "", None, tuple(rejects))
        rejects.append(_reject(culprit, root, "labels", problem))
        track = replace(track, files={role: file for role, file in track.files.items() if file != culprit})


def _hashes(track: Track, cache: SurveyCache, may_read: bool) -> dict[Path, str] | None:
    """The content hash of each file; None where one would have to be read and must not."""
    hashes = {}
    for path in _paths(track):
        found = cache.sha256(path) if may_read else cache.known_sha256(path)
        if found is None:
            return None
        hashes[path] = found
    return hashes


def _labels_sha256(track: Track, hashes: dict[Path, str]) -> str:
    parts = [f"{role} {hashes[file]}" for role, file in sorted(track.files.items())]
    parts += [repr(said) for said in track.said]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _facts(
    track: Track, layout: str, cache: SurveyCache, hashes: dict[Path, str], key: str, guard: Guard | None
) -> Facts | None:
    """What is remembered under `key`, else what is seen; raises `BadInput` for what can't be used.

    That a file can't be used is remembered as well, unless another time may be another thing.
    """
    known = _understood(cache.facts(key))
    if known is None:
        if guard is None:
            return None
        known = _ask(track, layout, guard)
        for path, found in hashes.items():
            if cache.known_sha256(path) != found:
                raise survey_cache.changing(path)
        if known.get("reason") != "too slow":
            cache.remember(key, known)
    if "unfit" not in known:
        return Facts(**{**known, **{name: tuple(known[name]) for name in ("warnings", "misfits")}})
    culprit = track.files.get(known["unfit"], track.content)
    raise BadInput(known["words"], known["reason"], culprit)


def _understood(known: dict[str, Any] | None) -> dict[str, Any] | None:
    """What the cache holds, unless somebody has put something else there."""
    names = {"unfit", "reason", "words"} if known and "unfit" in known else _FACTS
    return known if known is not None and known.keys() == names else None


def _ask(track: Track, layout: str, guard: Guard) -> dict[str, Any]:
    """The child's answer, the culprit named by its role, so that the answer holds wherever the files lie."""
    roles = {str(file): role for role, file in track.files.items()}
    try:
        answer = guard.ask({"track": inspection.track_to_json(track), "layout": layout})
    except Stopped as error:
        answer = {"unfit": str(error.file), "reason": error.reason, "words": str(error)}
    return {**answer, "unfit": roles.get(answer["unfit"], "")} if "unfit" in answer else answer


def _paths(track: Track) -> list[Path]:
    return [path for path in (track.audio, *track.files.values()) if path is not None]


def _reject(path: Path, root: Path, stage: str, error: BadInput) -> Reject:
    return Reject(path.relative_to(root).as_posix(), stage, error.reason, str(error))


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
