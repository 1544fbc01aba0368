"""What a machine ear keeps of a sound while it streams by: onsets, harmony, and landmarks to know it again by.

Two short-time Fourier transforms of the sound at 16 kHz: a quick one (32 ms) for when something begins, a slow one
(256 ms) for which pitch. Magnitudes are compressed by their cube root, in the place of a logarithm: it needs no
reference level, so that a quieter copy gives the same onsets and the same landmarks.

References: S. Böck, G. Widmer, *Maximum filter vibrato suppression for onset detection* (DAFx 2013), for onset
strength as the positive difference of a compressed filter bank; A. Wang, *An industrial-strength audio search
algorithm* (ISMIR 2003), for landmarks as local maxima; here of what newly sounds, as only beginnings have a time.
"""

from dataclasses import dataclass, field
from functools import cache

import numpy as np
import scipy.fft
import soxr
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter
from scipy.sparse import csr_array

ONSET_FRAMES_A_SECOND = 100
CHROMA_FRAMES_A_SECOND = 10
LANDMARK_FRAMES_A_SECOND = 50
LANDMARK_BINS_A_SEMITONE = 3

_RATE = 16_000
_QUICK_WINDOW, _QUICK_HOP = 512, _RATE // ONSET_FRAMES_A_SECOND
_QUICK_BINS = _QUICK_WINDOW // 2 + 1
_SLOW_WINDOW, _SLOW_HOP = 4096, _RATE // LANDMARK_FRAMES_A_SECOND
_CHROMA_FRAMES = LANDMARK_FRAMES_A_SECOND // CHROMA_FRAMES_A_SECOND
# Frames are taken in blocks of this length, however the sound comes, so that results do not depend on that; the last
# block is a multiple of what all hops divide.
_BLOCK, _STEP = 2 * _RATE, _RATE // CHROMA_FRAMES_A_SECOND

_ONSET_BANDS, _ONSET_LOWEST_HERTZ = 40, 60.0
_ONSET_LAG_FRAMES = 2
_RISING_SHARE = 0.01
# Up to 3.3 kHz, as a telephone's 8 kHz sound has no more.
_LOWEST_PITCH, _HIGHEST_PITCH = 48, 104
_CHROMA_LOWEST_PITCH = 36
_SLOW_BINS = 1 + int(3_700 * _SLOW_WINDOW / _RATE)
_LANDMARK_LAG_FRAMES = 3
_REACH_FRAMES, _REACH_BINS = 8, 9
# Below -120 dB of full scale there is only what a converter adds.
_FLOOR = 1e-12


@dataclass(frozen=True, eq=False)
class Heard:
    """`onset_strength`: float32 (frames,), `ONSET_FRAMES_A_SECOND`, frame i is centred at i / that many seconds; its
    median is 1 over the frames in which it is more than 1% of the largest.

    `chroma`: float32 (12, frames), `CHROMA_FRAMES_A_SECOND`, magnitude of the pitch classes from C on, the largest of
    each frame 1 (0 where it is silent). `landmarks`: float32 (n, 3), in order of time: seconds, MIDI pitch (with
    fractions) and strength of what begins to sound; `fingerprint.sound` makes its hashes from them.
    """

    onset_strength: NDArray[np.float32]
    chroma: NDArray[np.float32]
    landmarks: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 3), np.float32))


class Ear:
    """Hears a recording block by block; its memory grows by about 1 KB a second, whatever the rate and channels.

    Channels are added by their power, so that opposite phases do not cancel (more than two: every second one to the
    left, the others to the right). The result does not depend on how the recording is cut into blocks.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._resamplers: list[soxr.ResampleStream] = []
        self._waiting: NDArray[np.float32] = np.empty((0, 0), np.float32)
        self._frames = 0
        self._quick = _QuickListener()
        self._slow = _SlowListener()
        self._heard: Heard | None = None

    def hear(self, block: NDArray[np.float32]) -> None:
        """The next block, shape (channels, frames), as many channels each time."""
        if self._heard is not None:
            raise RuntimeError("an ear that has said what it heard hears no more; make another one")
        pair = block if len(block) <= 2 else np.stack([block[0::2].mean(axis=0), block[1::2].mean(axis=0)])
        self._take(np.asarray(pair, np.float32), last=False)

    def heard(self) -> Heard:
        """What was heard in all blocks."""
        if self._heard is None:
            if len(self._waiting):
                self._take(np.zeros((len(self._waiting), 0), np.float32), last=True)
                self._finish()
            self._heard = Heard(
                self._quick.onset_strength(self._frames * ONSET_FRAMES_A_SECOND // self._rate + 1),
                self._slow.chroma(self._frames * CHROMA_FRAMES_A_SECOND // self._rate + 1),
                self._slow.landmarks(),
            )
        return self._heard

    def _take(self, pair: NDArray[np.float32], last: bool) -> None:
        """Resample what came and listen to all whole blocks that there are now."""
        self._frames += pair.shape[1]
        if not len(self._waiting):
            # Half a window of silence in front, so that the first frame is centred at the first sample.
            self._waiting = np.zeros((len(pair), _SLOW_WINDOW // 2), np.float32)
            if self._rate != _RATE:
                self._resamplers = [soxr.ResampleStream(self._rate, _RATE, 1, dtype="float32") for _ in pair]
        if self._resamplers:
            ears = zip(self._resamplers, pair, strict=True)
            pair = np.stack([one.resample_chunk(np.ascontiguousarray(sound), last=last) for one, sound in ears])
        self._listen(np.concatenate([self._waiting, pair], axis=1))

    def _listen(self, sound: NDArray[np.float32]) -> None:
        start = 0
        while sound.shape[1] - start >= _BLOCK + _SLOW_WINDOW:
            self._attend(sound[:, start : start + _BLOCK + _SLOW_WINDOW])
            start += _BLOCK
        self._waiting = sound[:, start:].copy()

    def _finish(self) -> None:
        """The rest, and as much silence as it takes to judge its last frame by those that follow."""
        rest = self._waiting.shape[1] - _SLOW_WINDOW // 2
        length = _STEP * (2 + (rest + _REACH_FRAMES * _SLOW_HOP) // _STEP)
        self._attend(np.pad(self._waiting, ((0, 0), (0, length + _SLOW_WINDOW - self._waiting.shape[1]))))

    def _attend(self, sound: NDArray[np.float32]) -> None:
        self._quick.listen(sound)
        self._slow.listen(sound)


class _QuickListener:
    """How much begins to sound, every 10 ms."""

    def __init__(self) -> None:
        self._past = np.zeros((_ONSET_LAG_FRAMES, _ONSET_BANDS), np.float32)
        self._strengths: list[NDArray[np.float32]] = []

    def listen(self, sound: NDArray[np.float32]) -> None:
        margin = (_SLOW_WINDOW - _QUICK_WINDOW) // 2
        power = _power(sound[:, margin:-margin], _QUICK_WINDOW, _QUICK_HOP, _QUICK_BINS)
        bands = np.concatenate([self._past, _compressed(_filtered(power, _onset_filters()))])
        self._past = bands[-_ONSET_LAG_FRAMES:]
        rise = bands[_ONSET_LAG_FRAMES:] - bands[:-_ONSET_LAG_FRAMES]
        self._strengths.append(np.maximum(rise, 0).mean(axis=1))

    def onset_strength(self, frames: int) -> NDArray[np.float32]:
        """Of the first `frames` frames, all of one scale."""
        strength = np.concatenate([*self._strengths, np.zeros(frames, np.float32)])[:frames]
        rising = strength[strength > _RISING_SHARE * strength.max()]
        return np.asarray(strength / np.median(rising) if len(rising) else strength, np.float32)


class _SlowListener:
    """Which pitch classes sound, ten times a second, and which pitches begin to."""

    def __init__(self) -> None:
        self._chroma: list[NDArray[np.float32]] = []
        self._landmarks: list[NDArray[np.float32]] = []
        # The levels before and around the frames that are judged.
        self._before = _LANDMARK_LAG_FRAMES + _REACH_FRAMES
        self._levels = np.zeros((self._before + _REACH_FRAMES, _landmark_filters().shape[0]), np.float32)
        self._next_frame = -_REACH_FRAMES

    def listen(self, sound: NDArray[np.float32]) -> None:
        power = _power(sound, _SLOW_WINDOW, _SLOW_HOP, _SLOW_BINS)
        fifths = power.reshape(-1, _CHROMA_FRAMES, power.shape[1]).mean(axis=1)
        self._chroma.append((_filtered(np.sqrt(fifths), _chroma_filters())).T)
        self._levels = np.concatenate([self._levels, _compressed(_filtered(power, _landmark_filters()))])
        self._find()

    def chroma(self, frames: int) -> NDArray[np.float32]:
        """Of the first `frames` frames, the largest 1 in each that is not silent."""
        chroma = np.concatenate([*self._chroma, np.zeros((12, frames), np.float32)], axis=1)[:, :frames]
        loudest = chroma.max(axis=0)
        return np.ascontiguousarray(np.where(loudest > np.sqrt(_FLOOR), chroma / np.maximum(loudest, 1e-20), 0))

    def landmarks(self) -> NDArray[np.float32]:
        """All of them."""
        return np.concatenate([*self._landmarks, np.empty((0, 3), np.float32)])

    def _find(self) -> None:
        """Where the rise of the levels is the largest of its neighbourhood, in all frames with known neighbours."""
        rise = np.maximum(self._levels[_LANDMARK_LAG_FRAMES:] - self._levels[:-_LANDMARK_LAG_FRAMES], 0)
        size = (2 * _REACH_FRAMES + 1, 2 * _REACH_BINS + 1)
        highest = maximum_filter(rise, size, mode="constant")
        inner = slice(_REACH_FRAMES, len(rise) - _REACH_FRAMES)
        frames, bins = np.nonzero((rise[inner] == highest[inner]) & (rise[inner] > 0))
        around = rise[inner][frames[:, None], np.clip(bins[:, None] + [-1, 0, 1], 0, rise.shape[1] - 1)]
        curve = 2 * around[:, 1] - around[:, 0] - around[:, 2]
        peak = bins + np.clip((around[:, 2] - around[:, 0]) / np.maximum(2 * curve, 1e-9), -0.5, 0.5)
        seconds = (frames + self._next_frame) / LANDMARK_FRAMES_A_SECOND
        pitches = _LOWEST_PITCH + peak / LANDMARK_BINS_A_SEMITONE
        self._landmarks.append(np.stack([seconds, pitches, around[:, 1]], axis=1).astype(np.float32))
        self._next_frame += inner.stop - inner.start
        self._levels = self._levels[-(self._before + _REACH_FRAMES) :]


def _power(sound: NDArray[np.float32], window: int, hop: int, bins: int) -> NDArray[np.float32]:
    """Power of the lowest `bins` of a block's frames, summed over the channels: float32 (frames, bins).

    It is a window longer than the frames' hops together: there the next block begins.
    """
    length = sound.shape[1] - window
    total = np.zeros((length // hop, bins), np.float32)
    for channel in sound:
        frames = np.lib.stride_tricks.sliding_window_view(channel, window)[:length:hop]
        spectrum = scipy.fft.rfft(frames * _taper(window), axis=1)[:, :bins]
        total += spectrum.real**2
        total += spectrum.imag**2
    return total


@cache
def _taper(window: int) -> NDArray[np.float32]:
    """Hann's, so scaled that a full-scale sine has a power of 1/4."""
    taper: NDArray[np.float32] = np.hanning(window + 1)[:-1].astype(np.float32) * np.float32(2.0 / window)
    return taper


def _filtered(spectra: NDArray[np.float32], filters: csr_array) -> NDArray[np.float32]:
    """What each filter lets through: (frames, filters). Sparse, as a BLAS would start threads and round by them."""
    out: NDArray[np.float32] = (filters @ np.ascontiguousarray(spectra.T)).T
    return out


def _compressed(power: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.cbrt(np.sqrt(np.where(power > _FLOOR, power, 0)))


@cache
def _onset_filters() -> csr_array:
    """Triangles of equal width on a logarithmic scale: (bands, bins)."""
    hertz = np.arange(_QUICK_BINS) * _RATE / _QUICK_WINDOW
    edges = np.geomspace(_ONSET_LOWEST_HERTZ, _RATE / 2, _ONSET_BANDS + 2)
    # The lowest bands are narrower than a bin: they are drawn as wide as one.
    width = np.maximum(np.diff(edges), _RATE / _QUICK_WINDOW)
    rising = (hertz[:, None] - edges[1:-1] + width[:-1]) / width[:-1]
    falling = (edges[1:-1] + width[1:] - hertz[:, None]) / width[1:]
    return csr_array(np.clip(np.minimum(rising, falling), 0, None).T.astype(np.float32))


@cache
def _landmark_filters() -> csr_array:
    """Bells, a third of a semitone apart and at least as wide as a bin of the spectrum: (pitches, bins)."""
    centres = np.arange(_LOWEST_PITCH, _HIGHEST_PITCH, 1 / LANDMARK_BINS_A_SEMITONE)
    hertz = np.arange(_SLOW_BINS) * _RATE / _SLOW_WINDOW
    middle = 440 * 2 ** ((centres - 69) / 12)
    width = np.maximum(middle * (2 ** (1 / 36) - 1), _RATE / _SLOW_WINDOW)
    bells = np.exp(-0.5 * ((hertz[:, None] - middle) / width) ** 2)
    return csr_array(np.where(bells > 0.01, bells, 0).T.astype(np.float32))


@cache
def _chroma_filters() -> csr_array:
    """To which pitch class a bin belongs, the middle of the keyboard weighing most: (12, bins)."""
    hertz = np.maximum(np.arange(_SLOW_BINS) * _RATE / _SLOW_WINDOW, 1e-3)
    pitches = 69 + 12 * np.log2(hertz / 440)
    distance = (pitches[:, None] - np.arange(12) + 6) % 12 - 6
    weight = np.exp(-0.5 * ((pitches - 66) / 14) ** 2) * (pitches > _CHROMA_LOWEST_PITCH) * (pitches < _HIGHEST_PITCH)
    return csr_array((np.exp(-0.5 * (distance / 0.5) ** 2) * weight[:, None]).T.astype(np.float32))
