"""Beat files: a line a beat, its time and, where known, its position in the bar (1 = downbeat).

Read are, whatever separates the columns (white space, tab, `,`, `;`) and whichever the decimal sign is:

    time                        the times alone, a line each, or four and more on the only line
    time position               as madmom, mirdata and this project write them; further columns are not read
    time bar.beat               12.3 is beat 3 of bar 12; where every second number has such a fraction
    time word                   Sonic Visualiser's labels; words are no positions, but "downbeat" is 1
    start end label             Audacity's label track: tabs, second numbers not below the first and not all whole
    a header, then columns      of any names: time, onset, …; beat, position, …; downbeat as a flag

A time is in seconds or `minutes:seconds`. What is ambiguous is decided by the whole file, never by a line. Second
numbers that only count on beyond any bar are beat numbers: the positions are then unknown.
"""

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from musegen.errors import BadInput
from musegen.label_files import grid, text
from musegen.label_files.grid import Grid
from musegen.labels import FILE, Beats

SUFFIXES = frozenset({".beats"})

_EARLIEST_SECONDS = -0.5  # a beat that is struck just before the recording begins
_LATEST_SECONDS = 6 * 3600.0
_MOST_BEATS = 200_000
_MOST_BEATS_A_BAR = 32
_FEWEST_ON_ONE_LINE = 4

_TIMES = ("time", "times", "seconds", "second", "sec", "secs", "s", "start", "begin", "onset", "timestamp", "t")
_MILLISECONDS = ("ms", "millisecond", "milliseconds")
_POSITIONS = ("position", "pos", "bar position", "beat position", "beat in bar", "metrical position", "beat", "label",
              "beat number", "beatnum", "count")  # fmt: skip
_FLAGS = ("downbeat", "downbeats", "is downbeat")
_DOWNBEAT_WORDS = frozenset({"downbeat", "db", "d", "bar"})
_TRUE, _FALSE = frozenset({"1", "true", "yes", "x"}), frozenset({"0", "false", "no", ""})


@dataclass(frozen=True)
class _Columns:
    """Where the time, and the position or downbeat flag if any, stand in a row; the time's unit in seconds."""

    time: int = 0
    position: int | None = 1
    flag: int | None = None
    unit: float = 1.0


def read(path: Path) -> Beats:
    """Read a beat file of any form above.

    Raises `BadInput`: "empty", "no beats", "not text", "bad beats" (a line that is none), "not monotonic", "bad times"
    (before the recording or beyond six hours), "too many beats", each but the first three with the line.
    """
    numbered = [(number, line) for number, line in text.lines(path) if not line.startswith("\\")]
    if len(numbered) > _MOST_BEATS:
        raise BadInput(f"it has more than {_MOST_BEATS} lines; it is no beat file of one track", "too many beats")
    table = _spread(grid.read(numbered))
    if not table.rows:
        raise BadInput("it holds no beats; remove or replace it", "no beats")
    columns = _columns(table)
    seconds = _times(table, columns)
    return Beats(origin=FILE, seconds=np.array(seconds), positions=np.array(_positions(table, columns), np.int16))


def write(path: Path, beats: Beats) -> None:
    """`time<TAB>position`, times to a tenth of a millisecond."""
    lines = [f"{time:.4f}\t{position}\n" for time, position in zip(beats.seconds, beats.positions, strict=True)]
    path.write_text("".join(lines), encoding="utf-8")


def _spread(table: Grid) -> Grid:
    """Times that all stand on one line, as a row each."""
    if len(table.rows) != 1 or len(table.rows[0][1]) < _FEWEST_ON_ONE_LINE:
        return table
    number, cells = table.rows[0]
    return Grid(tuple((number, (cell,)) for cell in cells[: _MOST_BEATS + 1]), (), table.separator)


def _columns(table: Grid) -> _Columns:
    if table.header:
        return _named_columns(table.header)
    if table.separator == "\t" and _is_label_track(table):
        return _Columns(position=2)
    return _Columns()


def _named_columns(header: tuple[str, ...]) -> _Columns:
    """By the names' order of preference; without a name that is known, the first column is the time."""
    units = [name.split()[-1:] for name in header]
    plain = [re.sub(r" (s|sec|secs|seconds|ms|milliseconds)$", "", name) for name in header]
    time = next((plain.index(name) for name in (*_TIMES, *_MILLISECONDS) if name in plain), 0)
    others = {name: index for index, name in enumerate(plain) if index != time}
    position = next((others[name] for name in _POSITIONS if name in others), None)
    flag = next((others[name] for name in _FLAGS if name in others), None)
    unit = 1e-3 if units[time] and units[time][0] in _MILLISECONDS else 1.0
    if position is None and flag is None and not set(plain) & {*_TIMES, *_MILLISECONDS} and len(header) > 1:
        position = 1
    return _Columns(time, position, flag, unit)


def _is_label_track(table: Grid) -> bool:
    """Audacity's: start and end in seconds, with decimals; the end is not before the start."""
    pairs = [(text.number(cells[0]), text.number(cells[1])) if len(cells) > 1 else (None, None)
             for _, cells in table.rows]  # fmt: skip
    if any(start is None or end is None or end < start for start, end in pairs):
        return False
    return any(not cells[1].isdigit() for _, cells in table.rows) and not _bars_and_beats(
        [cells[1] for _, cells in table.rows]
    )


def _times(table: Grid, columns: _Columns) -> list[float]:
    times: list[float] = []
    for number, cells in table.rows:
        cell = cells[columns.time] if columns.time < len(cells) else ""
        time = text.seconds(cell)
        if time is None:
            raise _bad_line(number, cells, "not a time and a position")
        time *= columns.unit
        if not _EARLIEST_SECONDS <= time <= _LATEST_SECONDS:
            raise BadInput(
                f"line {number} says {time:g} seconds, before the recording begins or beyond six hours; correct it",
                "bad times",
            )
        if times and time <= times[-1]:
            raise BadInput(f"line {number} is not later than the beat before it; sort the file", "not monotonic")
        times.append(time)
    return times


def _positions(table: Grid, columns: _Columns) -> list[int]:
    if columns.position is not None:
        cells = [row[columns.position] if columns.position < len(row) else "" for _, row in table.rows]
        return _from_cells(table, cells)
    if columns.flag is not None:
        return _from_flags(table, columns.flag)
    return [0] * len(table.rows)


def _from_cells(table: Grid, cells: list[str]) -> list[int]:
    said = [text.number(cell) for cell in cells]
    if _bars_and_beats(cells):
        return [int(re.split("[.,]", cell)[1]) for cell in cells]
    if all(value is None and not _almost_number(cell) for value, cell in zip(said, cells, strict=True)):
        return [int(cell.lower() in _DOWNBEAT_WORDS) for cell in cells]
    if _is_running_number(said):
        return [0] * len(cells)
    positions = []
    for value, cell, (number, row) in zip(said, cells, table.rows, strict=True):
        if cell == "":
            value = 0.0
        if value is None or value != int(value) or not 0 <= value <= _MOST_BEATS_A_BAR:
            raise _bad_line(number, row, "not a time and a position")
        positions.append(int(value))
    return positions


def _from_flags(table: Grid, column: int) -> list[int]:
    """Positions counted from the downbeats that are flagged; unknown before the first."""
    positions: list[int] = []
    for number, cells in table.rows:
        cell = cells[column].lower() if column < len(cells) else ""
        value = text.number(cell)
        flag = str(int(value)) if value in (0.0, 1.0) else cell
        if flag not in _TRUE | _FALSE:
            raise _bad_line(number, cells, "neither a downbeat nor none")
        before = positions[-1] if positions else 0
        positions.append(1 if flag in _TRUE else before + (before > 0))
    return positions


def _bars_and_beats(cells: list[str]) -> bool:
    """True for `bar.beat` throughout: the beat is no zero and the bars never go back."""
    found = [re.fullmatch(r"(-?\d{1,5})[.,]([1-9]\d?)", cell, re.ASCII) for cell in cells]
    bars = [int(match[1]) for match in found if match]
    beats = [int(match[2]) for match in found if match]
    return len(bars) == len(cells) and bars == sorted(bars) and max(beats) <= _MOST_BEATS_A_BAR and _counts(bars, beats)


def _counts(bars: list[int], beats: list[int]) -> bool:
    """Within a bar the beats rise by one."""
    places = list(zip(bars, beats, strict=True))
    return all(one[0] != two[0] or two[1] == one[1] + 1 for one, two in pairwise(places))


def _is_running_number(said: list[float | None]) -> bool:
    """Whole numbers that count on by one, beyond what a bar can hold."""
    known = [value for value in said if value is not None]
    counts_on = all(after == before + 1 for before, after in pairwise(known))
    return len(known) == len(said) and known[-1] > _MOST_BEATS_A_BAR and known[0] in (0.0, 1.0) and counts_on


def _almost_number(cell: str) -> bool:
    """True for what Python takes for a number and people do not mean as one: nan, inf, 1_000."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _bad_line(number: int, cells: tuple[str, ...], is_not: str) -> BadInput:
    return BadInput(f"line {number} is {' '.join(cells)[:40]!r}, {is_not}; correct it", "bad beats")
