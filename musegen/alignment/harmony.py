"""Which pitch classes sound: labels held against chroma, at all transpositions and lags at once.

What is compared is how the pitch classes come and go (each freed of its mean over time), so that two songs in one key
are not alike. The correlation over lags and rotations is one two-dimensional FFT.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from musegen.ear import CHROMA_FRAMES_A_SECOND

SHORTEST_SECONDS = 8.0

_RATE = CHROMA_FRAMES_A_SECOND
_REACH_SECONDS = 30.0
# Below this part of a unit vector, the harmony stands still and there is nothing to compare.
_LEAST_MOVEMENT = 0.15


@dataclass(frozen=True)
class HarmonyMatch:
    """Correlations (-1..1) of labels and chroma: as they are; `semitones` higher, where they fit best; by chance.

    `chance` is the standard deviation over all lags and transpositions. `late_seconds`: the labels' lag where they fit
    best untransposed, `elsewhere` the correlation there.
    """

    here: float
    turned: float
    semitones: int
    elsewhere: float
    late_seconds: float
    chance: float


def spans(
    starts: NDArray[np.float64], ends: NDArray[np.float64], weights: NDArray[np.float64], frames: int
) -> NDArray[np.float64]:
    """(12, frames): the sum of `weights` (n, 12) of all that sounds in a frame."""
    first = np.clip(np.round(starts * _RATE), 0, frames).astype(np.int64)
    last = np.clip(np.maximum(np.round(ends * _RATE), first + 1), 0, frames).astype(np.int64)
    steps = np.zeros((frames + 1, 12))
    np.add.at(steps, first, weights)
    np.add.at(steps, last, -weights)
    return np.asarray(np.cumsum(steps, axis=0)[:frames].T)


def match(chroma: NDArray[np.float32], labelled: NDArray[np.float64]) -> HarmonyMatch | None:
    """`labelled` (12, frames) against `chroma` of the same shape; None where either does not move, or is too short."""
    frames = chroma.shape[1]
    if frames < SHORTEST_SECONDS * _RATE:
        return None
    sound, said = _movement(chroma.astype(np.float64)), _movement(labelled)
    if sound is None or said is None:
        return None
    reach = int(min(_REACH_SECONDS * _RATE, frames // 2))
    size = fft.next_fast_len(frames + reach, real=True)
    product = fft.fft(fft.rfft(sound, size, axis=1), axis=0) * np.conj(fft.fft(fft.rfft(said, size, axis=1), axis=0))
    circle: NDArray[np.float64] = fft.irfft(fft.ifft(product, axis=0), size, axis=1)
    table = np.concatenate([circle[:, -reach:], circle[:, : reach + 1]], axis=1)
    table /= np.linalg.norm(sound) * np.linalg.norm(said)
    now = table[:, reach - 1 : reach + 2].max(axis=1)
    semitones, best = int(np.argmax(now)), int(np.argmax(table[0]))
    return HarmonyMatch(
        here=float(now[0]),
        turned=float(now[semitones]),
        semitones=(semitones + 5) % 12 - 5,
        elsewhere=float(table[0, best]),
        late_seconds=(reach - best) / _RATE,
        chance=float(table.std()),
    )


def _movement(classes: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Unit vectors a frame, freed of what all pitch classes share and of what stays; None where little is left."""
    roots = np.sqrt(np.maximum(classes, 0))
    lengths = np.linalg.norm(roots, axis=0)
    unit = roots / np.maximum(lengths, 1e-9)
    unit -= unit.mean(axis=0)
    unit -= unit.mean(axis=1, keepdims=True)
    moving = np.linalg.norm(unit) / np.sqrt(max(1, int(np.count_nonzero(lengths))))
    return unit if moving >= _LEAST_MOVEMENT else None
