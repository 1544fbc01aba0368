"""Tables that say something of many tracks: CSV, TSV and JSON lines, as people's programs write them."""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from musegen.corpora import names
from musegen.errors import BadInput

SUFFIXES = (".csv", ".tsv", ".jsonl", ".jsonl.gz", ".csv.gz")

_PROMISING = (*SUFFIXES, ".json", ".txt", ".xlsx", ".xls", ".ods", ".numbers", ".parquet", ".yaml", ".yml")

FILE_COLUMNS = (
    "file_name", "filename", "file", "file_path", "filepath", "path", "relative_path",
    "audio_filename", "audio_file", "audio_path", "audio", "recording", "wav",
    "midi_filename", "midi_file", "midi_path", "midi",
)  # fmt: skip
ID_COLUMNS = ("id", "track_id", "clip_id", "song_id", "stem", "track", "name")
"""Columns that name a track by its stem, looked at where a table has none of `FILE_COLUMNS`."""

_BAD: Final = "bad table"
_MOST_BYTES = 64 << 20
_HEAD_BYTES = 1 << 16
_LONGEST_JSON_LINE = 1 << 22
_DELIMITERS = ",;\t|"
# Longest first: the mark of UTF-32 begins with that of UTF-16.
_MARKS = ((b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"), (b"\xef\xbb\xbf", "utf-8-sig"),
          (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))  # fmt: skip

# Behind the last line: an open quote swallows it.
_END = "\x1f"
_CONSENT = ("consent", "consent_given", "has_consent")

Row = tuple[int, Mapping[str, Any]]


@dataclass(frozen=True)
class Table:
    """`rows`: (number of the line or record, value by column in lower case with `_`). `warnings`: rows left out."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    warnings: tuple[str, ...] = ()

    @property
    def file_columns(self) -> tuple[str, ...]:
        """The columns that name files, in the table's order."""
        return tuple(column for column in self.columns if column in FILE_COLUMNS)

    @property
    def id_columns(self) -> tuple[str, ...]:
        """The columns that name tracks by their stems, likeliest first."""
        return tuple(column for column in ID_COLUMNS if column in self.columns)


def is_table(name: str) -> bool:
    """Whether a file of this name may be a table; whether it is one, its columns say."""
    return name.lower().endswith(SUFFIXES) and names.part_of(name) is None


def is_metadata(name: str) -> bool:
    """Whether a file of this name promises to say something of tracks, be it in a form that is not read."""
    return name.lower().startswith("metadata") and name.lower().endswith(_PROMISING)


def names_tracks(columns: tuple[str, ...] | None) -> bool:
    """Whether a table with these columns can be about tracks."""
    return columns is not None and not {*FILE_COLUMNS, *ID_COLUMNS}.isdisjoint(columns)


def columns(path: Path) -> tuple[str, ...] | None:
    """The columns of a table by its first line alone; None where that can't be read."""
    try:
        return head(path)
    except BadInput:
        return None


def head(path: Path) -> tuple[str, ...]:
    """The columns of a table by its first line alone; raises `BadInput` ("bad table")."""
    text = _text(_bytes(path, _LONGEST_JSON_LINE if _is_json(path) else _HEAD_BYTES), cut=True)
    if _is_json(path):
        first = next((line for line in text.split("\n") if line.strip()), "")
        _, row = next(_json_lines(first), (0, {}))
        return tuple(_column(name) for name in row)
    try:
        return tuple(next(_csv_rows(text), (0, []))[1])
    except csv.Error as error:
        raise BadInput(f"its first line is damaged ({error}); export it again", _BAD) from error


def read(path: Path) -> Table:
    """The whole table; raises `BadInput` ("bad table", with the line) for what is damaged."""
    content = _bytes(path, _MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise BadInput(f"it is larger than {_MOST_BYTES >> 20} MiB; split it into several tables", _BAD)
    text = _text(content)
    if path.suffix.lower() == ".json":
        return _of_records(_json_records(text))
    return _of_records(_json_lines(text)) if _is_json(path) else _of_csv(text)


def _is_json(path: Path) -> bool:
    return ".json" in "".join(path.suffixes[-2:]).lower()


def _bytes(path: Path, most: int) -> bytes:
    try:
        if path.suffix.lower() == ".gz":
            with gzip.open(path) as packed:
                return packed.read(most)
        with path.open("rb") as file:
            return file.read(most)
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"it can't be read ({error}); see to its rights, or copy it again", _BAD) from error


def _text(content: bytes, cut: bool = False) -> str:
    """Text by its byte order mark, else UTF-8, else Latin-1; `cut` where the last letter may be incomplete."""
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding, "ignore" if cut else "strict")
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace") if encoding == "utf-8" else "\0"
    if "\0" in text:
        raise BadInput("it is not text; save it as UTF-8", _BAD)
    return text


def _column(name: str) -> str:
    return "_".join(name.strip().lower().replace("-", " ").replace("_", " ").split())


def _csv_rows(text: str) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of every row that isn't blank; the first is the header, its names put in their usual form.

    Raises `BadInput` for a quote that is never closed: all that follows it would be one cell.
    """
    first = next((line for line in text.splitlines() if line.strip()), "")
    counts = {mark: _outside_quotes(first).count(mark) for mark in _DELIMITERS}
    lines = io.StringIO(f"{text}\n{_END}\n", newline="")
    reader = csv.reader(lines, delimiter=max(counts, key=lambda mark: counts[mark]))
    header, line = True, 0
    for cells in reader:
        if cells and cells[-1].rstrip("\n").endswith(_END):
            if cells != [_END]:
                raise BadInput(f"a quote that opens in line {line + 1} or later is never closed; close it", _BAD)
            return
        line = reader.line_num
        if any(cell.strip() for cell in cells):
            yield reader.line_num, [_column(cell) for cell in cells] if header else cells
            header = False


def _outside_quotes(line: str) -> str:
    return "".join(line.split('"')[::2])


def _of_csv(text: str) -> Table:
    rows, warnings = _csv_rows(text), []
    line, kept = 0, []
    try:
        _, header = next(rows, (0, []))
        for line, cells in rows:
            if any(cell.strip() for cell in cells[len(header) :]):
                warnings.append(f"line {line} has {len(cells)} values for {len(header)} columns and is left out; quote "
                                "values that contain the separator")  # fmt: skip
                kept += _refusal(line, header, cells)
            else:
                filled = {name: cell.strip() for name, cell in zip(header, cells, strict=False) if cell.strip()}
                kept.append((line, filled))
    except csv.Error as error:
        raise BadInput(f"it is damaged after line {line} ({error}); export it again", _BAD) from error
    return Table(tuple(header), tuple(kept), tuple(warnings))


def _refusal(line: int, header: list[str], cells: list[str]) -> list[Row]:
    """Of a row that is left out, the track and that nobody knows its consent, where the table has a column for it."""
    if set(_CONSENT).isdisjoint(header):
        return []
    named = {name: cell.strip() for name, cell in zip(header, cells, strict=False)
             if name in (*FILE_COLUMNS, *ID_COLUMNS) and cell.strip()}  # fmt: skip
    return [(line, {**named, _CONSENT[0]: f"in a row of {len(cells)} values"})]


def _json_lines(text: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise BadInput(f"line {number} is not JSON ({error}); correct it", _BAD) from error
            if not isinstance(row, dict):
                raise BadInput(f"line {number} is no JSON object; correct it", _BAD)
            yield number, row


def _json_records(text: str) -> Iterator[Row]:
    """A list of objects, or an object of columns that map row numbers to values, as MAESTRO's."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"it is not JSON ({error}); take it from the data set again", _BAD) from error
    if isinstance(content, dict) and content and all(isinstance(column, dict) for column in content.values()):
        keys = dict.fromkeys(key for column in content.values() for key in column)
        content = [{name: column[key] for name, column in content.items() if key in column} for key in keys]
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise BadInput("it is no list of JSON objects; take it from the data set again", _BAD)
    yield from enumerate(content, start=1)


def _of_records(records: Iterator[Row] | Sequence[Row]) -> Table:
    rows = [(number, {_column(str(name)): value for name, value in row.items()}) for number, row in records]
    names = dict.fromkeys(name for _, row in rows for name in row)
    return Table(tuple(names), tuple(rows))
