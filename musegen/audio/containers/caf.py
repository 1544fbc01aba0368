"""CAF (Apple Core Audio Format specification 1.0): chunks with 64-bit sizes; packets are counted in `pakt`."""

import struct

from musegen.audio.containers.chunks import Layout, content, walk
from musegen.audio.containers.promise import Promise, Source, lying, truncated, unsupported

_ONCE = frozenset({b"desc", b"data", b"pakt"})


def caf(source: Source) -> Promise:
    """PCM, floats, A-law and µ-law by the size of the data, ALAC by its packet table."""
    chunks, walked = walk(source, 8, Layout(4, 12, 1, _size), _ONCE)
    said = struct.unpack(">d4s5I", content(source, chunks, b"desc", 32, 32))
    rate, kind, _, packet_bytes, packet_frames, channels, _ = said
    if not source.zero_from(walked) or not 1 <= rate <= 2**31 or rate % 1 or not channels:
        raise lying("it states no channels or no sample rate, or something follows its chunks")
    data = next((chunk for chunk in chunks if chunk.name == b"data"), None)
    if data is None:
        raise lying("it has no chunk 'data'")
    if kind == b"alac":
        table = content(source, chunks, b"pakt", 24, 24)
        packets, frames, priming, rest = struct.unpack(">qqii", table)
        if packets * packet_frames != frames + priming + rest or frames < 0:
            raise lying(f"{packets:,} packets of {packet_frames} frames are not {frames:,} frames")
        settings = content(source, chunks, b"kuki", 24)
        if len(settings) == 24 and int.from_bytes(settings[20:], "big") != rate:
            raise lying(f"it states {rate:,} Hz, and its encoder's settings another sample rate")
        return Promise("CAF", round(rate), channels, frames)
    if kind not in (b"lpcm", b"ulaw", b"alaw"):
        raise unsupported(f"it is a CAF with an encoding ({kind!r}) that is not read here")
    size = (source.size - data.start if data.size is None else data.size) - 4
    if packet_frames != 1 or packet_bytes not in (channels, 2 * channels, 3 * channels, 4 * channels, 8 * channels):
        raise lying(f"{channels} channels do not come in packets of {packet_bytes} bytes")
    if size < 0 or size % packet_bytes:
        raise truncated("its sound ends inside a block of samples")
    warnings = ("duration unknown in its header",) if data.size is None else ()
    return Promise("CAF", round(rate), channels, size // packet_bytes, warnings=warnings)


def _size(chunk: bytes) -> int | None:
    size = int.from_bytes(chunk[4:12], "big", signed=True)
    return None if size == -1 and chunk[:4] == b"data" else size
