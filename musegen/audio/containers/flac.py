"""FLAC (RFC 9639): STREAMINFO says how many samples there are and what MD5 they have, every frame says its rate."""

from dataclasses import replace

from musegen.audio.containers.flac_frame import Frame, samples_until_end
from musegen.audio.containers.promise import Promise, Source, damaged, lying
from musegen.audio.containers.tags import id3v2_bytes, sound_end

_STREAMINFO_BYTES = 34
_MOST_BLOCKS = 10_000
_LENGTH_ENDS = 26  # bytes after the beginning


def flac(source: Source) -> Promise:
    """What STREAMINFO states, with the first frame as a witness, and the last one where it states no length."""
    start = offset = id3v2_bytes(source) + 4
    promise: Promise | None = None
    for _ in range(_MOST_BLOCKS):
        head = source.exactly(offset, 4)
        size, kind = int.from_bytes(head[1:], "big"), head[0] & 127
        if promise is None:
            if kind or size != _STREAMINFO_BYTES:
                raise lying("it does not begin with its STREAMINFO")
            promise = streaminfo(source.exactly(offset + 4, size))
        elif kind in (0, 127):
            raise lying("it has a metadata block that can't be")
        offset += 4 + size
        if head[0] & 128:
            sound = source.until(sound_end(source))
            witnessed = _witnessed(promise, sound, offset, int.from_bytes(source.exactly(start + 4, 2), "big"))
            return witnessed if promise.frames else _told(witnessed, source, start - 4)
    raise lying("its metadata has no end")


def streaminfo(block: bytes) -> Promise:
    """The 34 bytes of STREAMINFO; 0 samples means unknown, an MD5 of zeros means none."""
    bits = int.from_bytes(block[10:18], "big")
    rate, channels, width, frames = bits >> 44, (bits >> 41 & 7) + 1, (bits >> 36 & 31) + 1, bits & (1 << 36) - 1
    if not rate:
        raise lying("it states no sample rate")
    md5 = block[18:34] if any(block[18:34]) else b""
    return Promise("FLAC", rate, channels, frames or None, width, md5)


def _witnessed(promise: Promise, source: Source, offset: int, block_samples: int) -> Promise:
    """The promise, if the first frame agrees with it."""
    if offset >= source.size:
        return replace(promise, frames=promise.frames or 0)
    frame = Frame.read(source.at(offset, 16))
    if frame is None or frame.start:
        raise damaged("its first frame is not what was written")
    if frame.rate not in (0, promise.rate) or frame.channels != promise.channels or frame.bits not in (0, promise.bits):
        raise lying("it states another rate, width or number of channels than its first frame")
    if promise.frames is not None:
        return promise
    frames = samples_until_end(source, block_samples)
    return replace(promise, frames=frames, warnings=("duration unknown in its header",))


def _told(promise: Promise, source: Source, start: int) -> Promise:
    """The promise with a beginning that states its length: soundfile can't read FLAC without."""
    head = bytearray(source.exactly(start, _LENGTH_ENDS))
    head[-4:] = (promise.frames or 0).to_bytes(5, "big")[1:]
    head[-5] |= (promise.frames or 0) >> 32
    return replace(promise, span=(start + _LENGTH_ENDS, source.size), preface=bytes(head))
