"""`data/removed.csv`: the tracks that were removed for good, a tombstone each.

A track is known by its content, so it stays out under any name and in any folder. The table can be opened in a
spreadsheet, but it is strict: its last row counts the tombstones, and where it does not agree nobody guesses which
were lost.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from filelock import FileLock, Timeout

from musegen import spreadsheet
from musegen.errors import BadInput, Unavailable, about
from musegen.spreadsheet import plain, protected

_END = "end"
_REPAIR = "bring the file back from a copy; `musegen remove --undo` is the way to restore a track"
_LOCK_SECONDS = 60.0


@dataclass(frozen=True)
class Tombstone:
    """A removed track: its content id, its name at that time, the day (ISO 8601), and the reason; `who` removed it."""

    track: str
    name: str
    when: str
    why: str = ""
    who: str = ""


_COLUMNS = tuple(column.name for column in fields(Tombstone))


def read(path: Path) -> dict[str, Tombstone]:
    """The tombstones by track id, in order of removal; none where there is no file.

    Raises `BadInput` for a file that is damaged, cut short, or has lost or gained rows: no removal is ever forgotten
    silently.
    """
    with about(path):
        sheet = spreadsheet.read(path, _COLUMNS)
        if sheet is None:
            return {}
        stones: dict[str, Tombstone] = {}
        counts = []
        for line in sheet.lines:
            cells = {column: plain(line.cells.get(column, "")) for column in _COLUMNS}
            if cells["track"].lower() == _END:
                counts.append(cells["name"])
                continue
            try:
                track = spreadsheet.id_of(cells["track"])
            except BadInput as error:
                raise BadInput(f"row {line.row}, {error}", error.reason) from error
            if track in stones:
                raise BadInput(f"row {line.row}: this track is in the table already; {_REPAIR}", spreadsheet.REASON)
            stones[track] = Tombstone(**{**cells, "track": track})
        if counts != [_count(stones)]:
            told = " and ".join(counts) or "nothing"
            raise BadInput(f"it has {_count(stones)}, but its last row says {told}; {_REPAIR}", spreadsheet.REASON)
    return stones


def add(path: Path, tombstones: Iterable[Tombstone]) -> None:
    """Add tombstones, all or none; who is removed already keeps the first one.

    Raises `BadInput` like `read`, and `Unavailable` where the disk refuses or another process holds the file.
    """
    with _only_one(path):
        stones = read(path)
        _write(path, {stone.track: stone for stone in tombstones} | stones)


def drop(path: Path, tracks: Collection[str]) -> None:
    """Take the tombstones of `tracks` away; raises like `add`."""
    with _only_one(path):
        _write(path, {track: stone for track, stone in read(path).items() if track not in tracks})


def _write(path: Path, stones: Mapping[str, Tombstone]) -> None:
    ordered = sorted(stones.values(), key=lambda stone: (stone.when, stone.name, stone.track))
    records = [[spreadsheet.id_cell(stone.track), *map(protected, astuple(stone)[1:])] for stone in ordered]
    spreadsheet.write(path, _COLUMNS, [*records, [_END, _count(stones), "", "", ""]])


def _count(stones: Mapping[str, Tombstone]) -> str:
    return f"{len(stones)} removed"


@contextmanager
def _only_one(path: Path) -> Iterator[None]:
    lock = path.with_name(f".{path.name}.lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock, timeout=_LOCK_SECONDS):
            yield
    except Timeout as error:
        raise Unavailable(f"{path}: another process holds it; wait for it, or stop it") from error
    except OSError as error:
        raise Unavailable(f"{path}: it can't be written ({error}); see to the folder's rights") from error
