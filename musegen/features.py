"""Sound to what a model sees of it: log-mel frames, or a constant-Q transform, in a byte or two a cell.

Mel: power of the short-time Fourier transform (Hann window, centred, zeros beyond both ends) through triangles of
equal area on Slaney's mel scale, as `librosa.feature.melspectrogram` and `power_to_db` have it. The filters are laid
out here, as importing librosa costs a second and compiles into a cache that parallel workers can spoil.

Played at another speed or pitch, a sound need not be stretched to be analysed. It is resampled to its pitch, which is
exact, and any change of time scale that is left is a change of the hop between frames (M. R. Portnoff, *Time-scale
modification of speech based on short-time Fourier analysis*, IEEE TASSP 1981). The window stays as long as it is.
"""

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Literal, Self

import numpy as np
import scipy.fft
import soxr
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator
from scipy.sparse import csr_array

from musegen.audio import Audio
from musegen.errors import BadParams
from musegen.settings import Settings

FLOOR_DECIBELS = -100.0
"""Less than that is taken for that: silence."""

_STEP_DECIBELS = 0.5
_STEPS = 255
_FLOAT16_ERROR_DECIBELS = 2.0**-5
# As many frames as the second-level cache holds, with their spectra.
_BLOCK_FRAMES = 64
# It is cheaper to resample by small whole numbers; within a tenth of a cent they are taken for the pitch.
_LARGEST_DENOMINATOR, _LARGEST_ERROR = 400, 0.1 * math.log(2) / 1200
# Slaney's scale: linear up to 1 kHz, which is mel 15, then 27 mel to a factor of 6.4.
_LINEAR_HERTZ, _HERTZ_A_MEL, _MEL_LOG_STEP = 1000.0, 200 / 3, math.log(6.4) / 27
_HANN_BANDWIDTH_BINS = 1.50018310546875  # as librosa has it, to know beforehand what it refuses


class FeatureSettings(Settings):
    """Which features: `rate` hertz; `hop` and `window` (mel only) samples; `highest_hertz` is for mel,
    `bins_per_octave` for cqt. `storage`: what `store` makes of a cell."""

    kind: Literal["mel", "cqt"] = "mel"
    rate: int = Field(16_000, ge=4_000, le=96_000)
    hop: int = Field(320, ge=1, le=65_536)
    window: int = Field(2048, ge=16, le=65_536)
    bins: int = Field(229, ge=1, le=2048)
    lowest_hertz: float = Field(30.0, ge=0.0, allow_inf_nan=False)
    highest_hertz: float = Field(8_000.0, gt=0.0, allow_inf_nan=False)
    bins_per_octave: int = Field(36, ge=1, le=240)
    storage: Literal["uint8", "float16"] = "uint8"

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.kind == "cqt":
            _check_constant_q(self)
        else:
            _check_mel(self)
        return self

    @property
    def frames(self) -> "Frames":
        """Where the frames of these features are."""
        return Frames(self.rate, self.hop)


@dataclass(frozen=True)
class Frames:
    """Frames of features in time: frame k is centred at k · `hop` / `rate` seconds, frame 0 at the first sample."""

    rate: int
    hop: int

    def count(self, samples: int) -> int:
        """How many frames a sound of so many samples has."""
        return 1 + samples // self.hop

    def seconds_of(self, frames: ArrayLike) -> NDArray[np.float64]:
        """The middle of frames, of whatever shape."""
        return np.asarray(np.asarray(frames, np.float64) * self.hop / self.rate)

    def frame_of(self, seconds: ArrayLike) -> NDArray[np.int64]:
        """The frame whose middle is nearest; that of times beyond the ends too."""
        return np.asarray(np.floor(np.asarray(seconds, np.float64) * self.rate / self.hop + 0.5), np.int64)


def analyse(audio: Audio, settings: FeatureSettings, speed: float = 1.0, cents: int = 0) -> NDArray[np.float32]:
    """Decibels, shape (frames, bins), of the sound mixed to mono; -100 dB is the least.

    `speed`, `cents` (mel only): of the sound as if it had been played `speed` times as fast and `cents` higher. Frame k
    is centred at k · hop · speed samples of the sound. For varispeed, where both go together, it is the same as of the
    rendered sound; in general onsets and partials are as sharp as in a sound played 2^(cents/1200) times as fast. What
    the sound does not have above its own highest frequency is silent.

    Raises `BadParams`: another rate than `settings.rate`, a speed that is not positive, cqt at another speed or pitch.
    """
    if audio.rate != settings.rate:
        raise BadParams(f"rate: the sound has {audio.rate:,} Hz, its features {settings.rate:,} Hz; resample it")
    if not (math.isfinite(speed) and speed > 0):
        raise BadParams(f"speed: {speed} is not positive; 1.1 means ten per cent faster")
    if settings.kind == "mel":
        power = _mel_power(audio.mono, settings, speed, cents)
    elif (speed, cents) == (1.0, 0):
        power = _constant_q_power(audio.mono, settings)
    else:
        raise BadParams("kind: a cqt can't be heard at another speed or pitch; render the sound before, or choose mel")
    np.maximum(power, np.float32(10 ** (FLOOR_DECIBELS / 10)), out=power)
    decibels: NDArray[np.float32] = np.log10(power, out=power)
    decibels *= 10
    return np.maximum(decibels, np.float32(FLOOR_DECIBELS), out=decibels)


def store(decibels: NDArray[np.float32], settings: FeatureSettings) -> NDArray[np.uint8] | NDArray[np.float16]:
    """The cells as `settings.storage` has them.

    uint8: steps of half a decibel over `range_decibels`; what is below is its lowest, what is above its highest.
    """
    if settings.storage == "float16":
        return decibels.astype(np.float16)
    steps = (decibels - np.float32(range_decibels(settings)[0])) * np.float32(1 / _STEP_DECIBELS)
    np.clip(np.rint(steps, out=steps), 0, _STEPS, out=steps)
    return steps.astype(np.uint8)


def restore(stored: NDArray[np.uint8] | NDArray[np.float16], settings: FeatureSettings) -> NDArray[np.float32]:
    """Decibels of what `store` made of them with the same settings."""
    decibels = stored.astype(np.float32)
    if settings.storage == "uint8":
        decibels *= np.float32(_STEP_DECIBELS)
        decibels += np.float32(range_decibels(settings)[0])
    return decibels


def error_decibels(settings: FeatureSettings) -> float:
    """The most by which a cell within `range_decibels` is off after `store` and `restore`: half a step of uint8, half
    of the last of float16's 11 bits below 128 dB (beside the rounding of float32, a hundred-thousandth)."""
    return _STEP_DECIBELS / 2 if settings.storage == "uint8" else _FLOAT16_ERROR_DECIBELS


def range_decibels(settings: FeatureSettings) -> tuple[float, float]:
    """The lowest and highest value that `store` tells apart from those beyond.

    No sound within full scale passes the highest. Mel: a square wave under a Hann window has 3/16 of its length
    squared in its spectrum (Parseval), as if all of it were in the filter with the largest weight; cqt: as much as the
    longest filter adds up to. For uint8 the lowest is 127.5 dB below, which is -79.5 dB with the defaults, where the
    noise of 16 bits is; for float16 it is `FLOOR_DECIBELS`.
    """
    if settings.kind == "mel":
        bound = 3 / 16 * settings.window**2 * float(_filters(settings).data.max())
    else:
        bound = _quality(settings) * settings.rate / settings.lowest_hertz
    highest = math.ceil(10 * math.log10(bound) / _STEP_DECIBELS) * _STEP_DECIBELS
    return (highest - _STEPS * _STEP_DECIBELS if settings.storage == "uint8" else FLOOR_DECIBELS), highest


def _mel_power(sound: NDArray[np.float32], settings: FeatureSettings, speed: float, cents: int) -> NDArray[np.float32]:
    frames, window = settings.frames.count(round(len(sound) / speed)), settings.window
    ratio = 2 ** (cents / 1200)
    if cents and len(sound):
        near = Fraction(ratio).limit_denominator(_LARGEST_DENOMINATOR)
        off = abs(near / ratio - 1) > _LARGEST_ERROR
        sound = soxr.resample(sound, *((ratio, 1.0) if off else (near.numerator, near.denominator)))
    # Where it is resampled, the frames are moved along: to half a sample, as otherwise.
    starts = np.rint(np.arange(frames) * (settings.hop * speed / ratio)).astype(np.intp)
    padded = np.pad(sound, (window // 2, max(window, int(starts[-1]) + window - len(sound))))
    windows = np.lib.stride_tricks.sliding_window_view(padded, window)
    taper, filters = _hann(window), _filters(settings)
    power = np.empty((frames, settings.bins), np.float32)
    for first in range(0, frames, _BLOCK_FRAMES):
        block = windows[starts[first : first + _BLOCK_FRAMES]]
        block *= taper
        lines = np.abs(scipy.fft.rfft(block, axis=1, overwrite_x=True))
        lines *= lines
        # Sparse, as a BLAS would start threads and round by them.
        power[first : first + _BLOCK_FRAMES] = (filters @ np.ascontiguousarray(lines.T)).T
    return power


@lru_cache(maxsize=4)
def _hann(window: int) -> NDArray[np.float32]:
    return np.hanning(window + 1)[:-1].astype(np.float32)


@lru_cache(maxsize=16)
def _filters(settings: FeatureSettings) -> csr_array:
    """Triangles of area 1 over hertz, shape (bins, lines of the spectrum). Each line lies between two corners, on the
    falling side of one filter and the rising side of the next."""
    lines = np.arange(settings.window // 2 + 1) * (settings.rate / settings.window)
    corners = _hertz(np.linspace(_mel(settings.lowest_hertz), _mel(settings.highest_hertz), settings.bins + 2))
    rises = np.searchsorted(corners, lines, side="right") - 1
    inside = np.flatnonzero((rises >= 0) & (rises <= settings.bins))
    rises = rises[inside]
    share = (lines[inside] - corners[rises]) / (corners[rises + 1] - corners[rises])
    area = 2 / (corners[2:] - corners[:-2])
    up, down = rises < settings.bins, rises > 0
    values = np.concatenate([share[up] * area[rises[up]], (1 - share[down]) * area[rises[down] - 1]])
    rows = np.concatenate([rises[up], rises[down] - 1])
    columns = np.concatenate([inside[up], inside[down]])
    filters = csr_array((values.astype(np.float32), (rows, columns)), (settings.bins, len(lines)))
    filters.eliminate_zeros()
    return filters


def _mel(hertz: float) -> float:
    above = math.log(max(hertz, _LINEAR_HERTZ) / _LINEAR_HERTZ) / _MEL_LOG_STEP
    return min(hertz, _LINEAR_HERTZ) / _HERTZ_A_MEL + above


def _hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    above = np.maximum(mel - _LINEAR_HERTZ / _HERTZ_A_MEL, 0)
    return np.minimum(mel * _HERTZ_A_MEL, _LINEAR_HERTZ) * np.exp(above * _MEL_LOG_STEP)


def _check_mel(settings: FeatureSettings) -> None:
    if not settings.lowest_hertz < settings.highest_hertz <= settings.rate / 2:
        raise ValueError(f"highest_hertz is above lowest_hertz and at most half the rate, {settings.rate / 2:g}")
    if settings.hop > settings.window:
        raise ValueError(f"hop: frames {settings.hop} apart with a window of {settings.window} skip sound; lower it")
    empty = np.flatnonzero(np.diff(_filters(settings).indptr) == 0)
    if empty.size:
        raise ValueError(
            f"bins: {empty.size} of {settings.bins} filters lie between the lines of the spectrum, which are "
            f"{settings.rate / settings.window:.3g} Hz apart; choose fewer bins or a longer window"
        )


def _quality(settings: FeatureSettings) -> float:
    """Centre frequency by bandwidth of constant-Q filters, as librosa spaces them."""
    ratio = 2 ** (2 / settings.bins_per_octave)
    return (ratio + 1) / (ratio - 1)


def _check_constant_q(settings: FeatureSettings) -> None:
    if settings.lowest_hertz < 1:
        raise ValueError("lowest_hertz is at least 1 for cqt")
    top = settings.lowest_hertz * 2 ** ((settings.bins - 1) / settings.bins_per_octave)
    if top * (1 + _HANN_BANDWIDTH_BINS / 2 / _quality(settings)) > settings.rate / 2:
        raise ValueError(
            f"bins: the highest of {settings.bins} is at {top:,.0f} Hz, too near to half the rate, "
            f"{settings.rate / 2:g}; choose fewer"
        )


def _constant_q_power(sound: NDArray[np.float32], settings: FeatureSettings) -> NDArray[np.float32]:
    """librosa's, which compiles by numba on first use: its cache has to be warm before several processes need it."""
    import librosa

    # It warns of sounds that are shorter than its longest filter, rounded up to a power of two.
    least = 2 * math.ceil(_quality(settings) * settings.rate / settings.lowest_hertz)
    transform = librosa.cqt(
        np.pad(sound, (0, max(0, least - len(sound)))),
        sr=settings.rate,
        hop_length=settings.hop,
        fmin=settings.lowest_hertz,
        n_bins=settings.bins,
        bins_per_octave=settings.bins_per_octave,
        tuning=0.0,
    )
    magnitudes = np.abs(transform[:, : settings.frames.count(len(sound))]).T
    power: NDArray[np.float32] = np.ascontiguousarray(magnitudes, np.float32) ** 2
    return power
