"""Making one shard: rows that are there already are taken over, the others made anew; who can't be made is told."""

import errno
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import IO

import pyarrow as pa

from musegen.clock import Clock
from musegen.errors import BadInput, MusegenError, Unavailable
from musegen.prepare.committed import Committed
from musegen.prepare.plan import PlannedTrack, ShardPlan
from musegen.prepare.recipe import Recipe
from musegen.shards import writer
from musegen.shards.ledger import TRIES, Ledger
from musegen.shards.manifest import Manifest, ShardEntry, TrackReject
from musegen.shards.store import Place, Store
from musegen.shards.writer import ShardWriter

_IN_MEMORY_BYTES = 1 << 26
_LASTING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES})
_FEW_TRACKS = 3
_MOST_WORDS = 300
_FOLDERS = re.compile(r"(?<=')/[^']*/|(?<![\w.~-])/(?:[^\s/'\":,]+/)+")
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Costs:
    """What shards took to make: `rows` in them, how many of these were taken over, tracks made anew and how long the
    sound in their rows is, bytes written, and processor `seconds` by step.
    """

    rows: int = 0
    rows_reused: int = 0
    tracks_made: int = 0
    sound_seconds: float = 0.0
    bytes_written: int = 0
    seconds: Mapping[str, float] = field(default_factory=dict)

    def __add__(self, other: "Costs") -> "Costs":
        steps = [*self.seconds, *(step for step in other.seconds if step not in self.seconds)]
        return Costs(
            self.rows + other.rows,
            self.rows_reused + other.rows_reused,
            self.tracks_made + other.tracks_made,
            self.sound_seconds + other.sound_seconds,
            self.bytes_written + other.bytes_written,
            {step: self.seconds.get(step, 0.0) + other.seconds.get(step, 0.0) for step in steps},
        )


@dataclass(frozen=True)
class Made:
    """A staged shard, and what it took."""

    entry: ShardEntry
    costs: Costs


class Lasting(Unavailable):
    """What does not pass by itself: a full disk, rights that are missing, another version; somebody has to act."""


def make_shard(plan: ShardPlan, recipe: Recipe, place: Place, before: Manifest | None, mend: bool = False) -> Made:
    """Stage a shard of the dataset at `place`; `commit` makes it visible. One that is staged already costs nothing.

    Rows of the dataset as it was (`before`) are taken over where their fingerprint is the one planned, whatever the
    number of its shards was: the bytes are the same as if all were made anew. A track that can't be prepared becomes a
    reject of the shard; so does, without being tried, one that was a reject already, unless `mend`. Raises `BadInput`
    (changed) where a file is not the one that was surveyed, `Unavailable` where a disk or service fails (`Lasting`
    where trying again is of no use), and what the first track raised if not one of many could be made: that is no
    file's fault.
    """
    store = Store.at(place)
    try:
        with Ledger(store, plan.path, plan.fingerprint) as ledger:
            ready = writer.staged(store, plan.path, plan.fingerprint)
            if ready is not None and not (mend and ready.rejects):
                return Made(ready, Costs())
            return _Making(plan, recipe, store, Committed(store, before, plan.path, mend), ledger).made()
    except (OSError, Unavailable) as error:
        if _lasts(error):
            raise Lasting(str(error)) from error
        raise


class _Making:
    """One shard on its way."""

    def __init__(self, plan: ShardPlan, recipe: Recipe, store: Store, committed: Committed, ledger: Ledger) -> None:
        self._plan = plan
        self._recipe = recipe
        self._store = store
        self._rows = plan.rows
        self._committed = committed
        self._ledger = ledger
        self._clock = Clock()
        self._failures: list[BaseException] = []
        self._rows_reused = self._tracks_made = 0
        self._sound_seconds = 0.0

    def made(self) -> Made:
        plan, recipe, ledger = self._plan, self._recipe, self._ledger
        with (
            ShardWriter(self._store, plan.path, recipe.schema, plan.fingerprint, recipe.totals) as shard,
            ExitStack() as at_the_end,
        ):
            tried = self._try_suspects(at_the_end)
            for planned in plan.tracks:
                if self._take_over(planned, shard):
                    ledger.done(planned.row.track)
                else:
                    self._add(tried.get(planned.row.track) or self._outcome(planned), shard)
            if len(self._failures) == len(plan.tracks) > _FEW_TRACKS:
                raise self._failures[0]
            ledger.settle()
            with self._clock.step("write"):
                entry = shard.close()
        costs = Costs(
            entry.rows, self._rows_reused, self._tracks_made, self._sound_seconds, entry.size_bytes, self._clock.seconds
        )
        return Made(entry, costs)

    def _try_suspects(self, at_the_end: ExitStack) -> "dict[str, _Rows | TrackReject]":
        """What comes of the tracks of which workers died, before all others: dying of them again then costs nothing."""
        tried: dict[str, _Rows | TrackReject] = {}
        for planned in self._plan.tracks:
            track = planned.row.track
            if track in self._ledger.blamed() and not self._committed.holds(planned):
                tried[track] = outcome = self._outcome(planned)
                if isinstance(outcome, _Rows):
                    at_the_end.callback(outcome.close)
        return tried

    def _take_over(self, planned: PlannedTrack, shard: ShardWriter) -> bool:
        if not self._committed.holds(planned):
            return False
        reject = self._committed.reject(planned)
        if reject is not None:
            shard.reject(reject)
            return True
        with self._clock.step("reuse"):
            for table in self._committed.tables(planned):
                self._rows_reused += table.num_rows
                shard.add(table)
        return True

    def _add(self, outcome: "_Rows | TrackReject", shard: ShardWriter) -> None:
        if isinstance(outcome, TrackReject):
            shard.reject(outcome)
            return
        self._tracks_made += 1
        with closing(outcome), self._clock.step("write"):
            for table in outcome.tables():
                self._sound_seconds += self._recipe.totals(table).get("seconds", 0.0)
                shard.add(table)

    def _outcome(self, planned: PlannedTrack) -> "_Rows | TrackReject":
        """The rows of a track made anew, all or none, or why there are none."""
        row, ledger = planned.row, self._ledger
        if ledger.blamed().get(row.track, 0) >= TRIES:
            return _given_up(planned, ledger.hung(row.track))
        ledger.begin(row.track)
        try:
            return _Rows(self._recipe.schema, self._tables(planned))
        except BadInput as error:
            if error.reason == "changed":
                raise
            return _reject(planned, error.reason, str(error))
        except FileNotFoundError as error:
            raise BadInput(f"{row.name}: {_plain(error)}; survey again", "changed") from error
        except MusegenError:
            raise
        except MemoryError:
            words = f"{row.name}: there is not enough memory to prepare it; split it into shorter files"
            return _reject(planned, "too large", words)
        except (Exception, SystemExit) as error:
            if isinstance(error, OSError) and error.errno is not None:  # without one, a library dislikes the content
                raise Unavailable(f"{row.name}: it can't be made ({error}); see to the disk, then run again") from error
            self._failures.append(error)
            _log.warning("%s: it is left out, its preparation failed (%s)", row.name, _plain(error))
            return _reject(planned, "failed", f"{row.name}: its preparation failed ({_plain(error)}); report it")
        finally:
            ledger.done(row.track)

    def _tables(self, planned: PlannedTrack) -> Iterator[pa.Table]:
        """What the recipe makes, if it makes what was planned: a worker may run another version of the code."""
        count = 0
        for table in self._recipe.tables(planned.row, self._rows, self._clock):
            if set(table.column("fingerprint").to_pylist()) - {planned.fingerprint}:
                raise Lasting(
                    f"{planned.row.name}: the worker's musegen or its libraries are not those of the run; "
                    "install the same everywhere, then run again"
                )
            self._ledger.go_on()
            count += table.num_rows
            yield table
        if not count:
            words = f"{planned.row.name}: nothing in it is of use here; export it again, or take it out of the corpus"
            raise BadInput(words, "empty")


class _Rows:
    """The tables of one track: large ones lie on disk, so that none has to be added before all are made."""

    def __init__(self, schema: pa.Schema, tables: Iterable[pa.Table]) -> None:
        with ExitStack() as on_failure:
            self._file: IO[bytes] = on_failure.enter_context(SpooledTemporaryFile(_IN_MEMORY_BYTES))
            with pa.ipc.new_stream(self._file, schema) as stream:
                for table in tables:
                    stream.write_table(table)
            on_failure.pop_all()

    def tables(self) -> Iterator[pa.Table]:
        """Once, a part in memory at a time."""
        self._file.seek(0)
        with pa.ipc.open_stream(self._file) as stream:
            for batch in stream:
                yield pa.Table.from_batches([batch])

    def close(self) -> None:
        """Forget them."""
        self._file.close()


def _reject(planned: PlannedTrack, reason: str, words: str) -> TrackReject:
    return TrackReject(planned.row.track, planned.row.name, reason, _portable(words), planned.fingerprint)


def _given_up(planned: PlannedTrack, hung: bool) -> TrackReject:
    fate = "died of it, or had to be ended since it didn't go on," if hung else "died of it"
    words = f"{planned.row.name}: {TRIES} workers {fate} one after the other; export it again"
    return _reject(planned, "hangs" if hung else "crashes", words)


def _lasts(error: BaseException | None) -> bool:
    """Whether trying again is of no use."""
    while error is not None:
        if isinstance(error, Lasting) or (isinstance(error, OSError) and error.errno in _LASTING):
            return True
        error = error.__cause__
    return False


def _plain(error: BaseException) -> str:
    """An error that is not ours in one line that is the same on every machine."""
    return _portable(f"{type(error).__name__}: {error}")


def _portable(words: str) -> str:
    """One line without folders of this machine and addresses in its memory."""
    line = " ".join(_ADDRESS.sub("0x…", _FOLDERS.sub("", words)).split())
    return line if len(line) <= _MOST_WORDS else f"{line[: _MOST_WORDS - 1]}…"
