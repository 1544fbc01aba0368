"""Who serves, and who did: an append-only log beside every model, and aliases that follow it.

The log of `NAME` is the registered model `NAME-history`. Each of its versions is an entry, and MLflow numbers versions
atomically, so that everybody sees the same entries in the same order. An entry counts if the version that it replaces
is the champion after all entries before it: replaying the log decides a race, for every reader alike, and no lock is
needed for it. The aliases `champion` and `previous` are a copy for whoever looks at MLflow.

Before anything is changed, a note is left with the length of the log, as a tag of the model (MLflow reads every entry
of a log to tell its tags, so those of the log would be slow); it goes when the aliases are as the log says.
Where they are not, and no note explains it, somebody has moved `champion` in MLflow by hand: that becomes an entry.
What a kill left behind has its note, and is put right by the next who looks.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from filelock import FileLock, Timeout

from musegen.errors import Overtaken, Unavailable
from musegen.registry.connection import Connection, answering
from musegen.registry.entries import Entries

CHAMPION, CHALLENGER, PREVIOUS = "champion", "challenger", "previous"
GATE, HAND = "gate", "hand"
"""Who decided: the gate, by a report, or a person."""
BY_HAND, FROM_BEFORE = "moved in MLflow by hand", "it served before there was a history"
_MLFLOW, _NOBODY = "MLflow", "nobody"
_NUMBERS, _WORDS = ("version", "instead_of"), ("who", "why", "at", "run", "token", "by")
_NOTE_SECONDS = 3600.0
_TURN_SECONDS = 10.0
_ROUNDS = 20


@dataclass(frozen=True)
class Promotion:
    """An entry: `version` was to be champion in place of `instead_of` (None: nobody), and whether that came to be.

    `who` asked for it and `why`; `at`: time in UTC, ISO 8601; `run`: the MLflow run that made the version; `by`: `GATE`
    or `HAND`.
    """

    number: int
    version: int | None
    instead_of: int | None
    who: str
    why: str
    at: str
    accepted: bool = False
    run: str = ""
    token: str = field(default="", repr=False)
    by: str = HAND

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {name: value for name, value in asdict(self).items() if name != "token"}

    def __str__(self) -> str:
        place = f" instead of {self.instead_of}" if self.instead_of is not None else ""
        fate = "" if self.accepted else " (refused: another was champion by then)"
        return f"{self.at}  {_named(self.version)}{place}{fate}  {self.who}: {self.why}"


@dataclass(frozen=True)
class Serving:
    """The number of the version that serves, and of those that did before, the last first."""

    champion: int | None = None
    served: tuple[int, ...] = ()

    @property
    def previous(self) -> int | None:
        """The one that served before."""
        return self.served[0] if self.served else None


def replay(entries: Sequence[Promotion]) -> tuple[list[Promotion], list[Serving]]:
    """The entries with their fate, and who serves before the first entry and after each.

    An entry that makes the champion champion changes nothing, and is left out.
    """
    decided, states = [], [Serving()]
    for entry in entries:
        now = states[-1]
        accepted = entry.instead_of == now.champion and entry.version != now.champion
        if entry.version != now.champion:
            decided.append(replace(entry, accepted=accepted))
        before = (now.champion, *now.served)
        served = tuple(number for number in before if number not in (None, entry.version))
        states.append(Serving(entry.version, served) if accepted else now)
    return decided, states


class PromotionLog:
    """The log of the model `name`."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._address, self._name = connection.address, name
        self._lock = connection.workspace.hidden / "registry.lock"
        self._log = Entries(connection.client, name)

    def history(self) -> list[Promotion]:
        """All entries, oldest first, with their fate."""
        self.settle()
        with answering(self._address):
            return replay(self._read())[0]

    def settle(self) -> Serving:
        """Who serves, and who of those that did is still there.

        Aliases that a kill left behind, or that were moved by hand, are brought in line first.
        """
        with answering(self._address):
            now = self._in_line()
            if now is not None:
                return now
            with self._turn():
                return self._settle()

    def promote(self, entry: Promotion) -> Serving:
        """Make the version of `entry` the champion, as the entry asks for, and say who serves then.

        Nothing is done where it is the champion already. Raises `Overtaken`, the attempt being recorded, where
        somebody else than `instead_of` is the champion.
        """
        entry = replace(entry, at=_utc(), token=uuid4().hex)
        with answering(self._address), self._turn():
            now = self._settle()
            if now.champion == entry.version:
                return now
            with self._noted():
                self._append(entry)
                decided, states = replay(self._read())
                self._point(states)
        mine = next((each for each in decided if each.token == entry.token), None)
        if mine is not None and not mine.accepted:
            raise Overtaken(
                f"{self._name}: {_named(states[-1].champion)} is the champion by now, and version {entry.version} was "
                f"to replace {_named(entry.instead_of)}; judge it against the champion, then promote again"
            )
        return states[-1]

    def _settle(self) -> Serving:
        for _ in range(_ROUNDS):
            now = self._in_line()
            if now is not None:
                return now
            seen = self._look()
            if seen.explained:
                with self._noted():
                    return self._point(seen.states)
            self._adopt(seen)
        raise Unavailable(f"{self._name}: its aliases in MLflow move all the time; see who moves them, and try again")

    def _in_line(self) -> Serving | None:
        """Who serves, None where the aliases say otherwise; it takes two requests and no lock where they do not."""
        state = replay(self._read())[1][-1]
        aliases = self._log.aliases()
        now = self._that_is_there(state, aliases)
        return now if _lacking(now, aliases) == {} else None

    def _that_is_there(self, state: Serving, aliases: Mapping[str, int]) -> Serving:
        """Without the versions that served last and were deleted in MLflow since; an alias points at none of those."""
        for place, number in enumerate(state.served):
            if number in aliases.values() or self._log.has(number):
                return replace(state, served=state.served[place:])
        return replace(state, served=())

    def _look(self) -> "_Seen":
        """The order matters: what was true before the aliases were read may still show in them."""
        length = len(self._read())
        oldest = min([length, *(note[0] for note in self._log.notes().values())])
        aliases = self._log.aliases()
        return _Seen(aliases, oldest, replay(self._read())[1])

    def _adopt(self, seen: "_Seen") -> None:
        """Write into the log what the aliases say; who else does so at the same time writes the same tokens."""
        champion, before, length = seen.aliases.get(CHAMPION), seen.now.champion, len(seen.states) - 1
        why = BY_HAND if length else FROM_BEFORE
        if not length and (served := seen.aliases.get(PREVIOUS)) not in (None, champion):
            self._append(Promotion(0, served, None, _MLFLOW, why, _utc(), token="the one before"))
            before = served
        self._append(Promotion(0, champion, before, _MLFLOW, why, _utc(), token=f"{champion} after {length}"))

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """Leave a note meanwhile. It stays where the inside fails: the aliases may not be as the log says then."""
        note = self._log.leave_note(self._log.length)
        yield
        old = time.time() - _NOTE_SECONDS
        for done in {note, *(note for note, (_, written) in self._log.notes().items() if written < old)}:
            self._log.take_note(done)

    def _point(self, states: Sequence[Serving]) -> Serving:
        """Set the aliases as the log says, again where it has moved meanwhile, and say who serves."""
        while True:
            aliases = self._log.aliases()
            now = self._that_is_there(states[-1], aliases)
            for alias, number in _lacking(now, aliases).items():
                self._log.set_alias(alias, number)
            before, states = states, replay(self._read())[1]
            if len(before) == len(states):
                return now

    def _append(self, entry: Promotion) -> None:
        numbers = {name: str(getattr(entry, name) or _NOBODY) for name in _NUMBERS}
        words = {name: getattr(entry, name) for name in _WORDS}
        self._log.append(
            {**numbers, **words}, f"{_named(entry.version)} instead of {_named(entry.instead_of)}: {entry.why}"
        )

    def _read(self) -> list[Promotion]:
        """Every entry once: where a reply was lost, the same may have been written twice."""
        found: dict[str, Promotion] = {}
        for number, tags in self._log.read():
            if tags.keys() >= {*_NUMBERS, "token"}:  # what a person adds to the log is no entry
                version, instead_of = (None if tags[name] == _NOBODY else int(tags[name]) for name in _NUMBERS)
                who, why, at, run, token, by = (tags.get(name, "") for name in _WORDS)
                entry = Promotion(number, version, instead_of, who, why, at, run=run, token=token, by=by or HAND)
                found.setdefault(token, entry)
        return list(found.values())

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One after the other in this workspace saves work; the log does without."""
        lock = FileLock(str(self._lock), timeout=_TURN_SECONDS)
        with suppress(Timeout):
            lock.acquire()
        try:
            yield
        finally:
            lock.release()


@dataclass(frozen=True)
class _Seen:
    """The aliases as they are, who serves after each entry of the log, and since which entry aliases may lag behind."""

    aliases: Mapping[str, int]
    oldest: int
    states: Sequence[Serving]

    @property
    def now(self) -> Serving:
        return self.states[-1]

    @property
    def explained(self) -> bool:
        """Whether the champion is one that the log had since then."""
        return self.aliases.get(CHAMPION) in {state.champion for state in self.states[self.oldest :]}


def _lacking(state: Serving, aliases: Mapping[str, int]) -> dict[str, int | None]:
    """Which aliases have to be set, and to what; the champion is nobody's challenger any more."""
    wanted = {CHAMPION: state.champion, PREVIOUS: state.previous}
    if state.champion is not None and aliases.get(CHALLENGER) == state.champion:
        wanted[CHALLENGER] = None
    return {alias: number for alias, number in wanted.items() if aliases.get(alias) != number}


def _named(version: int | None) -> str:
    return "nobody" if version is None else f"version {version}"


def _utc() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
