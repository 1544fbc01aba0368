"""Lines of text as rows of cells: what separates them and what the columns are called is found from the whole file."""

import csv
import re
from dataclasses import dataclass
from itertools import pairwise

from musegen.errors import BadInput
from musegen.label_files import text

_PAIR = re.compile(r"\s*\d+,\d+\s*", re.ASCII)


@dataclass(frozen=True)
class Grid:
    """Cells by line: `rows` holds (line number, cells), `header` the names of the columns in lower case, if any.

    `separator` is a tab, `;`, `,` or `" "` for any white space.
    """

    rows: tuple[tuple[int, tuple[str, ...]], ...]
    header: tuple[str, ...]
    separator: str


def read(numbered: list[tuple[int, str]]) -> Grid:
    """The grid that (number, line) pairs make; the first row is a header where none of its cells is a number.

    A tab in every line separates; else `;`; else white space between numbers; else `,`. A comma in numbers that stand
    alone or are separated otherwise is a decimal comma (see `_commas_are_decimal` for `0,5` alone).
    """
    separator = _separator([line for _, line in numbered])
    rows = [(number, _cells(number, line, separator)) for number, line in numbered]
    header: tuple[str, ...] = ()
    if rows and all(text.seconds(cell) is None for cell in rows[0][1]) and _is_header(rows):
        header = tuple(" ".join(re.split(r"[\s_\-()\[\]]+", cell.lower())).strip() for cell in rows[0][1])
        rows = rows[1:]
    return Grid(tuple(rows), header, separator)


def _is_header(rows: list[tuple[int, tuple[str, ...]]]) -> bool:
    """Words above a column of numbers; words above words are just words."""
    return len(rows) > 1 and any(text.seconds(cell) is not None for cell in rows[1][1])


def _separator(lines: list[str]) -> str:
    if not lines:
        return " "
    data = lines[1:] or lines  # the first may be a header
    firsts = [line.split("\t")[0].strip(' "') for line in data if "\t" in line]
    if len(firsts) == len(data) and all(text.seconds(first) is not None for first in firsts):
        return "\t"
    if all(";" in line for line in data):
        return ";"
    words = [line.split() for line in data]
    if all(text.seconds(word) is not None for line in words for word in line[:2]) and not _pairs(data):
        return " "
    if any("," in line for line in data) and not (_pairs(data) and _commas_are_decimal(data)):
        return ","
    return " "


def _pairs(lines: list[str]) -> bool:
    """True where every line is two whole numbers around one comma, which may be a decimal comma or a separator."""
    return all(_PAIR.fullmatch(line) for line in lines)


def _commas_are_decimal(lines: list[str]) -> bool:
    """Whether `0,5` is half a second, or 0 seconds and position 5.

    It is a row of two where the first numbers go up and the second ones count as bars do: each is 1 or one more than
    the one before.
    """
    pairs = [line.split(",") for line in lines]
    times, positions = [int(pair[0]) for pair in pairs], [int(pair[1]) for pair in pairs]
    counts = all(after in (1, before + 1) for before, after in pairwise(positions))
    rises = all(before < after for before, after in pairwise(times))
    written_as_counts = all(pair[1].strip() == str(count) for pair, count in zip(pairs, positions, strict=True))
    return not (len(pairs) > 1 and rises and counts and written_as_counts)


def _cells(number: int, line: str, separator: str) -> tuple[str, ...]:
    if separator == " ":
        return tuple(line.split())
    try:
        cells = next(csv.reader([line], delimiter=separator, skipinitialspace=True), [])
    except csv.Error as error:
        raise BadInput(f"line {number} can't be taken apart ({error}); correct it", "bad line") from error
    return tuple(cell.strip() for cell in cells)
