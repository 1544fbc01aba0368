"""Printed music → bars and voices: the public-domain pieces that music21 carries, barred as the ear hears them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.errors import BadInput, Unavailable
from musegen.score import SCORE_NOTE
from musegen.theory import TICKS_PER_QUARTER, Meter

STYLES = ("chorale", "reel", "jig", "hornpipe", "slip_jig", "strathspey", "clog")
"""What `sources` knows."""

VOICES = ("Soprano", "Alto", "Tenor", "Bass")

# A jig in 9/8 is a slip jig by definition; the straight jigs in 2/4 are another dance.
_METERS = {
    "chorale": ("4/4", "3/4", "3/2", "2/2"),
    "reel": ("2/4", "2/2", "4/4"),
    "jig": ("6/8",),
    "hornpipe": ("2/4", "2/2", "4/4"),
    "slip_jig": ("9/8",),
    "strathspey": ("4/4", "2/2"),
    "clog": ("2/2", "4/4", "2/4"),
}
_FEWEST_BARS = 6


@dataclass(frozen=True)
class Source:
    """One piece: its style and title, its file under music21's corpus folder, and which tune of that (X: number)."""

    style: str
    title: str
    file: str
    number: int = 0

    @property
    def name(self) -> str:
        """Unique and stable."""
        return f"{self.file}#{self.number}" if self.number else self.file


@dataclass(frozen=True, eq=False)
class Piece:
    """Notes as printed, repeats played once: a table (dtype `SCORE_NOTE`) a voice; velocity and program are still 0.

    Tick 0 is a bar line: a pickup stands at the end of a full first bar. `bars` is how many there are.
    """

    meter: Meter
    bars: int
    voices: tuple[NDArray[Any], ...]


def sources() -> list[Source]:
    """All pieces whose style is known, in a fixed order with distinct titles; reads headers only.

    Bach's four-part chorales, Ryan's Mammoth Collection (1883), the slip jigs of O'Neill's Music of Ireland (1903).
    """
    root = _root()
    found = [
        Source("chorale", f"Chorale BWV {path.stem.removeprefix('bwv')}", f"bach/{path.name}")
        for path in sorted((root / "bach").glob("bwv*.mxl"))
    ]
    for path in sorted((root / "ryansMammoth").glob("*.abc")):
        found += _tune(path.read_text("utf-8", "replace"), f"ryansMammoth/{path.name}", 0)
    for path in sorted((root / "oneills1850").glob("*.abc")):
        for number, text in _tunes(path):
            tunes = _tune(text, f"oneills1850/{path.name}", number)
            found += [tune for tune in tunes if tune.style == "slip_jig"]
    return _distinct(found)


def read(source: Source) -> Piece:
    """Parse one piece; raises `BadInput` where it can't be parsed, changes its meter, or its bars don't add up."""
    from music21 import converter, exceptions21

    path = _root() / source.file
    try:
        if path.suffix == ".abc":
            text = dict(_tunes(path))[source.number] if source.number else path.read_text("utf-8", "replace")
            printed = converter.parseData(text, format="abc")
        else:
            printed = converter.parseFile(path, forceSource=True, storePickle=False)
    except (exceptions21.Music21Exception, ArithmeticError, LookupError, ValueError, AttributeError) as error:
        raise BadInput(f"music21 can't parse it ({error}); leave it out", "unreadable") from error
    return piece(printed, source.style)


def piece(printed: Any, style: str) -> Piece:
    """The bars and voices of a music21 score, as a piece of `style`; raises `BadInput` as `read` does."""
    parts = _parts(printed, style)
    measures = [list(part.getElementsByClass("Measure")) for part in parts]
    meter = _meter(parts, style)
    starts, bars = _bar_lines(measures[0], meter)
    if bars < _FEWEST_BARS:
        raise BadInput(f"it has {bars} bars, fewer than {_FEWEST_BARS}; leave it out", "too short")
    voices = []
    for index, mine in enumerate(measures):
        if [_ticks(measure.duration) for measure in mine] != [_ticks(measure.duration) for measure in measures[0]]:
            raise BadInput(f"part {index + 1} has other bars than part 1; leave it out", "bad bars")
        voices.append(_voice(mine, starts, index))
    return Piece(meter, bars, tuple(voices))


def _root() -> Path:
    spec = find_spec("music21")
    if spec is None or spec.origin is None:
        raise Unavailable("music21: it is not installed; pip install music21")
    return Path(spec.origin).parent / "corpus"


def _tunes(path: Path) -> Iterator[tuple[int, str]]:
    """(X: number, text) of every tune in an ABC file."""
    for text in re.split(r"^(?=X:)", path.read_text("utf-8", "replace"), flags=re.MULTILINE):
        found = re.match(r"X:\s*(\d+)", text)
        if found:
            yield int(found[1]), text


def _tune(text: str, file: str, number: int) -> list[Source]:
    """The tune as a source if its header names a dance we know, in that dance's meter."""
    header = dict(reversed(re.findall(r"^([TRM]):[ \t]*(.*?)\s*$", text, re.MULTILINE)))
    words = re.sub(r"[^a-z]+", "_", header.get("R", "").lower()).strip("_").replace("slipjig", "slip_jig")
    meter = {"C": "4/4", "C|": "2/2"}.get(header.get("M", ""), header.get("M", ""))
    style = "slip_jig" if words == "jig" and meter == "9/8" else words
    if meter not in _METERS.get(style, ()):
        return []
    return [Source(style, _title(header.get("T", "")) or Path(file).stem, file, number)]


def _title(text: str) -> str:
    """A title for people and file systems: no dance behind it, no shouting, no characters that a shell minds."""
    text = re.sub(r"\s+(--|-)\s+.*$", "", text)
    text = re.sub(r"^(.*), (The|A|An)$", r"\2 \1", text, flags=re.IGNORECASE)
    text = re.sub(r"[^\w\s'&.,-]", "", text, flags=re.ASCII)
    text = " ".join(text.split()).strip(" .,-")
    if text.isupper():
        text = re.sub(r"[A-Z][A-Z']*", lambda word: word[0].capitalize(), text)
    return text


def _distinct(found: list[Source]) -> list[Source]:
    """The same, with a number behind a title that a style has already; case does not tell titles apart."""
    seen: dict[tuple[str, str], int] = {}
    out = []
    for source in found:
        key = (source.style, source.title.lower())
        seen[key] = seen.get(key, 0) + 1
        title = source.title if seen[key] == 1 else f"{source.title} ({seen[key]})"
        out.append(Source(source.style, title, source.file, source.number))
    return out


def _parts(printed: Any, style: str) -> list[Any]:
    parts = list(getattr(printed, "parts", []))
    if style == "chorale":
        named = {part.partName: part for part in parts}
        if not all(voice in named for voice in VOICES):
            raise BadInput(f"it has no four voices but {len(parts)} parts; leave it out", "not four voices")
        return [named[voice] for voice in VOICES]
    if len(parts) != 1:
        raise BadInput(f"it has {len(parts)} parts, not one; leave it out", "not one voice")
    return parts


def _meter(parts: list[Any], style: str) -> Meter:
    found = sorted({mark.ratioString for part in parts for mark in part.recurse().getElementsByClass("TimeSignature")})
    if len(found) != 1:
        raise BadInput(f"its meter changes ({', '.join(found) or 'none is given'}); leave it out", "meter changes")
    if found[0] not in _METERS[style]:
        raise BadInput(f"its meter {found[0]} is not that of a {style}; leave it out", "other meter")
    return Meter.parse(found[0])


def _ticks(duration: Any) -> int:
    return round(float(duration.quarterLength) * TICKS_PER_QUARTER)


def _bar_lines(measures: list[Any], meter: Meter) -> tuple[list[int], int]:
    """The tick at which each printed measure starts, and how many full bars they make.

    A printed measure may be part of a bar: a pickup, or the rest of one before a repeat sign and the pickup behind it.
    A section that ends short of a bar, without a pickup behind it, is filled up with silence.
    """
    starts: list[int] = []
    now = 0
    for index, measure in enumerate(measures):
        length, filled = _ticks(measure.duration), now % meter.ticks
        if index == 0 and length < meter.ticks:
            now = filled = meter.ticks - length
        if filled + length > meter.ticks:
            if index == 0 or filled == 0 or not _ends_section(measures[index - 1]):
                raise BadInput(f"measure {index + 1} does not end on a bar line; leave it out", "bad bars")
            now += meter.ticks - filled
        starts.append(now)
        now += length
    return starts, -(-now // meter.ticks)


def _ends_section(measure: Any) -> bool:
    return measure.rightBarline is not None and measure.rightBarline.type in ("final", "double", "heavy-heavy")


def _voice(measures: list[Any], starts: list[int], part: int) -> NDArray[Any]:
    """The notes of one voice: of a chord the highest, tied ones as one, grace notes left out."""
    rows: list[tuple[int, int, int, int, int, int]] = []
    tied = False
    for measure, start in zip(measures, starts, strict=True):
        if measure.hasVoices():
            raise BadInput(f"measure {measure.number} has several voices on one staff; leave it out", "not one voice")
        for note in measure.notes:
            ticks = _ticks(note.duration)
            if ticks <= 0 or not note.pitches:
                continue
            onset, pitch = start + round(float(note.offset) * TICKS_PER_QUARTER), max(p.midi for p in note.pitches)
            if tied and rows[-1][2] == pitch and rows[-1][0] + rows[-1][1] == onset:
                rows[-1] = (rows[-1][0], rows[-1][1] + ticks, pitch, 0, 0, part)
            else:
                rows.append((onset, ticks, pitch, 0, 0, part))
            tied = any(mark.type in ("start", "continue") for mark in _ties(note))
    if not rows:
        raise BadInput(f"part {part + 1} has no notes; leave it out", "no notes")
    return np.array(rows, SCORE_NOTE)


def _ties(note: Any) -> list[Any]:
    members = note.notes if note.isChord else [note]
    return [member.tie for member in members if member.tie is not None]
