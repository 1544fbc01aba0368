"""`data/labels.csv`: what is known of every track, one row each, for people to correct in a spreadsheet.

A cell that a person changes becomes their word, with the origin `human`, and stays until they change it again. An
emptied cell goes back to what the files say, and so does a deleted row; `-` says that there is none. To confirm a
guess as it is, write `human` over its origin. Columns that a person adds are kept.

An edit is recognised with no other memory than the table: its last column holds short hashes of what was written, so
a cell that no longer fits its hash was edited. Cells are compared by their meaning (`120` = `120,0`), so that a
program that only spells them in another way edits nothing.
"""

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from musegen import splits, spreadsheet
from musegen.catalogue import CatalogueRow
from musegen.errors import BadInput, BadParams, about
from musegen.labels import HUMAN, Style, Tempo
from musegen.spreadsheet import Line, plain, protected, shown
from musegen.theory import Key, Meter

EDITABLE = ("style", "bpm", "key", "meter", "title", "artist", "licence", "consent", "split")
NONE = "-"
Value = str | float | bool

_WRITTEN = "written"
_COLUMNS = (
    "track", "name", "style", "style_origin", "style_confidence", "notes", "notes_origin", "notes_confidence", "beats",
    "beats_origin", "beats_confidence", "chords", "chords_origin", "bpm", "bpm_origin", "key", "key_origin", "meter",
    "meter_origin", "title", "artist", "licence", "consent", "split", "seconds", "warnings", "composes", "absent",
)  # fmt: skip
_NONES = frozenset((NONE, "–", "—"))
_TRUE = frozenset(("yes", "y", "true", "1", "ja", "j", "wahr", "oui", "o", "vrai", "sí", "si", "verdadero", "vero"))
_FALSE = frozenset(("no", "n", "false", "0", "nein", "falsch", "non", "faux", "falso"))
_HASHES = re.compile(rf"v1 ([0-9a-f]{{8}})((?: [0-9a-f]{{8}}h?){{{len(EDITABLE)}}})")
_LOST_LETTER = re.compile(r"\w\?\w|\?\?|^\W*\?\W*$")
_MOST_PROBLEMS_TOLD = 5


@dataclass(frozen=True)
class Correction:
    """What a person says of one track: `words` by field, None where they say that there is none.

    `name` is what the track was called; `remarks` are the cells of columns that the person added.
    """

    words: Mapping[str, Value | None] = field(default_factory=dict)
    name: str = ""
    remarks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Edits:
    """What people said in the table, by track id; how the table was saved is kept for the next one."""

    corrections: Mapping[str, Correction] = field(default_factory=dict)
    columns: tuple[str, ...] = ()
    delimiter: str = field(default=",", compare=False)
    sha256: str | None = field(default=None, compare=False)

    def of(self, track: str) -> dict[str, Any]:
        """What a person says of a track, by field (see `EDITABLE`); None where they say that there is none."""
        return dict(self.corrections[track].words) if track in self.corrections else {}


def read(path: Path) -> Edits:
    """The edits in the table at `path`, none where there is no table.

    Raises `BadInput` that names row (as a spreadsheet counts them, the header is row 1) and column of all that can't
    be: a tempo that is no number, an unknown split, an id or a meter that a spreadsheet has made a number or a date.
    """
    with about(path):
        sha256 = spreadsheet.sha256(path)
        sheet = spreadsheet.read(path, (*_COLUMNS, _WRITTEN))
        if sheet is None:
            return Edits()
        if _WRITTEN not in sheet.columns:
            raise _bad(
                f"column {_WRITTEN!r} is missing; put it back, or add it empty to have every cell taken as yours"
            )
        own = tuple(column for column in sheet.columns if column not in (*_COLUMNS, _WRITTEN))
        corrections: dict[str, Correction] = {}
        rows: dict[str, int] = {}
        problems: list[str] = []
        for line in sheet.lines:
            try:
                track = spreadsheet.id_of(line.cells["track"])
                if track in rows:
                    raise _bad(f"it is the same track as in row {rows[track]}; delete one of them")
                rows[track] = line.row
                corrections[track] = _correction(track, line, own, sheet.letters_lost)
            except BadInput as error:
                problems.append(f"row {line.row}, {error}")
        if problems:
            more = len(problems) - _MOST_PROBLEMS_TOLD
            raise _bad("\n".join(problems[:_MOST_PROBLEMS_TOLD]) + (f"\nand {more} more" if more > 0 else ""))
    kept = {track: said for track, said in corrections.items() if said.words or said.remarks}
    return Edits(kept, own, sheet.delimiter, sha256)


def write(path: Path, rows: Sequence[CatalogueRow], edits: Edits) -> None:
    """Write the table of `rows` with the people's words over them: what is least sure first, then by name.

    What people said of tracks that are absent is kept at the end. Where the table was edited since `edits` was read,
    it is read once more, so that nothing is lost; raises `BadInput` like `read`, the table staying as it is, and
    `Unavailable` where the disk refuses.
    """
    latest = edits if spreadsheet.sha256(path) == edits.sha256 else read(path)
    ordered = sorted(rows, key=lambda row: (_sureness(row, latest.of(row.track)), row.name, row.track))
    present = {row.track for row in rows}
    absent = {track: said for track, said in latest.corrections.items() if track not in present}
    columns = (*_COLUMNS, *latest.columns, _WRITTEN)
    cells = [_row_cells(row, latest.corrections.get(row.track, Correction())) for row in ordered]
    cells += [_absent_cells(*item) for item in sorted(absent.items(), key=lambda item: (item[1].name, item[0]))]
    records = [[row.get(column, "") for column in columns] for row in cells]
    spreadsheet.write(path, columns, records, latest.delimiter)


def _bad(message: str) -> BadInput:
    return BadInput(message, spreadsheet.REASON)


def _correction(track: str, line: Line, own: Sequence[str], letters_lost: bool) -> Correction:
    hashes, human = _written(track, line.cells[_WRITTEN])
    words: dict[str, Value | None] = {}
    for name in EDITABLE:
        cell = line.cells.get(name)
        if cell is None and name in human:
            raise _bad(f"column {name}: it is missing, and your word was in it; put it back, or add it empty")
        if not cell:
            continue
        edited = _hash(track, name, _meaning(name, cell)) != (hashes.get(name) or _hash(track, name))
        confirmed = line.cells.get(f"{name}_origin", "").lower() == HUMAN
        if not (edited or confirmed or name in human):
            continue
        if letters_lost and edited and name in ("style", "title", "artist") and _LOST_LETTER.search(cell):
            raise _bad(f"column {name}: {cell[:40]!r} has lost letters; save the table as `CSV UTF-8`")
        words[name] = None if cell in _NONES else _value(name, cell)
    remarks = {column: plain(line.cells[column]) for column in own if line.cells[column]}
    return Correction(words, plain(line.cells.get("name", "")), remarks)


def _written(track: str, cell: str) -> tuple[dict[str, str], frozenset[str]]:
    """The hashes by field, and which of them are of a person's word."""
    if not cell:
        return {}, frozenset()
    found = _HASHES.fullmatch(cell)
    if not found:
        raise _bad(f"column {_WRITTEN}: it was changed; put it back, or empty it to have all of the row taken as yours")
    if found[1] != _hash(track, _WRITTEN):
        raise _bad(f"column {_WRITTEN}: it belongs to another track, only some columns were sorted; undo that")
    hashes = dict(zip(EDITABLE, found[2].split(), strict=True))
    human = frozenset(name for name, written in hashes.items() if written.endswith("h"))
    return {name: written.rstrip("h") for name, written in hashes.items()}, human


def _hash(track: str, name: str, meaning: str = "") -> str:
    return hashlib.sha256(f"{track}\0{name}\0{meaning}".encode()).hexdigest()[:8]


@lru_cache(maxsize=100_000)
def _meaning(name: str, cell: str) -> str:
    """What a cell says, the same for all spellings of it; also of cells that can't be read."""
    if not cell or cell in _NONES:
        return cell and NONE
    try:
        said = str(_value(name, cell))
    except BadInput:
        said = plain(cell)
    return "=" + unicodedata.normalize("NFC", " ".join(said.split()))


def _value(name: str, cell: str) -> Value:
    reader = _READERS.get(name)
    try:
        return reader(plain(cell)) if reader else plain(cell)
    except (BadInput, BadParams) as error:
        raise _bad(f"column {name}: {error}") from error


def _read_bpm(text: str) -> float:
    number = re.sub(r"\s*bpm$", "", text, flags=re.IGNORECASE).replace(",", ".")
    if not re.fullmatch(r"\d+(\.\d*)?", number, re.ASCII):
        raise _bad(f"{text[:40]!r} is no tempo{_maybe_a_date(text)}; write quarters a minute, as 92 or `92.5 bpm`")
    return Tempo.stated(round(float(number), 2)).bpm


def _read_meter(text: str) -> str:
    try:
        return str(Meter.parse(re.sub(r"\s*time$", "", text, flags=re.IGNORECASE)))
    except BadParams as error:
        raise _bad(f"{text[:40]!r} is no meter{_maybe_a_date(text)}; write it as `6/8 time`") from error


def _maybe_a_date(text: str) -> str:
    date = re.search(r"\d\W+[^\W\d]{3}|[^\W\d]{3}\W+\d|\d[./:-]\d+[./:-]\d|\d{5}", text)
    return ", perhaps a spreadsheet made a date of it" if date else ""


def _read_consent(text: str) -> bool:
    if text.lower() not in _TRUE | _FALSE:
        raise _bad(f"{text[:40]!r} is neither yes nor no; write yes, no, or - where nobody was asked")
    return text.lower() in _TRUE


_READERS: dict[str, Callable[[str], Value]] = {
    "style": lambda text: Style.named(text).name,
    "bpm": _read_bpm,
    "key": lambda text: str(Key.parse(text)),
    "meter": _read_meter,
    "consent": _read_consent,
    "split": splits.parse,
}


def _sureness(row: CatalogueRow, words: Mapping[str, Value | None]) -> float:
    """How sure the least sure label of a track is; no style at all is not sure at all."""
    style = 1.0 if "style" in words else 0.0 if row.style is None else row.style_confidence
    known = [sure for sure in (style, row.notes_confidence, row.beats_confidence) if sure is not None]
    return min(known, default=1.0)


def _row_cells(row: CatalogueRow, correction: Correction) -> dict[str, str]:
    # A person's word that they have withdrawn since the survey is left out; the next survey asks the files again.
    sources = json.loads(row.sources)
    known = {name: getattr(row, name) for name in EDITABLE if sources.get(name) != HUMAN}
    cells = {name: _cell(name, value, shown) for name, value in known.items() if value is not None}
    for kind in ("style", "notes", "beats", "chords", "bpm", "key", "meter"):
        if kind in sources and (kind in known or kind not in EDITABLE):
            cells[f"{kind}_origin"] = row.origin(kind) or ""
    for kind in ("style", "notes", "beats"):
        sure = getattr(row, f"{kind}_confidence")
        cells[f"{kind}_confidence"] = f"{sure:.0%}" if sure is not None else ""
    for kind in ("notes", "beats", "chords"):
        count = getattr(row, kind)
        cells[kind] = str(count) if count is not None else ""
    cells |= {"name": shown(row.name), "seconds": f"{row.seconds:.0f}", "composes": shown(row.composes)}
    cells["warnings"] = shown("; ".join(json.loads(row.warnings)))
    return _with_words(row.track, cells, correction)


def _absent_cells(track: str, correction: Correction) -> dict[str, str]:
    return _with_words(track, {"name": protected(correction.name), "absent": "yes"}, correction)


def _with_words(track: str, cells: dict[str, str], correction: Correction) -> dict[str, str]:
    """The cells with a person's words over them, and the hashes of all that can be edited."""
    human = {name: _cell(name, value, protected) for name, value in correction.words.items()}
    merged = cells | {column: protected(remark) for column, remark in correction.remarks.items()} | human
    merged |= {f"{name}_origin": HUMAN for name in human} | ({"style_confidence": "100%"} if "style" in human else {})
    hashes = [
        _hash(track, name, _meaning(name, spreadsheet.tidy(merged.get(name, "")))) + ("h" if name in human else "")
        for name in EDITABLE
    ]
    return merged | {"track": spreadsheet.id_cell(track), _WRITTEN: " ".join(["v1", _hash(track, _WRITTEN), *hashes])}


def _cell(name: str, value: Value | None, as_text: Callable[[str], str]) -> str:
    """A value so that no spreadsheet takes it for another one: a bare `3/4` would be a date, `92.5` may be 925."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        number = f"{value:.2f}".rstrip("0").rstrip(".")
        return f"{number} bpm" if "." in number else number
    return f"{value} time" if name == "meter" else as_text(value)
