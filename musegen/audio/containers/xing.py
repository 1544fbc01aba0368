"""The first frame of most MP3s, which is no sound but a table: Xing or Info with LAME's extension, or VBRI.

Xing: frames, bytes, seek table, quality. LAME (gabriel.mp3-tech.org/mp3infotag.html): 12 bits of delay and 12 of
padding that a decoder has to cut off, and a CRC-16 over the first 190 bytes. VBRI: Fraunhofer's.
"""

import struct
from dataclasses import dataclass
from itertools import pairwise

from musegen.audio.containers.promise import damaged
from musegen.errors import BadInput

DECODER_DELAY = 529
"""Frames by which mpg123's sound is late; where it is told the number of frames, it takes them off."""

_VBRI_AT = 36
_LAME_BYTES, _LAME_DELAY_AT, _LAME_CRC_AT = 36, 21, 34
_FRAMES, _BYTES, _SEEK_TABLE, _QUALITY, _ALL = 1, 2, 4, 8, 15
_PLACES = 100
_NAMES = (b"LAME", b"Lavc", b"Lavf")
_ZEROS = bytes(24)
_BEFORE_DELAY = b"LAME3.8"  # versions that write their name and nothing else


@dataclass(frozen=True)
class Gapless:
    """`frames` that follow and their bytes, 0 where unknown; `cut_frames`: samples a channel that are no sound.

    `exact`: whether the encoder states its delay and padding.
    """

    is_table: bool = False
    frames: int = 0
    size: int = 0
    cut_frames: int = 0
    exact: bool = False


def gapless(frame: bytes, at: int) -> Gapless:
    """Read the table from the first frame, where its main data begin `at`; raises `BadInput` for a damaged one."""
    if frame[_VBRI_AT : _VBRI_AT + 4] == b"VBRI" and len(frame) >= _VBRI_AT + 18:
        size, frames = struct.unpack_from(">II", frame, _VBRI_AT + 10)
        return Gapless(True, frames, size)
    if frame[at : at + 4] not in (b"Xing", b"Info"):
        if _remains(frame, at + 16):
            raise _changed()
        return Gapless()
    flags = int.from_bytes(frame[at + 4 : at + 8], "big")
    if not flags & _FRAMES or flags > _ALL:
        raise _changed()
    after, size = at + 12, 0
    frames = int.from_bytes(frame[at + 8 : after], "big")
    if not frames:
        raise _changed()
    if flags & _BYTES:
        size, after = int.from_bytes(frame[after : after + 4], "big"), after + 4
    if flags & _SEEK_TABLE:
        places, after = frame[after : after + _PLACES], after + _PLACES
        if any(place > following for place, following in pairwise(places)) or not places[-1:] > b"\0":
            raise _changed()
    return Gapless(True, frames, size, *_cut(frame, after + (4 if flags & _QUALITY else 0)))


def _remains(frame: bytes, at: int) -> bool:
    """Whether half of a seek table is where it is in a whole one, or zeros follow a name, as they do in one."""
    places = frame[at + _PLACES // 2 : at + _PLACES]
    rising = all(place <= following for place, following in pairwise(places))
    signed = any(_ZEROS in frame.partition(name)[2] for name in _NAMES)
    return signed or (rising and len(set(places)) > _PLACES // 10)


def _changed() -> BadInput:
    return damaged("the table in its first frame is not what was written")


def info_frame(head: bytes, side_bytes: int, size: int, frames: int) -> bytes:
    """A first frame that says nothing but how many `frames` follow."""
    said = head + bytes(side_bytes) + b"Info" + struct.pack(">II", _FRAMES, frames)
    return said + bytes(size - len(said))


def _cut(frame: bytes, at: int) -> tuple[int, bool]:
    """Delay and padding, as mpg123 cuts them off (the padding covers its own delay), and whether they are stated."""
    lame = frame[at : at + _LAME_BYTES]
    if not any(lame):
        return DECODER_DELAY, False
    crc = int.from_bytes(lame[_LAME_CRC_AT:], "big")
    if lame.startswith(_BEFORE_DELAY):
        return DECODER_DELAY, True
    if len(lame) < _LAME_BYTES or not lame[0] or crc != _crc16(frame[: at + _LAME_CRC_AT]):
        raise _changed()
    three = int.from_bytes(lame[_LAME_DELAY_AT : _LAME_DELAY_AT + 3], "big")
    return (three >> 12) + max(three & 0xFFF, DECODER_DELAY), True


def _crc16(content: bytes) -> int:
    """CRC-16 with polynomial x^16 + x^15 + x^2 + 1, lowest bit first, starting at 0."""
    crc = 0
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc
