"""Sound that libsndfile does not know, through the programs ffmpeg and ffprobe where they are installed."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.audio.containers import Promise
from musegen.audio.containers.promise import damaged, lying, truncated, unsupported

SUFFIXES = frozenset({
    ".m4a", ".m4b", ".mp4", ".mov", ".3gp", ".aac", ".wma", ".asf", ".ape", ".wv", ".mka", ".mkv", ".webm", ".ac3",
    ".eac3", ".dts", ".tta", ".mpc",
})  # fmt: skip
"""Endings of names of such files."""

_QUIET = ["-v", "error", "-protocol_whitelist", "file,pipe"]
_SAID = "stream=codec_name,sample_rate,channels,duration:stream_tags=DURATION:format=duration"
# What has no duration of its own: ffmpeg guesses it from the bit rate.
_ESTIMATED = frozenset({"aac", "ac3", "eac3", "dts", "mpc"})
_SLACK_SECONDS = 0.1  # what encoders' delay and padding, and milliseconds in headers, make uncertain
_PROBE_SECONDS = 60


@dataclass(frozen=True)
class Stream:
    """Blocks (channels, frames) of the first audio stream; `promise.frames` is exact where the container's time is."""

    promise: Promise
    codec: str
    blocks: "Iterator[NDArray[np.float32]]"


@contextmanager
def opened(path: Path, promise: Promise, block_samples: int) -> Iterator[Stream]:
    """Decode with ffmpeg, which is killed when the context ends. Raises `BadInput`: unsupported without ffmpeg."""
    if not (shutil.which("ffmpeg") and shutil.which("ffprobe")):
        raise unsupported(f"it is {promise.format}, which only ffmpeg opens; install ffmpeg, or")
    said = _probe(path, promise.demuxer)
    stream = said["streams"][0]
    try:
        rate, channels = int(stream["sample_rate"]), int(stream["channels"])
        seconds = _seconds(said)
    except (KeyError, ValueError):
        raise damaged("ffmpeg finds neither its sample rate nor its channels") from None
    if not rate or not channels:
        raise damaged("ffmpeg finds neither its sample rate nor its channels")
    frames = promise.frames
    if frames is None and seconds is not None and promise.demuxer not in _ESTIMATED:
        frames = round(seconds * rate)
    warnings = promise.warnings if frames is not None else (*promise.warnings, "duration unknown in its header")
    promise = replace(promise, rate=rate, channels=channels, warnings=warnings)
    command = ["ffmpeg", "-nostdin", *_QUIET, "-xerror", "-threads", "1", "-f", promise.demuxer, "-i", f"file:{path}"]
    command += ["-map", "0:a:0", "-c:a", "pcm_f32le", "-f", "f32le", "pipe:1"]
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        blocks = _blocks(child, channels, block_samples // channels)
        yield Stream(promise, stream.get("codec_name", ""), _fitted(blocks, frames, rate))
    finally:
        child.kill()
        if child.stdout is not None:
            child.stdout.close()
        child.wait()


def _probe(path: Path, demuxer: str) -> dict[str, Any]:
    command = ["ffprobe", *_QUIET, "-f", demuxer, "-select_streams", "a:0", "-show_entries", _SAID, "-of", "json"]
    try:
        done = subprocess.run(
            [*command, f"file:{path}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_SECONDS,
            check=True,
        )
        said: dict[str, Any] = json.loads(done.stdout)
    except (subprocess.SubprocessError, ValueError):
        raise damaged("ffmpeg can't open it") from None
    if not said.get("streams"):
        raise unsupported("it holds no sound that ffmpeg knows")
    return said


def _seconds(said: dict[str, Any]) -> float | None:
    """What the stream says, else what the container does, None where neither."""
    stream = said["streams"][0]
    for text in (
        stream.get("duration"),
        stream.get("tags", {}).get("DURATION"),
        said.get("format", {}).get("duration"),
    ):
        if text and text != "N/A":
            return float(sum(float(part) * 60**place for place, part in enumerate(reversed(text.split(":")))))
    return None


def _blocks(child: "subprocess.Popen[bytes]", channels: int, frames: int) -> Iterator[NDArray[np.float32]]:
    bytes_a_frame = 4 * channels
    while child.stdout is not None:
        content = child.stdout.read(frames * bytes_a_frame)
        whole = len(content) // bytes_a_frame
        if whole:
            samples = np.frombuffer(content, "<f4", whole * channels).reshape(whole, channels)
            yield np.ascontiguousarray(samples.T)
        if len(content) < frames * bytes_a_frame:
            break
    if child.wait():
        raise damaged("ffmpeg stops in the middle of it")


def _fitted(blocks: Iterator[NDArray[np.float32]], promised: int | None, rate: int) -> Iterator[NDArray[np.float32]]:
    """Cut off what a decoder adds behind the promised end; raises `BadInput` where it is much more, or less."""
    frames, slack = 0, round(_SLACK_SECONDS * rate)
    for block in blocks:
        frames += block.shape[1]
        if promised is None or frames <= promised:
            yield block
        elif frames - block.shape[1] < promised:
            yield block[:, : promised - frames]
        if promised is not None and frames > promised + slack:
            raise lying(f"more is decoded than the {promised:,} frames that it promises")
    if promised is not None and frames < promised - slack:
        raise truncated(f"{frames:,} frames are decoded of {promised:,} that it promises")
