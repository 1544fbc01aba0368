"""Files to blocks of samples, by libsndfile where it can and by ffmpeg where it has to."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from musegen.audio import ffmpeg
from musegen.audio.containers import Promise, ends_in_a_frame, promised
from musegen.audio.containers.promise import damaged, lying, truncated
from musegen.audio.splicing import Spliced
from musegen.errors import BadInput

Block = NDArray[np.float32]
BLOCK_SAMPLES = 1 << 17
"""At most so many samples, over all channels, are in a block: 512 KiB as float32."""

LEAST_RATE, MOST_RATE, MOST_CHANNELS = 8000, 192_000, 8
LEAST_SECONDS, MOST_SECONDS = 0.003, 5 * 3600.0
_MD5_BITS = (8, 16, 24)
_OPUS_RATE = 48000


@dataclass(frozen=True)
class Opened:
    """A sound that can be heard once: `blocks` of shape (channels, frames), in all the `promise.frames`, or `BadInput`
    is raised while they come."""

    promise: Promise
    subtype: str
    blocks: Iterator[Block]


@contextmanager
def opened(path: Path, checked: bool = False) -> Iterator[Opened]:
    """Ask the container, then the decoder, and let nothing come out that the two do not agree on.

    `checked`: this very content was heard to its end before, so the MD5 that a FLAC file has of its sound is not asked
    again. Memory: a block of `BLOCK_SAMPLES` and, where the MD5 is asked, its integers.

    Raises `BadInput` for everything that can't be used.
    """
    with ExitStack() as stack:
        with _explained(path):
            promise = promised(path)
        with _explained_inside(promise, path):
            _within_limits(promise)
            if promise.demuxer:
                stream = stack.enter_context(ffmpeg.opened(path, promise, BLOCK_SAMPLES))
                promise, subtype, blocks = stream.promise, stream.codec, stream.blocks
                _within_limits(promise)
            else:
                content = stack.enter_context(Spliced(path, promise)) if promise.preface else os.fsencode(path)
                file = stack.enter_context(soundfile.SoundFile(content))
                promise = _agreed(promise, file)
                subtype, blocks = file.subtype, _blocks(file, promise, checked)
        yield Opened(promise, subtype, _counted(promise, blocks, path))


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what decoders and the system raise into `BadInput`, without the path, which is known and may change."""
    try:
        yield
    except OSError as error:
        raise BadInput(
            f"it can't be read ({error.strerror}); make it readable or copy it again", "unreadable"
        ) from error
    except (soundfile.SoundFileError, RuntimeError, TypeError, ValueError, OverflowError) as error:
        words = str(error).replace(repr(os.fsencode(path)), "it").replace(repr(str(path)), "it").strip().rstrip(".")
        reason = "unsupported" if "unsupported" in words.lower() else "not audio"
        raise BadInput(f"it can't be decoded as audio ({words}); export it again", reason) from error


@contextmanager
def _explained_inside(promise: Promise, path: Path) -> Iterator[None]:
    """The same for what goes wrong after the beginning went well: it is cut, or damaged."""
    try:
        with _explained(path):
            yield
    except BadInput as error:
        if error.reason in ("not audio", "damaged") and promise.format == "FLAC" and ends_in_a_frame(path):
            raise truncated("it ends inside a frame") from error
        if error.reason == "not audio":
            raise BadInput(str(error), "damaged") from error
        raise


def _within_limits(promise: Promise) -> None:
    """Refuse what no one trains on, before it is decoded; 0 is not known yet."""
    if promise.channels > MOST_CHANNELS:
        raise BadInput(f"it has {promise.channels} channels; mix it down to {MOST_CHANNELS} or fewer", "channels")
    if promise.rate and not LEAST_RATE <= promise.rate <= MOST_RATE:
        raise BadInput(f"its sample rate is {promise.rate:,} Hz; convert it to 8 to 192 kHz", "sample rate")
    if promise.rate and promise.frames is not None:
        check_seconds(promise.frames, promise.rate)


def check_seconds(frames: int, rate: int) -> None:
    """Raises `BadInput`: empty, too short, too long."""
    if not frames:
        raise BadInput("it holds no sound; remove or replace it", "empty")
    if frames < LEAST_SECONDS * rate:
        raise BadInput(f"it lasts {1000 * frames / rate:.2g} ms; the least is 3 ms; remove it", "too short")
    if frames > MOST_SECONDS * rate:
        raise BadInput(f"it lasts {frames / rate / 3600:.1f} h or more; the most is 5 h; split it", "too long")


def _agreed(promise: Promise, file: Any) -> Promise:
    """What container and libsndfile say together; raises `BadInput` (lying header) where they differ."""
    if promise.format == "Ogg Opus" and promise.frames is not None and file.samplerate:
        promise = replace(promise, rate=file.samplerate, frames=promise.frames // max(1, _OPUS_RATE // file.samplerate))
    if (file.samplerate, file.channels) != (promise.rate, promise.channels):
        raise lying(
            f"it says {promise.channels} channels at {promise.rate:,} Hz, "
            f"and is decoded as {file.channels} at {file.samplerate:,} Hz"
        )
    return promise


def _blocks(file: Any, promise: Promise, checked: bool) -> Iterator[Block]:
    frames = BLOCK_SAMPLES // promise.channels
    if promise.md5 and promise.bits in _MD5_BITS and not checked:
        yield from _summed(file, promise, frames)
        return
    while True:
        block = np.empty((frames, promise.channels), np.float32)
        count = len(file.read(out=block))
        if count:
            yield np.ascontiguousarray(block[:count].T)
        if count < frames:
            return


def _summed(file: Any, promise: Promise, frames: int) -> Iterator[Block]:
    """Decode to integers and compare their MD5 with the one in the container; raises `BadInput` (damaged)."""
    kind = np.int32 if promise.bits == 24 else np.int16
    width, scale = np.dtype(kind).itemsize, np.float32(2.0 ** (1 - 8 * np.dtype(kind).itemsize))
    integers, md5 = np.empty((frames, promise.channels), kind), hashlib.md5(usedforsecurity=False)
    count = frames
    while count == frames:
        count = len(file.read(out=integers))
        found = integers[:count]
        octets = found.view(np.uint8).reshape(-1, width)[:, width - promise.bits // 8 :]
        md5.update(np.ascontiguousarray(octets).data)
        if count:
            block = np.empty((promise.channels, count), np.float32)
            yield np.multiply(found.T, scale, out=block, dtype=np.float32)
    if md5.digest() != promise.md5:
        raise damaged("its sound is not what was encoded (MD5)")


def _counted(promise: Promise, blocks: Iterator[Block], path: Path) -> Iterator[Block]:
    """Pass the blocks on; raises `BadInput` unless they are as many frames as promised, and never too many."""
    frames = 0
    with _explained_inside(promise, path):
        for block in blocks:
            frames += block.shape[1]
            if promise.frames is None:
                check_seconds(max(frames, promise.rate), promise.rate)
            elif frames > promise.frames:
                raise lying(f"more is decoded than the {promise.frames:,} frames that it promises")
            yield block
        if promise.frames is not None and frames < promise.frames:
            raise damaged(f"{frames:,} frames are decoded of {promise.frames:,} that it promises")
        check_seconds(frames, promise.rate)
