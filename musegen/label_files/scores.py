"""Printed music as notes and beats: MusicXML, plain or compressed, and ABC. Parsing is music21's.

Repeats are played as often as they are printed, as notation programs do when they export MIDI; where they don't add up,
each bar is played once. Tied notes are one note; grace notes, chord symbols and unpitched percussion are left out. A
bar that is not full at the start, or that a repeat sign divides, keeps its place in the bar.
"""

import contextlib
import html
import io
import re
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from musegen.errors import BadInput
from musegen.label_files import facts, text
from musegen.label_files.printed import labels_of
from musegen.labels import Labels
from musegen.track import Said

SUFFIXES = frozenset({".musicxml", ".mxl", ".abc"})

# music21 takes about two seconds a megabyte.
_MOST_BYTES, _MOST_MEMBERS = 20_000_000, 1000
_CONTAINER = "META-INF/container.xml"
_TUNE = re.compile(r"^X:", re.MULTILINE)
_ABC_METER = re.compile(r"(?:^|\[)M:([^\]\n%]*)", re.MULTILINE)
_ABC_EMPTY_METER = re.compile(r"^M:[ \t]*(?:%.*)?$\n?", re.MULTILINE)
_ABC_KEY = re.compile(r"^K:", re.MULTILINE)
# Chord symbols and remarks between quotes, in lines that are music; music21 takes long over them.
_ABC_QUOTED = re.compile(r'^(?![A-Za-z]:)[^\n]*"[^\n]*$', re.MULTILINE)
_ABC_WORDS = {"T": "title", "C": "artist", "R": "style"}
_XML_WORDS = {"work-title": "title", "movement-title": "name", "creator": "artist", "rights": "rights"}


def read(path: Path) -> Labels:
    """Notes, beats, and where printed the tempo and the key, of a score in which the first bar begins at 0 seconds.

    Without a tempo it plays at 120, and its beats say `tempo_known=False`. Notes have velocity 80. Raises `BadInput`:
    "empty", "too big", "not text", "not a score", "several tunes", "meter changes" (in ABC), "no notes",
    "absurd times".
    """
    form, content = _content(path)
    with _silence():
        from music21 import converter

        try:
            printed = converter.parseData(content, format=form)
            return labels_of(printed)
        except BadInput:
            raise
        except ElementTree.ParseError as error:
            raise BadInput(f"it is damaged in line {error.position[0]}; export it again", "not a score") from error
        except Exception as error:  # music21 raises whatever its parser runs into
            raise BadInput("music21 can't read its notation; export it as MIDI", "not a score") from error


def said(path: Path) -> Said:
    """Title, composer, style (R: of an ABC tune) and rights as the header prints them; raises `BadInput` as `read`."""
    form, content = _content(path)
    head = content[:100_000]
    if form == "abc":
        found = re.findall(r"^([TCR]):(.*)$", head, re.MULTILINE)
        names = _ABC_WORDS
    else:
        tags = r'work-title|movement-title|rights|creator(?=[^>]{0,200}type="composer")'
        found = re.findall(rf"<({tags})\b[^>]{{0,200}}>([^<]*)<", head)
        names = _XML_WORDS
    words = {names[name]: html.unescape(value) for name, value in reversed(found)}
    return facts.said_from(words, path.suffix.lower())[0]


def _content(path: Path) -> tuple[str, str]:
    """music21's name of the form, and the text."""
    raw = text.content(path, _MOST_BYTES)
    if path.suffix.lower() == ".abc":
        return "abc", _one_tune(text.read(path))
    xml = _unpacked(raw) if raw.startswith(b"PK") else raw
    if b"<!ENTITY" in xml.replace(b"\0", b"").upper():
        raise BadInput("it defines XML entities, which no score needs; export it again", "not a score")
    decoded = xml.decode("utf-16" if xml[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "replace")
    if not re.search(r"<score-(partwise|timewise)\b", decoded):
        raise BadInput("it is not MusicXML; export it again", "not a score")
    return "musicxml", decoded


def _one_tune(words: str) -> str:
    """An ABC file, if it is one that music21 reads rightly; it bars a tune in one meter all through."""
    tunes = len(_TUNE.findall(words))
    if tunes == 0:
        raise BadInput("it has no line X: that begins a tune; it is no ABC file", "not a score")
    if tunes > 1:
        raise BadInput(f"it holds {tunes} tunes; split it into one file a tune", "several tunes")
    meters = sorted({meter.strip() for meter in _ABC_METER.findall(words)})
    if len(meters) > 1:
        raise BadInput(f"its meter changes ({', '.join(meters)[:60]}); export it as MIDI", "meter changes")
    return _ABC_QUOTED.sub(lambda line: re.sub(r'"[^"]*"', "", line[0]), _with_note_length(words))


def _with_note_length(words: str) -> str:
    """A tune with the unit of free meter where it names neither unit nor meter (ABC 2.1, sections 3.1.6 and 3.1.7)."""
    words = _ABC_EMPTY_METER.sub("", words)
    head = words[: found.start()] if (found := _ABC_KEY.search(words)) else words
    if re.search(r"^[LM]:", head, re.MULTILINE):
        return words
    return re.sub(r"^X:.*$", r"\g<0>\nL:1/8", words, count=1, flags=re.MULTILINE)


def _unpacked(raw: bytes) -> bytes:
    """The score in a compressed MusicXML file, whose container names it; never more of it than may be plain."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            names = archive.namelist()
            if len(names) > _MOST_MEMBERS:
                raise BadInput(f"it packs {len(names)} files; it is no score", "too big")
            return _member(archive, _root_file(archive, names))
    except BadInput:
        raise
    except Exception as error:  # zipfile passes on whatever its decompressors raise
        raise BadInput(f"it can't be unpacked ({str(error)[:100]}); export it again", "not a score") from error


def _root_file(archive: zipfile.ZipFile, names: list[str]) -> str:
    if _CONTAINER in names:
        container = _member(archive, _CONTAINER)
        if b"<!ENTITY" not in container.upper():
            with contextlib.suppress(ElementTree.ParseError):
                for node in ElementTree.fromstring(container).iter():
                    if node.tag.rpartition("}")[2] == "rootfile" and node.get("full-path") in names:
                        return str(node.get("full-path"))
    scores = [name for name in names if name.endswith((".xml", ".musicxml")) and not name.startswith("META-INF/")]
    if not scores:
        raise BadInput("it packs no score; export it again", "not a score")
    return scores[0]


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """A packed file, read no further than the limit: its stated size may lie."""
    with archive.open(name) as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise BadInput(f"it unpacks to more than {_MOST_BYTES} bytes; it is no score", "too big")
    return content


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """music21 warns and prints about scores that it mends; what counts is what comes out."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
