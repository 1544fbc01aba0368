"""AU (Sun and NeXT): a header of six words, then the sound. Nothing in it is said twice but the length."""

import struct

from musegen.audio.containers.promise import Promise, Source, lying, truncated, unsupported

_SAMPLE_BYTES = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}
_SIZE_UNKNOWN = 0xFFFFFFFF


def au(source: Source) -> Promise:
    """Both byte orders; a size of 0xFFFFFFFF is a stream: what is there counts."""
    head = source.exactly(0, 24)
    words = struct.unpack((">" if head.startswith(b".snd") else "<") + "5I", head[4:])
    start, size, encoding, rate, channels = words
    if encoding not in _SAMPLE_BYTES:
        raise unsupported(f"it is an AU with an encoding ({encoding}) that is not read here")
    if start < 24 or not channels or not rate:
        raise lying("it states no channels, no sample rate, or no place for the sound")
    there = source.size - start
    warnings = ("duration unknown in its header",) if size == _SIZE_UNKNOWN else ()
    size = there if size == _SIZE_UNKNOWN else size
    if size > there:
        raise truncated(f"{size - there:,} bytes are missing of those that its header promises")
    if size < there:
        raise lying(f"{there - size:,} bytes follow the sound that it promises")
    frame = _SAMPLE_BYTES[encoding] * channels
    if size % frame:
        raise truncated("its sound ends inside a block of samples")
    return Promise("AU", rate, channels, size // frame, warnings=warnings)
