"""Text and numbers as people's programs write them: encodings, line ends, decimal commas, clock times."""

import codecs
import re
import stat
from pathlib import Path

from musegen.errors import BadInput

_MOST_BYTES = 20_000_000
_NUMBER = re.compile(r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_CLOCK = re.compile(r"(?:(\d{1,3}):)?(\d{1,3}):(\d{1,2}(?:[.,]\d*)?)", re.ASCII)
_REMARK = re.compile(r"(?<=\s)#(?=\s)")
_LONGEST_NUMBER = 60
# Longest first: the mark of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip


def content(path: Path, most_bytes: int = _MOST_BYTES) -> bytes:
    """All bytes of a file; raises `BadInput` ("unreadable", "empty", "too big")."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise BadInput("it is not a plain file; replace it by one")
        size = status.st_size
        found = path.read_bytes() if size <= most_bytes else b""
    except OSError as error:
        raise BadInput(f"it can't be opened ({error.strerror or 'no such file'}); see to its rights") from error
    if size > most_bytes:
        raise BadInput(f"it has {size} bytes, more than {most_bytes}; it is no such label file", "too big")
    if not found:
        raise BadInput("it is empty; fill or remove it", "empty")
    return found


def read(path: Path) -> str:
    """The text of a file in UTF-8, in whatever its byte order mark says, or else in Windows-1252.

    Raises `BadInput` as `content` does, and "not text" for binary content.
    """
    raw = content(path)
    encoding = next((name for mark, name in _MARKS if raw.startswith(mark)), "utf-8")
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        text = raw.decode("cp1252", "replace") if encoding == "utf-8" else "\0"
    if "\0" in text:
        raise BadInput("it is not text; save it as UTF-8", "not text")
    return text


def lines(path: Path) -> list[tuple[int, str]]:
    """(number, text) of every line that says something: remarks (from # or %) and blank lines are left out."""
    numbered = enumerate(re.split(r"\r\n|\r|\n", read(path)), start=1)
    return [(number, said) for number, line in numbered if (said := _without_remark(line))]


def number(cell: str) -> float | None:
    """The finite number that `cell` is, with a decimal point or comma; None where it is none."""
    found = _NUMBER.fullmatch(cell) if len(cell) <= _LONGEST_NUMBER else None
    return _finite(float(cell.replace(",", "."))) if found else None


def seconds(cell: str) -> float | None:
    """The time that `cell` is: seconds, or a clock's `[hours:]minutes:seconds`; None where it is none."""
    found = _CLOCK.fullmatch(cell)
    if found is None:
        return number(cell)
    return int(found[1] or 0) * 3600.0 + int(found[2]) * 60.0 + float(found[3].replace(",", "."))


def _without_remark(line: str) -> str:
    """The line up to a `#` between blanks, without the blanks at its end; empty where it begins with # or %."""
    if line.lstrip()[:1] in ("#", "%"):
        return ""
    remark = _REMARK.search(line)
    return (line[: remark.start()] if remark else line).rstrip()


def _finite(value: float) -> float | None:
    return value if abs(value) < float("inf") else None
