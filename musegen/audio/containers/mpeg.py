"""MP3 and MP2 (ISO 11172-3, 13818-3, and MPEG 2.5): a row of frames, each of which says how long it is."""

from dataclasses import dataclass, replace
from functools import lru_cache

from musegen.audio.containers.promise import Promise, Source, damaged, lying, truncated, unsupported
from musegen.audio.containers.reservoir import begins_whole
from musegen.audio.containers.tags import id3v2_bytes, sound_end
from musegen.audio.containers.xing import DECODER_DELAY, Gapless, gapless, info_frame

_KILOBITS = {
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_MONO = 3
_WINDOW = 1 << 16
_TABLE_BYTES = 200
_LAME = b"LAME3"


@dataclass(frozen=True)
class Header:
    """The four bytes that a frame begins with. `frames`: samples a channel in it; `size`: its bytes, 0 where free."""

    rate: int
    channels: int
    frames: int
    size: int
    side_at: int
    side_bytes: int
    layer: int

    @classmethod
    def read(cls, four: bytes) -> "Header | None":
        """None where these bytes begin no frame of layer II or III."""
        if len(four) < 4 or four[0] != 0xFF or four[1] < 0xE0:
            return None
        version, layer, kilobits, rate = four[1] >> 3 & 3, 4 - (four[1] >> 1 & 3), four[2] >> 4, four[2] >> 2 & 3
        if version == 1 or layer not in (2, 3) or kilobits == 15 or rate == 3:
            return None
        hertz, first, mono = _RATES[version][rate], version == 3, four[3] >> 6 == _MONO
        frames = 1152 if first or layer == 2 else 576
        bits = 1000 * _KILOBITS[1 if first else 2, layer][kilobits - 1] if kilobits else 0
        size = frames // 8 * bits // hertz + (four[2] >> 1 & 1) if bits else 0
        side = (17 if mono else 32) if first else (9 if mono else 17)
        return cls(hertz, 1 if mono else 2, frames, size, 4 if four[1] & 1 else 6, side, layer)


_header = lru_cache(1 << 12)(Header.read)


def mpeg(source: Source) -> Promise:
    """Walk all frames, ask the first one whether it is no sound but a table (Xing, Info, VBRI), and compare."""
    tags = id3v2_bytes(source)
    while skipped := id3v2_bytes(source, tags):
        tags += skipped
    start = _after_padding(source, tags) if tags else 0
    first = Header.read(source.exactly(start, 4))
    if first is None:
        raise damaged("no frame begins where the first one should")
    if not first.size:
        raise unsupported("its bit rate is free, which is not read here")
    table = gapless(source.at(start, first.size), first.side_at + first.side_bytes) if first.layer == 3 else Gapless()
    if start > tags and not table.frames:
        raise damaged("zeros stand before its first frame")
    if first.layer == 3 and not table.is_table:
        _begins_whole(source, start, first)
    count, end = _walk(source, start, first)
    if table.cut_frames and not table.exact and _signed(source, start + first.size, end):
        raise damaged("its encoder states its delay, and the place for it is blank")
    _ends(source, end, table)
    promise = _promise(first, table, count - table.is_table, end - start)
    if table.cut_frames or first.layer != 3:
        return promise
    sound = start + first.size if table.is_table else start
    return _counted(promise, source.at(start, 4), count - table.is_table, (sound, end))


def _begins_whole(source: Source, start: int, first: Header) -> None:
    next_head = Header.read(source.at(start + first.size, 4))
    next_side = source.at(start + first.size + next_head.side_at, first.side_bytes) if next_head else b""
    side, sound = first.side_at, first.side_at + first.side_bytes
    frame = source.at(start, first.size)
    begins_whole(frame[side:sound], frame[sound:], next_side, first.channels)


def _walk(source: Source, start: int, first: Header) -> tuple[int, int]:
    """The number of frames from `start` on that are like the first, and where the last one ends."""
    count, offset, window, base = 0, start, b"", start
    while True:
        at = offset - base
        if at + 4 > len(window):
            window, base, at = source.at(offset, _WINDOW), offset, 0
        four = window[at : at + 4]
        header = _header(four[:3] + (b"\xc0" if four[3] >= 0xC0 else b"\0")) if len(four) == 4 else None
        if header is None or not header.size or (header.rate, header.channels, header.layer, header.frames) != (
            first.rate, first.channels, first.layer, first.frames
        ):  # fmt: skip
            return count, offset
        if offset + header.size > source.size:
            raise truncated("it ends inside a frame")
        count, offset = count + 1, offset + header.size


def _signed(source: Source, start: int, end: int) -> bool:
    """Whether LAME's name is in the stuffing of any frame: LAME always states its delay."""
    sound = source.until(end)
    return any(_LAME in sound.at(place, _WINDOW + len(_LAME)) for place in range(start, end, _WINDOW))


def _after_padding(source: Source, start: int) -> int:
    """Where the zeros end that some programs leave between their tag and the first frame."""
    while piece := source.at(start, _WINDOW):
        if rest := piece.lstrip(b"\0"):
            return start + len(piece) - len(rest)
        start += len(piece)
    return start


def _ends(source: Source, end: int, table: Gapless) -> None:
    """Let tags follow the last frame, and zeros where a table has counted the frames; nothing else."""
    tags = min(source.size, sound_end(source))
    if end >= tags or (table.frames and source.until(tags).zero_from(end)):
        return
    if tags - end < 4 or source.until(tags).zero_from(end):
        raise truncated("it ends inside a frame, or in zeros")
    raise damaged(f"{tags - end:,} bytes after the {end:,}th are no frames")


def _promise(first: Header, table: Gapless, count: int, size: int) -> Promise:
    if not count:
        return Promise("MP3", first.rate, first.channels, 0)
    counts_itself = table.frames == count + 1 and table.size == size
    if table.frames and count < table.frames and not counts_itself:
        raise truncated(f"{count:,} frames are there of {table.frames:,} that its header promises")
    if table.frames and count > table.frames:
        raise lying(f"{count:,} frames are there, but its header promises {table.frames:,}")
    frames = count * first.frames - table.cut_frames
    if frames < 0:
        raise lying("it says that more of its sound is silence than there is")
    warnings = () if table.frames else ("duration unknown in its header",)
    return Promise("MP3" if first.layer == 3 else "MP2", first.rate, first.channels, frames, warnings=warnings)


def _counted(promise: Promise, four: bytes, count: int, span: tuple[int, int]) -> Promise:
    """The promise with a table before the sound: mpg123 would guess its length from the first frames' bit rate."""
    for kilobits in range(1, 15):
        head = bytes([four[0], four[1] | 1, (four[2] & 0x0C) | kilobits << 4, four[3]])
        frame = Header.read(head)
        if frame and frame.size >= _TABLE_BYTES:
            table = info_frame(head, frame.side_bytes, frame.size, count)
            return replace(promise, frames=max(0, (promise.frames or 0) - DECODER_DELAY), span=span, preface=table)
    return promise
