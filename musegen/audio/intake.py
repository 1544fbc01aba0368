"""Files of sound: whether they can be used, and what they hold. No one is believed, neither file nor decoder."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from musegen.audio import ffmpeg
from musegen.audio.decoding import opened
from musegen.audio.levels import ABSURD_CODED_PEAK, ABSURD_PEAK, Levels, dc_channels
from musegen.audio.sound import Audio

Listener = Callable[[NDArray[np.float32], int], object]
"""Called with each block, float32 (channels, frames), and its rate in hertz."""

SUFFIXES = ffmpeg.SUFFIXES | {
    ".wav", ".wave", ".rf64", ".w64", ".aiff", ".aif", ".aifc", ".au", ".snd", ".caf", ".flac", ".ogg", ".oga",
    ".opus", ".mp3",
}  # fmt: skip
"""File name endings that are taken for audio."""

_FLOATS = ("FLOAT", "DOUBLE", "pcm_f32le", "pcm_f64le", "pcm_f32be", "pcm_f64be")


@dataclass(frozen=True)
class AudioFacts:
    """What a complete decode of a file found.

    `peak`: the largest absolute sample; `format`: container and encoding; `warnings`: what its owner should know,
    though it can be used; `dc_offset`: mean of each channel.
    """

    seconds: float
    rate: int
    channels: int
    peak: float
    format: str = ""
    warnings: tuple[str, ...] = ()
    dc_offset: tuple[float, ...] = ()


def check(path: Path, listeners: Sequence[Listener] = ()) -> AudioFacts:
    """Decode `path` once, let `listeners` hear every block, and say what it holds.

    What comes back has the true length: the frames decoded are those that the container promises. Memory is bounded
    whatever the length: a few blocks of 2^17 samples (512 KiB each), counted over all channels, beside what the
    listeners keep. Decoding ends at 5 hours.

    Raises `BadInput`, reason: empty, not audio, truncated, lying header, damaged, not finite, absurd samples, silent,
    too short (3 ms), too long (5 h), channels (more than 8), sample rate (not 8 to 192 kHz), unsupported, not a file,
    unreadable.
    """
    frames = 0
    with opened(path) as sound:
        rate, channels = sound.promise.rate, sound.promise.channels
        levels = Levels(rate, channels, ABSURD_PEAK if sound.subtype in _FLOATS else ABSURD_CODED_PEAK)
        for block in sound.blocks:
            frames += block.shape[1]
            levels.hear(block)
            for listener in listeners:
                listener(block, rate)
    judged = levels.judge()
    kind = f"{sound.promise.format} {sound.subtype}"
    return AudioFacts(
        frames / rate, rate, channels, judged.peak, kind, (*sound.promise.warnings, *judged.warnings), judged.dc_offset
    )


def read(path: Path) -> Audio:
    """Decode `path` whole, without its DC offset (where `check` warns of one). Raises `BadInput` as `check` does, but
    for what only the samples tell."""
    with opened(path) as sound:
        samples = np.concatenate(list(sound.blocks), axis=1)
        rate = sound.promise.rate
    mean = samples.mean(axis=1, dtype=np.float64)
    offset = dc_channels(mean, samples.shape[1], rate)
    if offset.any():
        samples[offset] -= mean[offset, np.newaxis].astype(np.float32)
    return Audio(samples, rate)


def write(path: Path, audio: Audio, subtype: str | None = "PCM_16") -> None:
    """Encode by the suffix of `path`; `subtype` as soundfile names them, None for the format's default."""
    soundfile.write(path, audio.samples.T, audio.rate, subtype=subtype)
