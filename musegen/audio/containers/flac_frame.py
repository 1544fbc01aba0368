"""Frames of FLAC (RFC 9639, section 9): each says its rate, width, and place, under checksums of 8 and 16 bits."""

from dataclasses import dataclass
from functools import cache

from musegen.audio.containers.promise import Source, truncated

_RATES = (0, 88200, 176400, 192000, 8000, 16000, 22050, 24000, 32000, 44100, 48000, 96000)
_BITS = (0, 8, 12, -1, 16, 20, 24, 32)
_CRC8, _CRC16 = (8, 0x07), (16, 0x8005)
_LONGEST_HEADER = 16
_WINDOW = 1 << 18
_TRIES = 3  # what looks like a frame and is none is one in millions


@dataclass(frozen=True)
class Frame:
    """`rate` and `bits` are 0 where STREAMINFO has to tell; `start`: its first sample, or its number if `steady`."""

    rate: int
    channels: int
    bits: int
    start: int
    samples: int
    steady: bool

    @classmethod
    def read(cls, head: bytes) -> "Frame | None":
        """None where these 16 bytes begin no frame."""
        if len(head) < _LONGEST_HEADER or head[0] != 0xFF or head[1] & 0xFE != 0xF8:
            return None
        samples_code, rate_code = head[2] >> 4, head[2] & 15
        at = 4 + _number_bytes(head[4])
        rate_at = at + {6: 1, 7: 2}.get(samples_code, 0)
        end = rate_at + {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
        if end >= _LONGEST_HEADER or _crc(head[: end + 1], _CRC8) or rate_code == 15 or not samples_code:
            return None
        rate_said = int.from_bytes(head[rate_at:end], "big") * {12: 1000, 14: 10}.get(rate_code, 1)
        return cls(
            rate_said if rate_code >= 12 else _RATES[rate_code],
            (head[3] >> 4) + 1 if head[3] >> 4 < 8 else 2,
            _BITS[head[3] >> 1 & 7],
            _number(head[4:at]),
            _samples(samples_code, int.from_bytes(head[at:rate_at], "big")),
            not head[1] & 1,
        )


def samples_until_end(source: Source, block_samples: int) -> int:
    """Samples a channel up to the end of the last frame, where blocks without a number of samples have `block_samples`.

    Raises `BadInput` (truncated) where no frame ends at the end of the file.
    """
    tail = source.at(max(0, source.size - _WINDOW), _WINDOW)
    place, tries = len(tail), _TRIES
    while tries and (place := tail.rfind(b"\xff", 0, place)) >= 0:
        frame = Frame.read(tail[place : place + _LONGEST_HEADER])
        tries -= frame is not None
        if frame and not _crc(tail[place:], _CRC16):
            return frame.start * (block_samples if frame.steady else 1) + frame.samples
    raise truncated("it ends inside a frame")


def _number_bytes(first: int) -> int:
    """Length of a number that is coded as UTF-8 codes its own."""
    ones = 8 - (~first & 0xFF).bit_length()
    return max(1, ones)


def _number(coded: bytes) -> int:
    value = coded[0] if len(coded) == 1 else coded[0] & (0x7F >> len(coded))
    for byte in coded[1:]:
        value = value << 6 | byte & 0x3F
    return value


def _samples(code: int, written: int) -> int:
    if code in (6, 7):
        return written + 1
    return 192 if code == 1 else 576 << (code - 2) if code < 6 else 256 << (code - 8)


@cache
def _table(width: int, polynomial: int) -> tuple[int, ...]:
    entries = []
    for byte in range(256):
        crc = byte << (width - 8)
        for _ in range(8):
            crc = crc << 1 ^ (polynomial | 1 << width if crc >> (width - 1) & 1 else 0)
        entries.append(crc & (1 << width) - 1)
    return tuple(entries)


def _crc(content: bytes, kind: tuple[int, int]) -> int:
    """Remainder by the polynomial, 0 for what has its own checksum at the end."""
    width, polynomial = kind
    table, mask = _table(width, polynomial), (1 << width) - 1
    crc = 0
    for byte in content:
        crc = (crc << 8 & mask) ^ table[crc >> (width - 8) ^ byte]
    return crc
