"""What lossy compression leaves of a sound."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal, Self

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray
from pydantic import Field, model_validator

from musegen.audio import Audio
from musegen.augment.base import Effect, SoundAugmentation, Sounds
from musegen.change import Change
from musegen.errors import BadParams
from musegen.labels import Labels

CodecName = Literal["mp3", "ogg", "opus"]
_WORST, _BEST = 0.05, 1.0
_BLOCK_FRAMES = 1 << 16
_PAIR = 2


@dataclass(frozen=True)
class _Encoder:
    """Container and encoding as soundfile names them, and the rates in hertz that it takes, ascending; () for any."""

    format: str
    subtype: str
    rates: tuple[int, ...] = ()

    def rate(self, rate: int) -> int:
        """The lowest of its rates that keeps everything of a sound at `rate`, or the highest it has."""
        return min((own for own in self.rates if own >= rate), default=max(self.rates)) if self.rates else rate


_ENCODERS: Mapping[CodecName, _Encoder] = {
    "mp3": _Encoder("MP3", "MPEG_LAYER_III", (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)),
    "ogg": _Encoder("OGG", "VORBIS"),
    "opus": _Encoder("OGG", "OPUS", (8_000, 12_000, 16_000, 24_000, 48_000)),
}


class Coded(Effect):
    """The sound encoded at a variable bit rate and decoded again, in memory.

    `quality`: 1 minus libsndfile's compression level. Of one channel of noise bursts at 16 kHz, 0.1 and 0.9 make about
    26 and 56 kbit/s of MP3, 34 and 58 of Vorbis (`ogg`), 27 and 224 of Opus. Sounds at rates that the codec does not
    know go through its next higher one (soxr there and back). Channels are coded in pairs, as MP3 must.

    Length and delay are those of before: the delays of encoder and decoder are in the files' headers, and libsndfile
    takes them off. Equal samples give equal samples with the same build of libsndfile.

    Raises `BadParams` where libsndfile lacks the codec.
    """

    kind: Literal["codec"] = "codec"
    codec: CodecName
    quality: float = Field(ge=_WORST, le=_BEST)

    def apply(self, audio: Audio, sounds: Sounds) -> tuple[Audio, Change]:
        _require(self.codec)
        encoder = _ENCODERS[self.codec]
        coded_rate = encoder.rate(audio.rate)
        samples = _resampled(audio.samples, audio.rate, coded_rate)
        pairs = [samples[first : first + _PAIR] for first in range(0, len(samples), _PAIR)]
        decoded = np.concatenate([_round_trip(pair, coded_rate, encoder, self.quality) for pair in pairs])
        samples = _fitted(_resampled(decoded, coded_rate, audio.rate), audio.samples.shape[1])
        return Audio(samples, audio.rate), Change()


class Codec(SoundAugmentation):
    """One of `codecs`, at a quality between `lowest_quality` and `highest_quality` (0.05 to 1, the best)."""

    kind: Literal["codec"] = "codec"
    codecs: tuple[CodecName, ...] = Field(("mp3", "ogg", "opus"), min_length=1)
    lowest_quality: float = 0.1
    highest_quality: float = 0.7

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not _WORST <= self.lowest_quality <= self.highest_quality <= _BEST:
            raise ValueError(f"lowest_quality and highest_quality: {_WORST} ≤ lowest ≤ highest ≤ {_BEST:.0f}, the best")
        return self

    def draw(self, audio: Audio, labels: Labels, sounds: Sounds, random: np.random.Generator) -> Coded:
        """Codec and quality, both uniform. Raises `BadParams` where libsndfile lacks any of `codecs`, drawn or not."""
        for codec in self.codecs:
            _require(codec)
        codec = self.codecs[random.integers(len(self.codecs))]
        return Coded(codec=codec, quality=round(random.uniform(self.lowest_quality, self.highest_quality), 4))


@cache
def available(codec: CodecName) -> bool:
    """Whether this build of libsndfile can encode and decode it."""
    encoder = _ENCODERS[codec]
    return bool(soundfile.check_format(encoder.format, encoder.subtype))


def _require(codec: CodecName) -> None:
    if not available(codec):
        raise BadParams(
            f"codec {codec}: libsndfile {soundfile.__libsndfile_version__} on this machine cannot write it; take it off"
            " `codecs`, or install soundfile from its wheel, which brings all of them"
        )


def _round_trip(samples: NDArray[np.float32], rate: int, encoder: _Encoder, quality: float) -> NDArray[np.float32]:
    buffer = io.BytesIO()
    with soundfile.SoundFile(
        buffer, "w", rate, len(samples), encoder.subtype, format=encoder.format, compression_level=1 - quality
    ) as file:
        # In blocks: libsndfile's Vorbis encoder crashes on minutes at once, and the samples depend on the size.
        for start in range(0, samples.shape[1], _BLOCK_FRAMES):
            file.write(samples[:, start : start + _BLOCK_FRAMES].T)
    buffer.seek(0)
    with soundfile.SoundFile(buffer) as file:
        decoded: NDArray[np.float32] = file.read(dtype="float32", always_2d=True).T
    return decoded


def _resampled(samples: NDArray[np.float32], rate: int, wanted: int) -> NDArray[np.float32]:
    return samples if rate == wanted else np.asarray(soxr.resample(samples.T, rate, wanted), np.float32).T


def _fitted(samples: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    """The first `frames`, silence after them where there are fewer."""
    missing = max(frames - samples.shape[1], 0)
    return np.ascontiguousarray(np.pad(samples[:, :frames], ((0, 0), (0, missing))))
