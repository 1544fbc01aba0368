"""Files of sound to passages of some seconds at one rate, decoded once and never whole in memory."""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from musegen.audio.decoding import opened
from musegen.audio.levels import dc_channels
from musegen.audio.sound import Audio
from musegen.errors import BadParams

Block = NDArray[np.float32]

_LEAST_SECONDS = 1.0
_MOST_CHANNELS = 2


def passages(path: Path, rate: int, seconds: float, mono: bool, checked: bool = False) -> Iterator[Audio]:
    """Decode `path` once and cut it, at `rate` hertz, into passages of `seconds`: passage i begins at sample
    round(i · seconds · rate). A rest of less than a second is joined to the passage before.

    One channel each where `mono` or where there are more than two, else as many as there are. Together they are what
    `soxr.resample` (HQ) makes of the whole, without delay. What `read` and `Audio.mono` do to a whole recording is done
    to each passage, after resampling: a DC offset is taken off, channels that would cancel are turned; so a passage
    depends on nothing else, and two of one recording may differ in polarity.

    `checked`: by the hash of its content this is a file that `check` has passed, so that a checksum inside need not be
    computed again.

    Memory: a passage and a second more, of all channels at `rate`, and some blocks of the decoder.

    Raises `BadParams` at once; `BadInput` as `read` does, but while the passages come: those that came before are of a
    broken file and must not be used.
    """
    if not (math.isfinite(seconds) and round(seconds * rate) > 0):
        raise BadParams(f"seconds: {seconds} is no length of a passage; choose some seconds")
    return _passages(path, rate, seconds, mono, checked)


def _passages(path: Path, rate: int, seconds: float, mono: bool, checked: bool) -> Iterator[Audio]:
    with opened(path, checked) as sound:
        resampled = _resampled(sound.blocks, sound.promise.rate, sound.promise.channels, rate)
        for samples in _cut(resampled, rate, seconds):
            _level(samples, rate)
            passage = Audio(samples, rate)
            mixed = len(samples) > (1 if mono else _MOST_CHANNELS)
            yield Audio(passage.mono[np.newaxis], rate) if mixed else passage


def _resampled(blocks: Iterable[Block], source_rate: int, channels: int, rate: int) -> Iterator[Block]:
    """The same sound at `rate`, in blocks (channels, frames)."""
    if source_rate == rate:
        yield from blocks
        return
    # One stream a channel: that is faster than one of interleaved channels.
    streams = [soxr.ResampleStream(source_rate, rate, 1, dtype="float32", quality="HQ") for _ in range(channels)]
    for block in blocks:
        pairs = zip(streams, block, strict=True)
        yield np.stack([stream.resample_chunk(np.ascontiguousarray(channel)) for stream, channel in pairs])
    nothing = np.zeros(0, np.float32)
    yield np.stack([stream.resample_chunk(nothing, last=True) for stream in streams])


def _cut(blocks: Iterable[Block], rate: int, seconds: float) -> Iterator[Block]:
    """Arrays of their own, one a passage, each held back until what follows is long enough to be the next."""
    waiting: list[Block] = []
    held = number = 0
    least = round(min(_LEAST_SECONDS, seconds) * rate)
    for block in blocks:
        waiting.append(block)
        held += block.shape[1]
        while held >= (length := round((number + 1) * seconds * rate) - round(number * seconds * rate)) + least:
            together = np.concatenate(waiting, axis=1)
            waiting, held, number = [together[:, length:].copy()], held - length, number + 1
            yield np.ascontiguousarray(together[:, :length])
    yield np.concatenate(waiting, axis=1)


def _level(samples: Block, rate: int) -> None:
    """Take off the DC offset, in place, where `check` would warn of one."""
    mean = samples.mean(axis=1, dtype=np.float64)
    offset = dc_channels(mean, samples.shape[1], rate)
    if offset.any():
        samples[offset] -= mean[offset, np.newaxis].astype(np.float32)
