"""What a run folder has to tell MLflow, and how much of it was told: it survives the driver, and MLflow's absence.

    tracking.json   the run as MLflow shall know it: name, parameters, tags, how it ended, its figures
    progress.jsonl  the journal of the first worker, which only grows
    outbox/         files that wait; `sending/` those under way
    sent.json       what MLflow has said yes to, and the points that it may have got without our hearing of it

Points are first written down as an attempt, and an attempt is repeated as it is until MLflow says yes: a point has its
time from the journal, and MLflow stores equal points once. So none is lost and none is there twice.
"""

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from musegen.cluster.train import PROGRESS
from musegen.registry import GENERATOR_EXPERIMENT, Point
from musegen.training import Progress, journal

OUTBOX = "outbox"
RUNNING, FINISHED, FAILED, KILLED = "RUNNING", "FINISHED", "FAILED", "KILLED"
"""How a run stands, in MLflow's words."""

STORY, _SENT, _SENDING = "tracking.json", "sent.json", "sending"
_SAME = 1e-3
BEST, RESUMED = "valid.nll_per_note", "training/resumed_at_step"
_BY_STEP = ("train_nll_per_token", "valid_nll_per_note", "learning_rate", "epoch")
_BY_CLOCK = ("tokens_per_second", "data_wait_share")
_DETERMINED = {BEST, *(f"training/{name}" for name in _BY_STEP)}
_Place = tuple[str, int]


@dataclass(frozen=True)
class Story:
    """A run as MLflow shall know it; `parent` is the id or name of the run that it belongs to.

    `values` are its figures at the end, after `steps`, at the time `ended` (milliseconds since 1970).
    """

    name: str
    parameters: Mapping[str, Any]
    tags: Mapping[str, str]
    parent: str | None = None
    experiment: str = GENERATOR_EXPERIMENT
    status: str = RUNNING
    steps: int = 0
    ended: int = 0
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Sent:
    """What the MLflow at `address` has: `tags`, status, figures, and the journal up to `offset` (bytes).

    `words` lines of it, `step` the highest and `valid` the validation losses (by step) in them. `attempt`: points that
    may have arrived without an answer; `after`: what changes here once they surely have.
    """

    address: str
    run_id: str
    tags: Mapping[str, str] = field(default_factory=dict)
    offset: int = 0
    words: int = 0
    step: int = 0
    valid: Mapping[str, float] = field(default_factory=dict)
    status: str = RUNNING
    values: Mapping[str, float] = field(default_factory=dict)
    attempt: tuple[Point, ...] = ()
    after: Mapping[str, Any] | None = None

    def answered(self) -> "Sent":
        """MLflow said yes to the attempt."""
        return replace(self, **(self.after or {}), attempt=(), after=None)


class Spool:
    """The four of a run folder."""

    def __init__(self, run: Path) -> None:
        self.run = run

    @property
    def story(self) -> Story | None:
        """What was written down last; None where there is nothing to tell of this folder."""
        content = _read(self.run / STORY)
        return Story(**content) if content else None

    def tell(self, story: Story) -> None:
        """Write a story down."""
        self.run.mkdir(parents=True, exist_ok=True)
        _write(self.run / STORY, asdict(story))

    @property
    def sent(self) -> Sent | None:
        """What MLflow has."""
        content = _read(self.run / _SENT)
        if not content:
            return None
        return Sent(**{**content, "attempt": tuple(Point(**point) for point in content["attempt"])})

    def keep(self, sent: Sent) -> None:
        """Write down what MLflow has."""
        _write(self.run / _SENT, asdict(sent))

    def attempt(self, sent: Sent) -> Sent:
        """The next points to send as an attempt, kept; `sent` itself where it holds one, or where nothing is new."""
        if sent.attempt:
            return sent
        told = self._journal(sent)
        if told.after is not None and not told.attempt:
            told = told.answered()
        if told != sent:
            self.keep(told)
        return told

    def waiting(self) -> int:
        """How many points MLflow has not got yet, as far as the journal goes."""
        sent = self.sent or Sent("", "")
        rest = self._journal(sent.answered() if sent.attempt else sent)
        return len(sent.attempt) + len(rest.attempt)

    def settled(self, address: str) -> bool:
        """True where the MLflow at `address` has everything; told from sizes alone."""
        sent, story = self.sent, self.story
        if story is None:
            return True
        grown = (self.run / PROGRESS).stat().st_size if (self.run / PROGRESS).exists() else 0
        return (
            sent is not None
            and (sent.address, sent.status, sent.values) == (address, story.status, story.values)
            and not sent.attempt
            and sent.offset >= grown
            and not any(self._files())
        )

    def files(self) -> Iterator[tuple[Path, str]]:
        """Files to send with the place of each; they are taken out of the outbox, and stay until `done`."""
        outbox, sending = self.run / OUTBOX, self.run / _SENDING
        for file in _below(outbox):
            target = sending / file.relative_to(outbox)
            target.parent.mkdir(parents=True, exist_ok=True)
            file.replace(target)
        for file in _below(sending):
            yield file, file.parent.relative_to(sending).as_posix().removeprefix(".")

    def put(self, made: Path, place: str) -> None:
        """Move a finished file or folder into the outbox."""
        for file in [made] if made.is_file() else _below(made):
            target = self.run / OUTBOX / place / (file.name if made.is_file() else file.relative_to(made))
            target.parent.mkdir(parents=True, exist_ok=True)
            file.replace(target)

    def _files(self) -> Iterator[Path]:
        for folder in (OUTBOX, _SENDING):
            yield from _below(self.run / folder)

    def _journal(self, sent: Sent) -> Sent:
        """`sent` with what the journal says beyond it as an attempt.

        A resumed training does its last steps again, and what comes out is mostly the same: a point of a step that was
        told is told again only where it differs.
        """
        path = self.run / PROGRESS
        if not path.exists():
            return sent
        words, offset = journal.read(path, sent.offset)
        if not words:
            return sent
        redone = min(word.step for word in words) <= sent.step
        known = _known(_points(journal.read(path)[0][: sent.words], {}), {}) if redone else {}
        valid = dict(sent.valid)
        fresh = _known(_points(words, valid), known)
        after = {
            "offset": offset,
            "words": sent.words + len(words),
            "step": max(sent.step, *(word.step for word in words)),
            "valid": valid,
        }
        return replace(sent, attempt=tuple(fresh.values()), after=after)


def _points(words: Iterable[Progress], valid: dict[str, float]) -> Iterator[Point]:
    """The curves of the journal; `valid` has the validation losses before by their steps, and gets those of `words`."""
    for word in words:
        if word.resumed:
            yield Point(RESUMED, float(word.step), word.step, word.milliseconds)
            continue
        values = {f"training/{name}": getattr(word, name) for name in (*_BY_STEP, *_BY_CLOCK)} | dict(word.system)
        if word.valid_nll_per_note is not None and math.isfinite(word.valid_nll_per_note):
            valid[str(word.step)] = word.valid_nll_per_note
            values[BEST] = min(nll for step, nll in valid.items() if int(step) <= word.step)
        for name, value in values.items():
            if value is not None and math.isfinite(value):
                yield Point(name, float(value), word.step, word.milliseconds)


def _known(points: Iterable[Point], before: Mapping[_Place, Point]) -> dict[_Place, Point]:
    """One point a curve and step: the first that was told, or a later one whose value is another.

    What the clock says of a step that is done again is always another, and no news.
    """
    found: dict[_Place, Point] = {}
    for point in points:
        place = point.name, point.step
        told = found.get(place) or before.get(place)
        if told is None or (point.name in _DETERMINED and not math.isclose(point.value, told.value, rel_tol=_SAME)):
            found[place] = point
    return found


def _below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _read(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content


def _write(path: Path, content: Mapping[str, Any]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(content, default=str) + "\n", encoding="utf-8")
    temporary.replace(path)
