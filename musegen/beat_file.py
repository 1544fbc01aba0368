"""Beat files: a line a beat, its time in seconds and, where known, its position in the bar (1 = downbeat)."""

import math
from pathlib import Path

import numpy as np

from musegen.errors import BadInput
from musegen.labels import FILE, Beats

_MOST_BEATS_A_BAR = 1000


def read(path: Path) -> Beats:
    """Read `time<white space>position` or times alone; raises `BadInput` with the line that is wrong."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"it can't be read as text ({error}); save it as UTF-8", "bad beats") from error
    seconds: list[float] = []
    positions: list[int] = []
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        try:
            time, position = float(words[0]), float(words[1]) if len(words) > 1 else 0.0
        except ValueError:
            time = position = math.nan
        if not (math.isfinite(time) and 0 <= position <= _MOST_BEATS_A_BAR):
            raise BadInput(f"line {number} is {line[:40]!r}, not a time and a position; correct it", "bad beats")
        seconds.append(time)
        positions.append(int(position))
        if len(seconds) > 1 and seconds[-1] <= seconds[-2]:
            raise BadInput(f"line {number} is not later than the beat before it; sort the file", "bad beats")
    if not seconds:
        raise BadInput("it holds no beats; remove or replace it", "bad beats")
    return Beats(origin=FILE, seconds=np.array(seconds), positions=np.array(positions, np.int16))


def write(path: Path, beats: Beats) -> None:
    """The same form, times to a tenth of a millisecond."""
    lines = [f"{time:.4f}\t{position}\n" for time, position in zip(beats.seconds, beats.positions, strict=True)]
    path.write_text("".join(lines), encoding="utf-8")
