"""AIFF and AIFF-C (Apple, 1989 and 1991): big-endian chunks in a FORM, COMM before or after SSND."""

import struct

from musegen.audio.containers.chunks import Layout, content, walk
from musegen.audio.containers.linear import Blocks
from musegen.audio.containers.promise import Promise, Source, lying, truncated, unsupported
from musegen.audio.containers.tags import sound_end

_ONCE = frozenset({b"COMM", b"SSND"})
_SAMPLE_BYTES = {b"fl32": 4, b"FL32": 4, b"fl64": 8, b"FL64": 8, b"ulaw": 1, b"ULAW": 1, b"alaw": 1, b"ALAW": 1}
_AS_STATED = (b"NONE", b"twos", b"sowt", b"in24", b"in32", b"42ni", b"23ni", b"raw ")
_IMA_BYTES, _IMA_FRAMES = 34, 64


def aiff(source: Source) -> Promise:
    """What COMM states, which SSND has to hold."""
    head = source.exactly(0, 12)
    end = 8 + int.from_bytes(head[4:8], "big")
    if end > source.size + 1:
        raise truncated(f"{end - source.size:,} bytes are missing of those that its header promises")
    chunks, walked = walk(source.until(sound_end(source)), 12, Layout(4, 8, 2, _size), _ONCE)
    if end not in (walked, walked - 1):
        raise lying(f"it promises {end:,} bytes and has {source.size:,}")
    common = content(source, chunks, b"COMM", 18)
    channels, frames, bits = struct.unpack_from(">hIh", common)
    rate = _extended(common[8:18])
    kind = common[18:22] if head[8:12] == b"AIFC" else b"NONE"
    if channels < 1 or rate < 1:
        raise lying("it states no channels or no sample rate")
    said = _blocks(kind, rate, channels, bits)
    if frames == 0 and not any(chunk.name == b"SSND" for chunk in chunks):
        return Promise("AIFF", rate, channels, 0)
    sound = next((chunk for chunk in chunks if chunk.name == b"SSND"), None)
    if sound is None or sound.size is None or sound.size < 8:
        raise lying("it has no chunk 'SSND' with its sound")
    there = sound.size - 8 - int.from_bytes(source.exactly(sound.start, 4), "big")
    if said.frames > 1:  # programs do not agree on what COMM counts: packets of one channel, of all, or frames
        return Promise("AIFF", rate, channels, said.frames_in(there))
    if not 0 <= there - frames * said.size < 2:
        raise lying(f"{frames:,} frames of {said.size} bytes are not {there:,} bytes")
    return Promise("AIFF", rate, channels, frames)


def _size(chunk: bytes) -> int:
    return int.from_bytes(chunk[4:8], "big")


def _extended(ten: bytes) -> int:
    """A sample rate in hertz from an 80-bit extended float (IEEE 754), 0 for what is none; at most 2^31."""
    exponent = int.from_bytes(ten[:2], "big") - 16383
    mantissa = int.from_bytes(ten[2:], "big")
    return mantissa >> (63 - exponent) if 0 <= exponent <= 31 else 0


def _blocks(kind: bytes, rate: int, channels: int, bits: int) -> Blocks:
    if kind == b"ima4":
        return Blocks(rate, channels, _IMA_BYTES * channels, _IMA_FRAMES)
    if kind in _SAMPLE_BYTES:
        return Blocks(rate, channels, _SAMPLE_BYTES[kind] * channels, 1)
    if kind not in _AS_STATED or not 1 <= bits <= 32:
        raise unsupported(f"it is an AIFF of {bits} bits with an encoding ({kind!r}) that is not read here")
    return Blocks(rate, channels, -(-bits // 8) * channels, 1)
