"""Formats that ffmpeg decodes: whether the file is whole, as far as its own sizes tell; the length is asked there."""

import struct

from musegen.audio.containers.promise import Promise, Source, damaged, lying, truncated
from musegen.audio.containers.tags import id3v2_bytes, sound_end

_EBML_SEGMENT = bytes.fromhex("18538067")
_ASF_FILE_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_MOST_PARTS = 1_000_000
_ADTS_HEAD = 7
_AC3_VERSION = 10
_APE_WITH_SIZES = 3980


def boxes(source: Source) -> Promise:
    """MP4, M4A, QuickTime (ISO 14496-12): boxes that fill the file; `moov` and `mdat` have to be there."""
    offset, names = 0, set()
    for _ in range(_MOST_PARTS):
        head = source.at(offset, 16)
        size = int.from_bytes(head[:4], "big")
        size = int.from_bytes(head[8:16], "big") if size == 1 else size or source.size - offset
        names.add(head[4:8])
        offset += size
        if len(head) < 8 or offset > source.size:
            raise truncated(f"its box {head[4:8].decode('latin-1')!r} goes on after its end")
        if size < 8:
            raise lying("it has a box that is smaller than its own head")
        if offset == source.size or source.zero_from(offset):
            break
    if b"moov" not in names or not names & {b"mdat", b"moof"}:
        raise truncated("its index ('moov') or its sound ('mdat') is missing")
    return Promise("MP4", 0, 0, None, demuxer="mov")


def matroska(source: Source) -> Promise:
    """MKA, MKV, WebM (RFC 8794, RFC 9559): an EBML head, then one segment that says how long it is."""
    _, offset = _element(source, 4)
    offset += _element(source, 4)[0] or 0
    if source.exactly(offset, 4) != _EBML_SEGMENT:
        raise damaged("no segment follows its head")
    size, start = _element(source, offset + 4)
    if size is not None and start + size > source.size:
        raise truncated(f"{start + size - source.size:,} bytes are missing of those that its header promises")
    return Promise("Matroska", 0, 0, None, demuxer="matroska")


def _element(source: Source, offset: int) -> tuple[int | None, int]:
    """Size of an EBML element, None where unknown, and where its content begins, read from where its size stands."""
    first = source.exactly(offset, 1)[0]
    count = 9 - first.bit_length()
    if count > 8:
        raise lying("it has an element without a size")
    bits = int.from_bytes(source.exactly(offset, count), "big") & (1 << 7 * count) - 1
    return (None if bits == (1 << 7 * count) - 1 else bits), offset + count


def asf(source: Source) -> Promise:
    """WMA (Advanced Systems Format, 3.2): the file properties hold the file's own size."""
    head = source.exactly(0, min(source.size, 1 << 16))
    place = head.find(_ASF_FILE_PROPERTIES)
    if place < 0 or place + 48 > len(head):
        raise truncated("it ends inside its header")
    said = struct.unpack_from("<Q", head, place + 40)[0]
    if said > source.size:
        raise truncated(f"{said - source.size:,} bytes are missing of those that its header promises")
    return Promise("WMA", 0, 0, None, demuxer="asf")


def adts(source: Source) -> Promise:
    """Raw AAC (ISO 13818-7, ADTS): frames that fill the file."""
    offset, end = id3v2_bytes(source), sound_end(source)
    while offset < end:
        head = source.at(offset, _ADTS_HEAD)
        size = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5 if len(head) == _ADTS_HEAD else end
        if len(head) == _ADTS_HEAD and (head[0] != 0xFF or head[1] & 0xF6 != 0xF0 or size < _ADTS_HEAD):
            raise damaged(f"no frame begins at byte {offset:,}")
        offset += size
    if offset > end:
        raise truncated("it ends inside a frame")
    return Promise("AAC", 0, 0, None, demuxer="aac")


def wavpack(source: Source) -> Promise:
    """WavPack: blocks that fill the file, but for tags."""
    end, offset = sound_end(source), 0
    while offset < end:
        head = source.at(offset, 8)
        if head[:4] != b"wvpk"[: len(head)]:
            raise damaged(f"no block begins at byte {offset:,}")
        offset += 8 + int.from_bytes(head[4:8], "little")
    if offset > end:
        raise truncated("it ends inside a block")
    return Promise("WavPack", 0, 0, None, demuxer="wv")


def ac3(source: Source) -> Promise:
    """AC-3 and E-AC-3 (ATSC A/52): which of them it is."""
    extended = source.exactly(0, 6)[5] >> 3 > _AC3_VERSION
    return Promise("E-AC-3" if extended else "AC-3", 0, 0, None, demuxer="eac3" if extended else "ac3")


def tta(source: Source) -> Promise:
    """True Audio: a table of the sizes of all frames, which fill the file."""
    rate, samples = struct.unpack_from("<II", source.exactly(0, 22), 10)
    if not rate:
        raise lying("it states no sample rate")
    count = -(-samples // (256 * rate // 245 or 1))
    table = source.exactly(22, 4 * min(count, source.size))
    end = 22 + len(table) + 4 + sum(struct.unpack(f"<{len(table) // 4}I", table))
    if end > sound_end(source):
        raise truncated(f"{end - source.size:,} bytes are missing of those that its header promises")
    return Promise("TTA", 0, 0, None, demuxer="tta")


def monkeys_audio(source: Source) -> Promise:
    """Monkey's Audio 3.98 and later: its descriptor states the sizes of all its parts."""
    version, *sizes = struct.unpack_from("<H2x7I", source.exactly(0, 36), 4)
    end = sum(sizes[:5]) + (sizes[5] << 32) + sizes[6]
    if version >= _APE_WITH_SIZES and end > sound_end(source):
        raise truncated(f"{end - source.size:,} bytes are missing of those that its header promises")
    return Promise("Monkey's Audio", 0, 0, None, demuxer="ape")
