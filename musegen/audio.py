"""Sound: samples and their rate, read from and written to files."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from musegen.errors import BadInput

SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".mp3", ".aiff", ".aif", ".opus", ".au"})
"""File name endings that are taken for audio."""

_LONGEST_OGG_PAGE = 27 + 255 + 255 * 255
# What programs write that do not know the length yet: 0xFFFFFFFF, 0x7FFFFFFF and a little less.
_LENGTH_UNKNOWN = 0x7FFF0000


@dataclass(frozen=True, eq=False)
class Audio:
    """Sound in [-1, 1]: `samples` float32 of shape (channels, frames), `rate` in hertz."""

    samples: NDArray[np.float32]
    rate: int

    @property
    def seconds(self) -> float:
        """Duration."""
        return float(self.samples.shape[1] / self.rate)

    @property
    def mono(self) -> NDArray[np.float32]:
        """The mean of the channels, shape (frames,)."""
        mean: NDArray[np.float32] = self.samples.mean(axis=0, dtype=np.float32)
        return mean


@dataclass(frozen=True)
class AudioFacts:
    """What a complete decode of a file found."""

    seconds: float
    rate: int
    channels: int
    peak: float


def read(path: Path) -> Audio:
    """Decode `path` whole; raises `BadInput` where libsndfile can't."""
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError, OSError) as error:
        raise BadInput(f"it can't be decoded as audio ({error}); export it again", "not audio") from error
    return Audio(np.ascontiguousarray(samples.T), rate)


def check(path: Path, block_frames: int = 1 << 18) -> AudioFacts:
    """Decode `path` in blocks of bounded memory and say what it holds; raises `BadInput` for what can't be used."""
    frames, peak = 0, 0.0
    _check_length(path)
    try:
        with soundfile.SoundFile(path) as file:
            rate, channels, promised = file.samplerate, file.channels, file.frames
            for block in file.blocks(block_frames, dtype="float32", always_2d=True):
                if not np.isfinite(block).all():
                    raise BadInput("it holds samples that are no numbers; export it again", "not finite")
                frames += len(block)
                peak = max(peak, float(np.abs(block).max(initial=0.0)))
    except (soundfile.SoundFileError, RuntimeError, OSError) as error:
        raise BadInput(f"it can't be decoded as audio ({error}); export it again", "not audio") from error
    if not frames:
        raise BadInput("it holds no sound; remove or replace it", "empty")
    if frames < promised:
        raise BadInput(f"it ends after {frames} of {promised} promised frames; copy or export it again", "truncated")
    if peak == 0.0:
        raise BadInput("it is silent throughout; remove or replace it", "silent")
    return AudioFacts(frames / rate, rate, channels, peak)


def _check_length(path: Path) -> None:
    """Ask the container, since libsndfile plays the rest of a cut RIFF, AIFF or Ogg file without a word."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(8)
        file.seek(max(0, size - _LONGEST_OGG_PAGE))
        tail = file.read() if head.startswith(b"OggS") else b""
    promised = 0
    if head[:4] in (b"RIFF", b"FORM"):
        said = int.from_bytes(head[4:], "little" if head.startswith(b"RIFF") else "big")
        promised = said + 7 if said < _LENGTH_UNKNOWN else 0  # a last padding byte may be missing
    elif tail:
        page = tail[tail.rfind(b"OggS") :]
        length = 27 + sum(page[26:27]) + sum(page[27 : 27 + sum(page[26:27])])
        promised = 0 if page[5:6] and page[5] & 4 and len(page) >= length else size + 1
    if size < promised:
        raise BadInput("it ends before the sound does that its header promises; copy or export it again", "truncated")


def write(path: Path, audio: Audio, subtype: str | None = "PCM_16") -> None:
    """Encode by the suffix of `path`; `subtype` as soundfile names them, None for the format's default."""
    soundfile.write(path, audio.samples.T, audio.rate, subtype=subtype)
