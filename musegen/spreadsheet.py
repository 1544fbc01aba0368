"""Tables that people open in a spreadsheet: written so that no program takes a cell for something else, and read as
any program saves them.

What is written is UTF-8 with its mark (Excel needs it), one record a line. What is read may have any of the usual
delimiters, UTF-16, no mark, other line ends, other columns and another order.
"""

import codecs
import csv
import hashlib
import io
import itertools
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from musegen.errors import BadInput, Unavailable

REASON = "bad table"
_DELIMITERS = (",", ";", "\t", "|")
_FORMULA = tuple("=+-@\t＝＋－＠")
_TRUTHS = re.compile("true|false|wahr|falsch|vrai|faux|verdadero|falso|vero|waar|onwaar")
_LETTERS_OF_NUMBERS = re.compile(
    "e?|am?|pm?|h|tz?|.*月.*|(jan|gen|ene|feb|fev|fév|mar|mär|maa|mrz|mrt|apr|avr|abr|mai|may|mag|mei|maj|jun|jui|giu|jul|"
    "lug|aug|aoû|ago|sep|set|okt|oct|ott|out|nov|dec|dez|déc|dic).*"
)
_SEPARATOR_LINE = re.compile('"?sep=([,;\t|])', re.IGNORECASE)
_DIGIT = re.compile(r"\d")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_HIDDEN_FORMULA = re.compile(r"(?<=[,;\t|\n])(?=[=+\-@])")
_ID = re.compile(r"(?:t:)?([0-9a-f]{32})", re.IGNORECASE)
_MOST_LETTERS_SHOWN = 500


@dataclass(frozen=True)
class Line:
    """One record: the row that a spreadsheet shows it in (the header is row 1), and its cells by column, tidied."""

    row: int
    cells: Mapping[str, str]


@dataclass(frozen=True)
class Sheet:
    """A table as it was saved. `letters_lost`: its encoding may have turned letters into question marks."""

    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    delimiter: str
    letters_lost: bool


def read(path: Path, known: Sequence[str]) -> Sheet | None:
    """The table in `path`, None where there is no such file; `known` columns are found in any case, the first must be.

    Empty records are left out. Raises `BadInput` with the row for what is no table: another encoding, quotes that do
    not close, a record that is shorter than the header, or has a cell without a column.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadInput(f"it can't be read ({error.strerror}); close it elsewhere, see to its rights") from error
    text = _decoded(raw)
    header, delimiter, skipped = _header(text, known)
    lines = []
    for row, record in _records(text, delimiter):
        cells = [tidy(cell) for cell in record]
        if row > skipped and any(cells):
            lines.append(Line(row, _by_column(header, cells, row)))
    return Sheet(tuple(filter(None, header)), tuple(lines), delimiter, raw.isascii())


def write(path: Path, columns: Sequence[str], records: Iterable[Sequence[str]], delimiter: str = ",") -> None:
    """Write the table atomically; the same cells give the same bytes, and leave a file that has them alone.

    Raises `Unavailable` where the disk refuses.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([tidy(cell) for cell in record] for record in records)
    content = codecs.BOM_UTF8 + text.getvalue().encode()
    if sha256(path) == hashlib.sha256(content).hexdigest():
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise Unavailable(f"{path}: it can't be written ({error}); free space or close it, then run again") from error


def sha256(path: Path) -> str | None:
    """The hash of a table as it lies there, None where there is none."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def tidy(cell: str) -> str:
    """A cell as it is written and read: one kind of line end, no control characters, nothing blank around it."""
    if cell.isprintable():
        return cell.strip()
    joined = cell.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub("", joined.encode("utf-8", "replace").decode()).strip()


def protected(text: str) -> str:
    """Text as a cell that stays text: `'` goes before what a spreadsheet would run, or take for a number or a date.

    Formulas are what OWASP lists under CSV injection; `plain` takes the `'` away again.
    """
    return f"'{text}" if _taken_for_more(text.lstrip("'")) else text


def plain(cell: str) -> str:
    """The text that `protected` made a cell of; other cells as they are."""
    return cell[1:] if cell.startswith("'") and _taken_for_more(cell.lstrip("'")) else cell


def shown(text: str) -> str:
    """Text of a stranger's file as a cell to look at: shortened, and no formula even if it is cut at a delimiter."""
    tidied = tidy(text)
    short = tidied if len(tidied) <= _MOST_LETTERS_SHOWN else f"{tidied[:_MOST_LETTERS_SHOWN]}…"
    return protected(_HIDDEN_FORMULA.sub(" ", short))


def id_cell(track: str) -> str:
    """A track's id as a cell; bare hex digits like 12e3… would become a number."""
    return f"t:{track}"


def id_of(cell: str) -> str:
    """The track that a cell names; raises `BadInput`."""
    found = _ID.fullmatch(cell)
    if not found:
        raise BadInput(f"column track: {cell[:40]!r} is no track id, perhaps a spreadsheet made a number of it; put it "
                       "back as it was, or delete the row with what it says", REASON)  # fmt: skip
    return found[1].lower()


def _taken_for_more(text: str) -> bool:
    if text.startswith(_FORMULA) or _TRUTHS.fullmatch(text.lower()):
        return True
    if not _DIGIT.search(text):
        return False
    return _LETTERS_OF_NUMBERS.fullmatch("".join(filter(str.isalpha, text)).lower()) is not None


def _decoded(raw: bytes) -> str:
    if not raw.strip():
        raise BadInput("it is empty; bring it back from a copy, or delete it", "empty")
    wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    encoding = "utf-16" if wide else "utf-8-sig"
    if not wide and b"\0" in raw[:2]:
        encoding = "utf-16-be" if raw.startswith(b"\0") else "utf-16-le"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise BadInput("it is not in UTF-8; save it as `CSV UTF-8`, other forms lose letters", REASON) from error


def _header(text: str, known: Sequence[str]) -> tuple[list[str], str, int]:
    """The columns, the delimiter, and the row they stand in; Excel's line `sep=;` may stand before them."""
    told = _SEPARATOR_LINE.match(text)
    for delimiter in told[1] if told else _DELIMITERS:
        row, record = next(itertools.islice(_records(text, delimiter), int(bool(told)), None), (1, []))
        names = [tidy(cell) for cell in record]
        header = [name.lower() if name.lower() in known else name for name in names]
        if known[0] in header:
            twice = next((name for name in header if name and header.count(name) > 1), None)
            if twice is not None:
                raise BadInput(f"row {row}: column {twice!r} is there twice; delete one", REASON)
            return header, delimiter, row
    raise BadInput(f"it has no column {known[0]!r}; put the first row back as it was", REASON)


def _records(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    row = 0
    try:
        for row, record in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), 1):
            yield row, record
    except csv.Error as error:
        raise BadInput(f"row {row + 1}: its quotes are damaged ({error}); save the table again", REASON) from error


def _by_column(header: Sequence[str], cells: Sequence[str], row: int) -> dict[str, str]:
    if len(cells) < len(header):
        raise BadInput(f"row {row}: it has {len(cells)} cells, not {len(header)}; the file is cut short, or was opened "
                       "with another delimiter", REASON)  # fmt: skip
    named = [*header, *[""] * (len(cells) - len(header))]
    if any(cell and not name for name, cell in zip(named, cells, strict=True)):
        raise BadInput(f"row {row}: a cell stands under no column; put text with a delimiter in quotes, or name the "
                       "column", REASON)  # fmt: skip
    return {name: cell for name, cell in zip(named, cells, strict=True) if name}
