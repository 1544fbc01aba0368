"""WAV: RIFF and RIFX (Microsoft and IBM, 1991), RF64 with its 64-bit sizes (EBU Tech 3306), Wave64 (Sony, 2004)."""

import struct

from musegen.audio.containers.chunks import Chunk, Layout, content, walk
from musegen.audio.containers.linear import blocks
from musegen.audio.containers.promise import SIZE_UNKNOWN, Promise, Source, lying, truncated
from musegen.audio.containers.tags import sound_end

_W64_RIFF = bytes.fromhex("726966662e91cf11a5d628db04c10000")
_W64_TAIL = bytes.fromhex("f3acd3118cd100c04f8edb8a")
_ONCE = frozenset({b"fmt ", b"data", b"ds64"})


def riff(source: Source) -> Promise:
    """RIFF, RIFX and RF64. Both sizes (of the file and of the data) unknown is a stream: what is there counts."""
    head = source.exactly(0, 12)
    order = ">" if head.startswith(b"RIFX") else "<"
    long = source.exactly(12, 24) if head.startswith(b"RF64") else b""
    said = struct.unpack_from(order + "I", head, 4)[0]
    if long:
        if long[:4] != b"ds64":
            raise lying("it is RF64 without its 64-bit sizes")
        said, data_size = struct.unpack_from("<QQ", long, 8)
    streamed = not long and _unknown(said, source.size - 8)

    def sized(chunk: bytes) -> int | None:
        size: int = struct.unpack_from(order + "I", chunk, 4)[0]
        if chunk[:4] != b"data":
            return size
        if long:
            return int(data_size)
        return None if streamed and (size == 0 or size >= SIZE_UNKNOWN) else size

    end = 8 + said
    if not streamed and end > source.size + 1 and said != source.size:
        raise truncated(f"{end - source.size:,} bytes are missing of those that its header promises")
    untagged = source.until(sound_end(source))
    chunks, walked = walk(untagged, 12, Layout(4, 8, 2, sized), _ONCE)
    if not streamed and said != source.size and not _known_rest(chunks, walked, end):
        raise lying(f"it promises {end:,} bytes and has {source.size:,}")
    return _promise("RF64" if long else "WAV", untagged, chunks, order)


def wave64(source: Source) -> Promise:
    """Wave64: names are GUIDs, sizes have 64 bits and include the chunk's head, chunks are aligned to 8 bytes."""
    head = source.exactly(0, 40)
    said = struct.unpack_from("<Q", head, 16)[0]
    if head[:16] != _W64_RIFF or head[24:40] != b"wave" + _W64_TAIL:
        raise lying("it begins like Wave64, but does not go on like it")

    def sized(chunk: bytes) -> int | None:
        return int(struct.unpack_from("<Q", chunk, 16)[0]) - 24

    if said > source.size + 7:
        raise truncated(f"{said - source.size:,} bytes are missing of those that its header promises")
    chunks, walked = walk(source, 40, Layout(16, 24, 8, sized), frozenset())
    named = [Chunk(chunk.name[:4], chunk.start, chunk.size) for chunk in chunks if chunk.name[4:] == _W64_TAIL]
    if not said - 8 < source.size < said + 8 or walked > source.size + 7:
        raise lying(f"it promises {said:,} bytes and has {source.size:,}")
    return _promise("W64", source, named, "<")


def _unknown(said: int, there: int) -> bool:
    return said == 0 or (said >= SIZE_UNKNOWN and said not in (there, there + 1))


def _known_rest(chunks: list[Chunk], walked: int, end: int) -> bool:
    """Whether the promised end is the end of the chunks, or of the sound with well-formed chunks after it."""
    ends = {chunk.start + chunk.size + pad for chunk in chunks if chunk.size is not None for pad in (0, chunk.size & 1)}
    data = [chunk.start for chunk in chunks if chunk.name == b"data"]
    return end in (walked, walked - 1) or (end in ends and bool(data) and end > data[0])


def _promise(name: str, source: Source, chunks: list[Chunk], order: str) -> Promise:
    said = blocks(content(source, chunks, b"fmt ", 16), order)
    names = [chunk.name for chunk in chunks]
    if b"data" not in names or names.index(b"fmt ") > names.index(b"data"):
        raise lying("it has no chunk 'data', or not where it belongs")
    data = chunks[names.index(b"data")]
    if data.size is None:
        span = (data.start, source.size)
        frames, told = said.frames_in(source.size - data.start), _told(source, chunks, span, order)
        warnings = ("duration unknown in its header",)
        return Promise(name, said.rate, said.channels, frames, warnings=warnings, span=span, preface=told)
    frames = said.frames_in(data.size)
    for chunk in chunks:
        if chunk.name == b"fact" and said.frames == 1:  # programs do not agree on what it counts in ADPCM
            stated = struct.unpack(order + "I", source.exactly(chunk.start, 4))[0]
            if stated not in (0, 0xFFFFFFFF, frames):
                raise lying(f"its sound has {frames:,} frames, and it states {stated:,}")
    return Promise(name, said.rate, said.channels, frames)


def _told(source: Source, chunks: list[Chunk], span: tuple[int, int], order: str) -> bytes:
    """A header that states the length of a stream which is not too long for one: libsndfile takes 0 at its word."""
    fmt = next(source.exactly(chunk.start, min(chunk.size or 0, 64)) for chunk in chunks if chunk.name == b"fmt ")
    size = span[1] - span[0]
    if size >= SIZE_UNKNOWN or len(fmt) % 2:
        return b""
    inside = b"WAVEfmt " + struct.pack(order + "I", len(fmt)) + fmt + b"data" + struct.pack(order + "I", size)
    return (b"RIFX" if order == ">" else b"RIFF") + struct.pack(order + "I", len(inside) + size) + inside
