"""Chord files: `start end chord` a line, as Isophonics' .lab, POP909's chord_midi.txt and Audacity's labels are."""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from musegen.errors import BadInput
from musegen.label_files import text
from musegen.labels import FILE, Chords
from musegen.labels.chords import NO_CHORD, transposed

SUFFIXES = frozenset({".lab"})

_LATEST_SECONDS = 6 * 3600.0
_MOST_CHORDS = 100_000
# Ends and starts that were rounded apart may overlap by so much; the end is then taken back.
_ROUNDING_SECONDS = 0.02
_NONE = frozenset({"n", "nc", "n.c.", "none", "nochord", "no_chord", "silence", "end"})


def read(path: Path) -> Chords:
    """Read seconds (decimal commas as well) and chord symbols, separated by white space, `,` or `;`.

    A header is passed over, lines of no length are left out. Raises `BadInput`: "empty", "no chords", "not text", and
    with the line "bad chords" (it is none), "not monotonic" (it begins before the chord above ends), "bad times".
    """
    numbered = text.lines(path)
    if len(numbered) > _MOST_CHORDS:
        raise BadInput(f"it has more than {_MOST_CHORDS} lines; it is no chord file of one track", "bad chords")
    if len(numbered) > 1 and not re.search(r"\d", numbered[0][1]):
        numbered = numbered[1:]  # a header
    return of([_row(number, line) for number, line in numbered], numbers=[number for number, _ in numbered])


def of(
    rows: Sequence[tuple[float, float, str]], confidence: float = 1.0, numbers: Sequence[int] | None = None
) -> Chords:
    """Chords from (start, end, symbol) rows in order; ends that rounding pushed over the next start are taken back.

    Raises `BadInput` as `read` does; `numbers` are the lines by which it names a row.
    """
    kept: list[tuple[float, float, str]] = []
    for index, (start, end, name) in enumerate(rows):
        if kept and start < kept[-1][1]:
            if start < kept[-1][1] - _ROUNDING_SECONDS:
                where = f"line {numbers[index]}" if numbers else f"chord {index + 1}"
                raise BadInput(f"{where} begins before the chord above ends; correct it", "not monotonic")
            start = max(start, kept[-1][0])
            kept[-1] = (kept[-1][0], start, kept[-1][2])
        kept.append((start, max(start, end), NO_CHORD if name.lower() in _NONE else name))
    kept = [row for row in kept if row[1] > row[0]]
    if not kept:
        raise BadInput("it holds no chords; remove or replace it", "no chords")
    starts, ends, names = zip(*kept, strict=True)
    return Chords(origin=FILE, confidence=confidence, starts=np.array(starts), ends=np.array(ends), names=names)


def _row(number: int, line: str) -> tuple[float, float, str]:
    words = line.replace(";", " ").split()
    if len(words) == 1:
        words = line.split(",", 2)
    start, end = (text.seconds(word.strip()) for word in [*words, "", ""][:2])
    if start is None or end is None or len(words) < 3:
        raise BadInput(f"line {number} is {line[:40]!r}, not start, end and chord; correct it", "bad chords")
    if not (0 <= start <= end <= _LATEST_SECONDS):
        raise BadInput(
            f"line {number} goes from {start:g} to {end:g} seconds: backward, or outside six hours; correct it",
            "bad times",
        )
    name = words[2].strip('"')
    name = NO_CHORD if name.lower() in _NONE else name
    try:
        return start, end, transposed(name, 0)
    except BadInput as error:
        raise BadInput(f"line {number}: {error}", "bad chords") from error
