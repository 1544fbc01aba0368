"""Sound in blocks of equal size, as RIFF describes it: the `fmt` chunk (WAVEFORMATEX), and what it lets follow."""

import struct
from dataclasses import dataclass

from musegen.audio.containers.promise import lying, truncated, unsupported

PCM, MS_ADPCM, FLOAT, A_LAW, MU_LAW, IMA_ADPCM, EXTENSIBLE = 0x0001, 0x0002, 0x0003, 0x0006, 0x0007, 0x0011, 0xFFFE
_BITS = {PCM: (8, 16, 24, 32), FLOAT: (32, 64), A_LAW: (8,), MU_LAW: (8,)}
_USUAL_RATES = (8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000, 88200, 96000)
_GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
_FFMPEG_ADPCM_BYTE_RATE = 16000  # its default bit rate, whatever the sound's own is


@dataclass(frozen=True)
class Blocks:
    """`frames` samples a channel come in every `size` bytes."""

    rate: int
    channels: int
    size: int
    frames: int

    def frames_in(self, count: int) -> int:
        """Frames in `count` bytes; raises `BadInput` (truncated) if the last block is incomplete."""
        if count % self.size:
            raise truncated("its sound ends inside a block of samples")
        return count // self.size * self.frames


def blocks(fmt: bytes, order: str = "<") -> Blocks:
    """What a `fmt` chunk states; raises `BadInput`: lying header where it contradicts itself, unsupported encodings."""
    tag, channels, rate, byte_rate, size, bits = struct.unpack_from(order + "HHIIHH", fmt)
    if tag == EXTENSIBLE:
        tag = _extended(fmt, order, bits)
    if not channels or not rate or not size:
        raise lying("it states no channels, no sample rate or no block size")
    if tag in _BITS:
        return _linear(tag, Blocks(rate, channels, size, 1), bits, byte_rate)
    if tag not in (IMA_ADPCM, MS_ADPCM):
        raise unsupported(f"it is a WAV with an encoding (0x{tag:04x}) that is not read here")
    return _adpcm(tag, fmt, order, Blocks(rate, channels, size, 1), byte_rate)


def _extended(fmt: bytes, order: str, bits: int) -> int:
    if len(fmt) < 40:
        raise lying("its extended format is cut off")
    valid, tag = struct.unpack_from(order + "H4xH", fmt, 18)
    if fmt[26:40] != _GUID_TAIL:
        raise unsupported("it is a WAV with an encoding that is not read here")
    if valid > bits:
        raise lying(f"{valid} of {bits} bits are valid")
    return int(tag)


def _linear(tag: int, said: Blocks, bits: int, byte_rate: int) -> Blocks:
    if said.size != said.channels * -(-bits // 8):
        raise lying(f"{said.channels} channels of {bits} bits are not {said.size} bytes")
    if bits not in _BITS[tag]:
        raise unsupported(f"it is a WAV of {bits} bits, which is not read here")
    if byte_rate != said.rate * said.size:
        raise lying(f"{said.rate:,} frames a second of {said.size} bytes are not {byte_rate:,} bytes a second")
    return said


def _adpcm(tag: int, fmt: bytes, order: str, said: Blocks, byte_rate: int) -> Blocks:
    frames = int.from_bytes(fmt[18:20], "little" if order == "<" else "big")
    channels, size = said.channels, said.size
    if tag == IMA_ADPCM:
        expected = (size - 4 * channels) * 2 // channels + 1
    else:
        expected = (size - 7 * channels) * 2 // channels + 2
    if frames != expected or frames < 2:
        raise lying(f"{size} bytes of ADPCM in {channels} channels are not {frames} frames")
    exact = said.rate * size // frames
    rounded = said.rate in _USUAL_RATES and abs(byte_rate - exact) <= 1
    if not rounded and byte_rate not in (exact, said.rate * channels // 2, _FFMPEG_ADPCM_BYTE_RATE):
        raise lying(f"{said.rate:,} frames a second are not {byte_rate:,} bytes a second")
    return Blocks(said.rate, channels, size, frames)
