"""When things begin: label times held against onset strength, at all shifts and speeds at once.

Two measures. `match` correlates a train of pulses at the labels' onsets with the onset strength over all lags (as
M. Müller, *Fundamentals of Music Processing*, 2015, section 6.1, scores pulse trains against novelty curves) and gives
the outcome at no lag and the best one in robust standard scores. `pulse` reads the onset strength along the beats, so
that a tempo that follows the music is steady, and takes its Fourier spectrum: music that fits has its peaks at whole
numbers of cycles a beat, music on another clock at 1.01, 2.02, 3.03, and another song's anywhere.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from musegen.alignment.misfit import EARLIEST_SECONDS, LATEST_SECONDS
from musegen.ear import ONSET_FRAMES_A_SECOND

FEWEST_BEATS = 16

_RATE = ONSET_FRAMES_A_SECOND
_MEAN_FRAMES, _SPREAD_FRAMES = _RATE + 1, 5 * _RATE + 1
_LEAST_CREST = 2.2
_LOWEST, _HIGHEST = -1.0, 4.0
# A frame is 10 ms after what it hears.
_EAR_SECONDS = 0.01

_STEPS_A_BEAT = 20
_ZERO_PADDING = 4
_SLOWEST_PULSE, _FASTEST_PULSE = 0.4, 8.5
_PULSES = np.array([0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0])
_HIGH_PEAK = 0.7
_COMB = np.array([1.0, 2.0, 3.0, 4.0])
_STRETCH_SECONDS, _STRETCH_REACH_SECONDS = 60.0, 5.0
_SPEEDS = np.arange(0.95, 1.05005, 0.0005)


@dataclass(frozen=True)
class Match:
    """Standard scores of a pulse train at no lag and at the best one; `late_seconds`: the labels' lag at the best."""

    here: float
    best: float
    late_seconds: float

    @property
    def share(self) -> float:
        """How nearly what is here is the best that there is."""
        return self.here / (self.best + 1e-9)


@dataclass(frozen=True)
class Phase:
    """How beats lie to the onsets around them.

    `match`: at lags of up to half a beat, its lag that of the nearest high peak; `near`: whether there is a peak at the
    beats that sinks on both sides; `beat_seconds`: between two of them, the median.
    """

    match: Match
    near: bool
    beat_seconds: float


@dataclass(frozen=True)
class Pulse:
    """How the speed of beats and the pulse of the sound agree.

    `clarity`: the strongest pulse, in units of the median of the spectrum. `fit`: the part of it that goes with the
    beats. `speed`: of the sound on the clock of the beats, where it fits best within 5 %; `speed_fit`: the `fit` there,
    `gain`: how much better that is than at speed 1. `drift_seconds`: what the speed adds up to.
    """

    clarity: float
    fit: float
    speed: float
    speed_fit: float
    gain: float
    drift_seconds: float


def salience(onset_strength: NDArray[np.float32]) -> NDArray[np.float64]:
    """Onset strength in units of its own spread near by, so that loud passages and single strokes decide nothing."""
    strength = onset_strength.astype(np.float64)
    rest = strength - ndimage.uniform_filter1d(strength, _MEAN_FRAMES, mode="nearest")
    variance = ndimage.uniform_filter1d(rest * rest, _SPREAD_FRAMES, mode="nearest")
    spread = np.sqrt(np.maximum(variance, 0)) + 0.1 * rest.std() + 1e-9
    return np.asarray(np.clip(rest / spread, _LOWEST, _HIGHEST))


def has_onsets(onset_strength: NDArray[np.float32]) -> bool:
    """Whether anything stands out: in noise and in drones, the strongest frames are less than twice the mean."""
    return bool(np.quantile(onset_strength, 0.98) >= _LEAST_CREST * onset_strength.mean() > 0)


def salience_of(onsets: NDArray[np.float64], seconds: float) -> NDArray[np.float64]:
    """What would be heard if every onset made the same click: for scores without a recording."""
    return salience(ndimage.gaussian_filter1d(_train(onsets, int(seconds * _RATE) + 1), 1.0).astype(np.float32))


def match(heard: NDArray[np.float64], onsets: NDArray[np.float64], reach_seconds: float) -> Match:
    """`onsets` (seconds) against the salience `heard`, at lags of up to `reach_seconds` and half its length."""
    frames = len(heard)
    reach = int(min(reach_seconds * _RATE, frames // 2 - 1))
    train = ndimage.gaussian_filter1d(_train(onsets, frames), 1.0, mode="constant")
    return _best(_scores(heard, train[None], reach)[0])


def stretched(heard: NDArray[np.float64], onsets: NDArray[np.float64]) -> tuple[float, Match, Match]:
    """Of the first minute of `onsets`: the speed of the sound at which they fit best, the match there, and at 1.

    The first onset keeps its place, but for some seconds of lag.
    """
    start = float(onsets[0])
    mine = onsets[onsets < start + _STRETCH_SECONDS] - start
    reach = int(_STRETCH_REACH_SECONDS * _RATE)
    origin = int(start * _RATE) - reach
    piece = heard[max(0, origin) : origin + 2 * reach + int(_STRETCH_SECONDS * _RATE / _SPEEDS[0])]
    lead = start - max(0, origin) / _RATE
    reach = min(reach, len(piece) // 2 - 1)
    trains = np.stack([_train(lead + mine / speed, len(piece)) for speed in _SPEEDS])
    scores = _scores(piece, ndimage.gaussian_filter1d(trains, 1.0, axis=1, mode="constant"), reach)
    fastest = int(np.argmax(scores.max(axis=1)))
    return float(_SPEEDS[fastest]), _best(scores[fastest]), _best(scores[len(_SPEEDS) // 2])


def pulse(heard: NDArray[np.float64], beats: NDArray[np.float64]) -> Pulse | None:
    """`beats` (seconds, within the sound) against the salience `heard`; None for too few beats."""
    if len(beats) < FEWEST_BEATS:
        return None
    frequencies, power = _beat_spectrum(heard, beats)
    among = (frequencies > _SLOWEST_PULSE) & (frequencies < _FASTEST_PULSE)
    power = power / (np.median(power[among]) + 1e-12)
    clarity = float(power[among].max())

    def at(pulses: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.interp(pulses, frequencies, power)

    combs = at(_SPEEDS[:, None] * _COMB).sum(axis=1)
    speed = float(_SPEEDS[np.argmax(combs)])
    return Pulse(
        clarity=clarity,
        fit=float(at(_PULSES).max()) / (clarity + 1e-12),
        speed=speed,
        speed_fit=float(at(speed * _PULSES).max()) / (clarity + 1e-12),
        gain=float(combs.max() / (at(_COMB).sum() + 1e-12)),
        drift_seconds=abs(speed - 1) * float(beats[-1] - beats[0]),
    )


def phase(heard: NDArray[np.float64], beats: NDArray[np.float64]) -> Phase:
    """`beats` (seconds, at least two) against the salience `heard` at lags of up to half a beat.

    A standard score has the spread of a mean over so many beats.
    """
    beat_seconds = float(np.median(np.diff(beats)))
    reach = max(12, int(_RATE * beat_seconds / 2))
    smooth = ndimage.gaussian_filter1d(heard, 1.0)
    lags = np.arange(-reach, reach + 1)
    read = np.interp(beats[:, None] * _RATE + lags, np.arange(len(heard)), smooth)
    profile, spread = read.mean(axis=0), read.std(axis=0).mean() / np.sqrt(len(beats))
    scores = (profile - profile.mean()) / (spread + 1e-9)
    low, high = reach + round(EARLIEST_SECONDS * _RATE), reach + round(LATEST_SECONDS * _RATE)
    peak = low + int(np.argmax(scores[low : high + 1]))
    return Phase(_best(scores, nearest=True), bool(low < peak < high and scores[peak] > 0), beat_seconds)


def _train(onsets: NDArray[np.float64], frames: int) -> NDArray[np.float64]:
    """A pulse a frame in which something begins, a little higher for chords."""
    places = np.round(onsets * _RATE).astype(np.int64)
    places = places[(places >= 0) & (places < frames)]
    return np.sqrt(np.minimum(np.bincount(places, minlength=frames), 3))


def _scores(heard: NDArray[np.float64], trains: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """Robust standard scores of `trains` (n, frames) at lags from -`reach` to `reach` frames: (n, lags)."""
    size = fft.next_fast_len(len(heard) + reach, real=True)
    circle: NDArray[np.float64] = fft.irfft(
        fft.rfft(heard - heard.mean(), size) * np.conj(fft.rfft(trains, size)), size
    )
    lags = np.concatenate([circle[:, -reach:], circle[:, : reach + 1]], axis=1)
    lags -= np.median(lags, axis=1, keepdims=True)
    return np.asarray(lags / (1.4826 * np.median(np.abs(lags), axis=1, keepdims=True) + 1e-9))


def _best(scores: NDArray[np.float64], nearest: bool = False) -> Match:
    """Scores at lags around 0, the middle one; its lag is that of the highest peak, or of the `nearest` high one."""
    middle = len(scores) // 2
    low, high = round(EARLIEST_SECONDS * _RATE), round(LATEST_SECONDS * _RATE)
    best = int(np.argmax(scores))
    if nearest:
        higher = scores >= _HIGH_PEAK * scores[best]
        peaks = np.flatnonzero(higher & (scores >= np.roll(scores, 1)) & (scores >= np.roll(scores, -1)))
        best = int(peaks[np.argmin(np.abs(peaks - middle))]) if len(peaks) else best
    return Match(
        here=float(scores[max(0, middle + low) : middle + high + 1].max()),
        best=float(scores.max()),
        late_seconds=_EAR_SECONDS - (best - middle) / _RATE,
    )


def _beat_spectrum(
    heard: NDArray[np.float64], beats: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cycles a beat and the power there; a gap counts as the beats that are missing in it."""
    gaps = np.diff(beats)
    counts = np.maximum(np.where(gaps > 1.6 * np.median(gaps), np.round(gaps / np.median(gaps)), 1), 1)
    places = np.concatenate([[0.0], np.cumsum(counts)])
    steps = np.arange(int(places[-1]) * _STEPS_A_BEAT) / _STEPS_A_BEAT
    smooth = ndimage.gaussian_filter1d(heard, 1.5)
    read = np.interp(np.interp(steps, places, beats) * _RATE, np.arange(len(heard)), smooth)
    size = fft.next_fast_len(_ZERO_PADDING * len(read), real=True)
    spectrum = fft.rfft((read - read.mean()) * np.hanning(len(read)), size)
    return fft.rfftfreq(size, 1 / _STEPS_A_BEAT), np.abs(spectrum) ** 2
