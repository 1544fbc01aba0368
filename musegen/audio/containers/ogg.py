"""Ogg (RFC 3533) with Vorbis, Opus (RFC 7845) or FLAC: every page has a number, a checksum and a place in time."""

import struct
import zlib
from dataclasses import dataclass

from musegen.audio.containers.flac import streaminfo
from musegen.audio.containers.promise import Promise, Source, damaged, lying, truncated, unsupported

_HEAD = struct.Struct("<4sBBqIIIB")
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_NO_TIME = -1
_OPUS_RATE = 48000
_CONTINUED, _FIRST, _LAST = 1, 2, 4


@dataclass(frozen=True)
class _Page:
    flags: int
    granule: int
    serial: int
    number: int
    body: bytes
    end: int


def ogg(source: Source) -> Promise:
    """Walk all pages of the one stream that is in the file, from its first to its last."""
    first = page = _page(source, 0)
    if not first.flags & _FIRST:
        raise truncated("its beginning is missing")
    granule = 0
    while page.end < source.size:
        if page.flags & _LAST and source.zero_from(page.end):
            break
        following = _page(source, page.end)
        _follows(page, following, granule)
        page = following
        granule = max(granule, page.granule)
    if not page.flags & _LAST:
        raise truncated("its last page is missing")
    return _promise(first.body, granule)


def _page(source: Source, offset: int) -> _Page:
    head = source.at(offset, _HEAD.size)
    if head[:4] != b"OggS"[: len(head)]:
        raise damaged("something else than the next page follows")
    if len(head) < _HEAD.size:
        raise truncated("it ends inside a page")
    _, version, flags, granule, serial, number, crc, count = _HEAD.unpack(head)
    sizes = source.at(offset + _HEAD.size, count)
    body = source.at(offset + _HEAD.size + count, sum(sizes))
    if len(sizes) < count or len(body) < sum(sizes):
        raise truncated("it ends inside a page")
    if version or _checksum(head[:22] + bytes(4) + head[26:] + sizes + body) != crc:
        raise damaged("a page is not what was written")
    return _Page(flags, granule, serial, number, body, offset + _HEAD.size + count + len(body))


def _follows(page: _Page, following: _Page, granule: int) -> None:
    if following.serial != page.serial:
        raise unsupported("it holds several Ogg streams")
    if following.flags & _FIRST or page.flags & _LAST or following.number != page.number + 1:
        raise damaged(f"page {page.number + 1} is missing, comes twice, or elsewhere")
    if following.granule not in (_NO_TIME, 0) and following.granule < granule:
        raise lying("its time runs backwards")


def _promise(packet: bytes, granule: int) -> Promise:
    """What the first packet and the last page say together."""
    if packet.startswith(b"\x01vorbis") and len(packet) >= 30:
        channels, rate = struct.unpack_from("<BI", packet, 11)
        return Promise("Ogg Vorbis", rate, channels, granule)
    if packet.startswith(b"OpusHead") and len(packet) >= 19:
        channels, skipped = struct.unpack_from("<BH", packet, 9)
        return Promise("Ogg Opus", _OPUS_RATE, channels, max(0, granule - skipped))
    if packet.startswith(b"\x7fFLAC") and len(packet) >= 51:
        said = streaminfo(packet[17:51])
        return Promise("Ogg FLAC", said.rate, said.channels, granule, demuxer="ogg")  # libsndfile opens few of them
    raise unsupported("it is an Ogg file without Vorbis, Opus or FLAC")


def _checksum(page: bytes) -> int:
    """CRC-32 with the bits of bytes and result the other way round than zlib has them, starting at 0, not inverted."""
    crc = zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(crc.to_bytes(4, "little").translate(_REVERSED), "big")
