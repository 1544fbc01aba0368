"""The bytes of a MIDI file before symusic parses them: are all tracks there, and what would it pass over in silence.

Source: Standard MIDI Files 1.0 (MIDI Association RP-001).
"""

import re
import stat
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path

from musegen.errors import BadInput

_MOST_BYTES = 100_000_000
_MOST_BYTES_WALKED = 4_000_000  # a second or two
_HEADER_BYTES = 14
_MOST_TRACKS = 0xFFFF
_FILM_FRAMES = 0x8000
_NOTE_OFF, _NOTE_ON, _PROGRAM, _PRESSURE, _SYSTEM, _ESCAPE, _META = 0x80, 0x90, 0xC0, 0xD0, 0xF0, 0xF7, 0xFF
_END_OF_TRACK, _HIGHEST_DATA = 0x2F, 0x7F
# Meta events that symusic reads without a look at their length: tempo, time signature, key signature.
_LENGTHS = {0x51: 3, 0x58: 4, 0x59: 2}
# Runs of channel events whose status asks for two data bytes, or for one; a thousand at a time bounds the matcher's
# memory. Behind a system event the last status still runs.
_DELTA = rb"[\x80-\xff]{0,3}[\x00-\x7f]"
_STARTED = tuple(
    re.compile(rb"(?:%b%b%b){1,1000}" % (_DELTA, status, data))
    for status, data in ((rb"[\x80-\xbf\xe0-\xef]", rb"[\x00-\x7f]{2}"), (rb"[\xc0-\xdf]", rb"[\x00-\x7f]"))
)
_RUNNING = tuple(re.compile(rb"(?:%b[\x00-\x7f]{%d}){1,1000}" % (_DELTA, count)) for count in (2, 1))
_MOST_SYSTEM_EVENTS = 1_000_000
# symusic counts ticks in 32 bits. It takes eight of the longest deltas (four bytes) to get there.
_MOST_TICKS = 2**31 - 1
_LONG_DELTA = re.compile(rb"[\x80-\xff]{3}[\x00-\x7f]")
_DELTAS_TO_OVERFLOW = 8


@dataclass(frozen=True)
class MidiFile:
    """`kind` is 0, 1 or 2, `division` the ticks per quarter, `tracks` the events of each track."""

    kind: int
    division: int
    tracks: tuple[bytes, ...]


@dataclass(frozen=True)
class Walked:
    """What a pass over all events counts: note-ons without an end, and the last tick."""

    unclosed: int
    ticks: int


def read(path: Path) -> MidiFile:
    """The tracks of a MIDI file, or of a RIFF file around one; all of them, if the header names fewer.

    Lengths are checked here, as symusic reads on past the end of a file that was cut. Raises `BadInput`: "unreadable",
    "empty", "too big", "not midi", "truncated", "division", "type 2".
    """
    content = _unwrapped(_bytes(path))
    if len(content) < _HEADER_BYTES or not content.startswith(b"MThd"):
        raise BadInput("it is not a MIDI file; export it again", "not midi")
    kind, promised, division = (int.from_bytes(content[place : place + 2]) for place in (8, 10, 12))
    tracks: list[bytes] = []
    place = 8 + int.from_bytes(content[4:8])
    while place < len(content) and (len(tracks) < promised or content.startswith(b"MTrk", place)):
        end = place + 8 + int.from_bytes(content[place + 4 : place + 8])
        if content.startswith(b"MTrk", place):
            tracks.append(content[place + 8 : end])
        place = end
    if len(tracks) < promised or place > len(content):
        raise BadInput("it ends before the tracks do that its header promises; copy or export it again", "truncated")
    if len(tracks) > _MOST_TRACKS:
        raise BadInput(f"it has {len(tracks)} tracks, more than a header can name; export it again", "not midi")
    if division == 0 or division >= _FILM_FRAMES:
        counts = "film frames" if division else "no ticks"
        raise BadInput(f"it counts {counts}, not ticks per quarter; export it with those", "division")
    if kind == 2 and len(tracks) > 1:
        raise BadInput("it holds independent patterns (type 2), not one piece; export it as type 1", "type 2")
    return MidiFile(kind, division, tuple(tracks))


def plain(file: MidiFile) -> bytes:
    """The file as symusic reads it rightly: escape events, which it takes for others, become meta events.

    symusic crashes on some damaged events, so that each is checked. Raises `BadInput`: "damaged", "absurd times" where
    ticks overflow.
    """
    tracks = []
    for number, track in enumerate(file.tracks, start=1):
        escapes = _escapes(track)
        if escapes is None:
            raise BadInput(f"the events of its track {number} can't be followed; export it again", "damaged")
        tracks.append(_without(track, escapes) if escapes else track)
    if _may_overflow(file.tracks) and walk(file).ticks > _MOST_TICKS:
        raise BadInput("its times overflow; its times are damaged, export it again", "absurd times")
    header = b"".join(part.to_bytes(2) for part in (file.kind, len(tracks), file.division))
    return b"MThd\0\0\0\x06" + header + b"".join(b"MTrk" + len(track).to_bytes(4) + track for track in tracks)


def walk(file: MidiFile) -> Walked:
    """Follow the events of each track that `plain` takes; at most the first four megabytes of all tracks."""
    unclosed, ticks, left = 0, 0, _MOST_BYTES_WALKED
    for track in file.tracks:
        mine, last = _walk_track(track) if len(track) <= left else (0, 0)
        left -= len(track)
        unclosed, ticks = unclosed + mine, max(ticks, last)
    return Walked(unclosed, ticks)


def _bytes(path: Path) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise BadInput("it is not a plain file; replace it by one", "unreadable")
        content = path.read_bytes() if status.st_size <= _MOST_BYTES else b""
    except OSError as error:
        raise BadInput(f"it can't be opened ({error.strerror}); see to its rights", "unreadable") from error
    if status.st_size > _MOST_BYTES:
        raise BadInput(f"it has {status.st_size} bytes, more than {_MOST_BYTES}; it is no MIDI file", "too big")
    if not content:
        raise BadInput("it is empty; export it again", "empty")
    return content


def _unwrapped(content: bytes) -> bytes:
    """The MIDI file in a RIFF file (RMID), or the content as it is."""
    if content[:4] != b"RIFF" or content[8:16] != b"RMIDdata":
        return content
    end = 20 + int.from_bytes(content[16:20], "little")
    if end > len(content):
        raise BadInput("it ends before the data that its header promises; copy or export it again", "truncated")
    return content[20:end]


def _may_overflow(tracks: tuple[bytes, ...]) -> bool:
    return any(
        len(list(islice(_LONG_DELTA.finditer(track), _DELTAS_TO_OVERFLOW))) == _DELTAS_TO_OVERFLOW for track in tracks
    )


def _escapes(events: bytes) -> list[int] | None:
    """Where the escape events of a track begin; None where an event of it is none, or runs over the end.

    Runs of channel events are matched at once; system events are taken one by one.
    """
    escapes: list[int] = []
    place, running = 0, None
    try:
        for _ in range(_MOST_SYSTEM_EVENTS):
            place, running = _behind_channel_events(events, place, running)
            if place == len(events):
                return escapes
            _, place = _quantity(events, place)
            code, kind = events[place], events[place + 1]
            if code not in (_SYSTEM, _ESCAPE, _META) or (code == _META and kind > _HIGHEST_DATA):
                return None
            if code == _META and kind == _END_OF_TRACK:
                return escapes
            if code == _ESCAPE:
                escapes.append(place)
            length, place = _quantity(events, place + 1 + (code == _META))
            place += length
            if place > len(events) or (code == _META and _LENGTHS.get(kind, length) != length):
                return None
    except IndexError:
        pass
    return None


def _behind_channel_events(events: bytes, place: int, running: int | None) -> tuple[int, int | None]:
    """The place behind all channel events from `place` on, and which form of them is then running."""
    while True:
        start = place
        if running is not None and (match := _RUNNING[running].match(events, place)):
            place = match.end()
        for form, started in enumerate(_STARTED):
            if match := started.match(events, place):
                place, running = match.end(), form
        if place == start:
            return place, running


def _without(track: bytes, escapes: list[int]) -> bytes:
    """The track with a sequencer's own meta event, which has the same form, in place of each escape event."""
    bounds = [-1, *escapes, len(track)]
    return b"\xff\x7f".join(track[start + 1 : end] for start, end in pairwise(bounds))


def _walk_track(events: bytes) -> tuple[int, int]:
    """Note-ons without an end, and the last tick."""
    sounding: dict[int, int] = {}  # by channel and pitch
    place = ticks = status = 0
    try:
        while place < len(events):
            delta, place = _quantity(events, place)
            ticks += delta
            code = events[place]
            if code >= _SYSTEM:
                if code == _META and events[place + 1] == _END_OF_TRACK:
                    break
                length, place = _quantity(events, place + 1 + (code == _META))
                place += length
                continue
            if code >= _NOTE_OFF:
                status = code
                place += 1
            kind = status & 0xF0
            if kind in (_NOTE_OFF, _NOTE_ON):
                voice = (status & 0x0F) << 7 | events[place]
                count = sounding.get(voice, 0)
                if kind == _NOTE_ON and events[place + 1]:
                    sounding[voice] = count + 1
                elif count:
                    sounding[voice] = count - 1
            place += 1 if kind in (_PROGRAM, _PRESSURE) else 2
    except IndexError:
        pass  # a file that `plain` does not take
    return sum(sounding.values()), ticks


def _quantity(events: bytes, place: int) -> tuple[int, int]:
    """A variable-length quantity, of at most four bytes, and the place behind it; raises `IndexError` for others."""
    value = 0
    for end in range(place + 1, place + 5):
        byte = events[end - 1]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, end
    raise IndexError
