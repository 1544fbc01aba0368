"""Where the players are, and how loud the recording of them is."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

_TAPS = 9
_CEILING = 0.89
_LIMITER_BLOCK = 64
# Transforms done at once: they share vector instructions, and an hour of sound still fits in memory.
_BATCH = 16


@dataclass(frozen=True)
class Room:
    """A stereo room: sound falls by 60 dB in `seconds` at middle pitches, in `treble_seconds` at 8 kHz.

    `wet_decibels` is the level of the room beside the players', `first_seconds` when the first reflection comes.
    """

    seconds: float
    treble_seconds: float
    wet_decibels: float
    first_seconds: float = 0.008


PARLOUR = Room(seconds=0.65, treble_seconds=0.35, wet_decibels=-12.0, first_seconds=0.006)
HALL = Room(seconds=1.5, treble_seconds=0.7, wet_decibels=-11.0, first_seconds=0.014)
CHURCH = Room(seconds=1.9, treble_seconds=0.8, wet_decibels=-9.0, first_seconds=0.018)


def reflections(room: Room, dry: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """What the walls send back for mono `dry` (frames,): shape (2, frames), without the direct sound."""
    size, spectra = _spectra(room, rate)
    hop = size - int(room.seconds * rate)
    count = -(-len(dry) // hop)
    blocks = np.zeros((count, hop), np.float32)
    blocks.ravel()[: len(dry)] = dry
    wet = np.zeros((2, (count - 1) * hop + size), np.float32)
    for first in range(0, count, _BATCH):
        sent = fft.rfft(blocks[first : first + _BATCH], size)
        for side, spectrum in zip(wet, spectra, strict=True):
            for index, block in enumerate(fft.irfft(sent * spectrum, size), first):
                side[index * hop : index * hop + size] += block
    return wet[:, : len(dry)]


@lru_cache(maxsize=8)
def _spectra(room: Room, rate: int) -> tuple[int, NDArray[np.complex64]]:
    """The transform length for convolution by blocks, and the room's two spectra at it."""
    impulse = _impulse(room, rate)
    size = 1 << int(np.ceil(np.log2(3 * impulse.shape[1])))
    return size, fft.rfft(impulse, size)


def _impulse(room: Room, rate: int) -> NDArray[np.float32]:
    """A synthetic impulse response, shape (2, frames): discrete reflections, then noise that dies by bands."""
    random = np.random.default_rng(7)
    frames = int(room.seconds * rate)
    time = np.arange(frames) / rate
    sides = []
    for _ in range(2):
        tail = np.zeros(frames)
        for low, high, seconds in _bands(room):
            spectrum = fft.rfft(random.standard_normal(frames))
            hertz = fft.rfftfreq(frames, 1.0 / rate)
            spectrum *= np.sqrt(1.0 / (1.0 + (low / np.maximum(hertz, 1.0)) ** 4) / (1.0 + (hertz / high) ** 4))
            tail += fft.irfft(spectrum, frames) * np.exp(-np.log(1_000.0) / seconds * time)
        begin = 2.5 * room.first_seconds
        tail *= np.clip((time - room.first_seconds) / begin, 0.0, 1.0)
        tail /= np.sqrt(np.sum(tail**2))
        early = np.zeros(frames)
        moments = room.first_seconds * (1.0 + 4.0 * np.sort(random.random(_TAPS)))
        early[(moments * rate).astype(int)] = random.choice([-1.0, 1.0], _TAPS) * (room.first_seconds / moments)
        early = ndimage.gaussian_filter1d(early, rate / 32_000 * 1.2)
        early /= np.sqrt(np.sum(early**2))
        side = 0.6 * early + 0.8 * tail
        side -= side.mean()
        sides.append(side * 10.0 ** (room.wet_decibels / 20.0))
    return np.array(sides, np.float32)


def _bands(room: Room) -> list[tuple[float, float, float]]:
    """(low hertz, high hertz, seconds): walls swallow treble, and the bass is kept from booming."""
    middle = (room.seconds * room.treble_seconds) ** 0.5
    return [
        (120.0, 500.0, room.seconds),
        (500.0, 2_000.0, room.seconds * 0.95),
        (2_000.0, 5_000.0, middle),
        (5_000.0, 12_000.0, room.treble_seconds),
    ]


def loudness(samples: NDArray[np.float32], rate: int) -> float:
    """Loudness of (channels, frames) in LUFS after ITU-R BS.1770, gated, in steps of 0.1 s; -inf for silence."""
    block = min(samples.shape[1], max(1, rate // 10))
    count = samples.shape[1] // block if block else 0
    if not count:
        return -np.inf
    blocks = samples[:, : count * block].reshape(len(samples), count, block)
    weights = _k_weights(block, rate)
    tenths = np.empty(count)
    for first in range(0, count, 64 * _BATCH):
        spectra = fft.rfft(blocks[:, first : first + 64 * _BATCH], axis=2)
        # Parseval: the energy of a block is the sum over both halves of its spectrum.
        energies = np.einsum("cnf,f->n", spectra.real**2 + spectra.imag**2, weights)
        tenths[first : first + 64 * _BATCH] = 2.0 * energies / block**2
    powers = np.convolve(tenths, np.full(4, 0.25), mode="valid") if count >= 4 else tenths.mean(keepdims=True)
    powers = powers[powers > 10.0 ** ((-70.0 + 0.691) / 10.0)]
    if not len(powers):
        return -np.inf
    powers = powers[powers > powers.mean() / 10.0]
    return float(-0.691 + 10.0 * np.log10(powers.mean()))


@lru_cache(maxsize=8)
def _k_weights(block: int, rate: int) -> NDArray[np.float32]:
    """The power response of the two sections of BS.1770 (high shelf, then high pass) at the bins of a block."""
    shelf = np.tan(np.pi * 1_681.974 / rate)
    gain, quality = 10.0 ** (3.99984 / 20.0), 0.7071752
    middle = gain**0.4996667741545416
    rumble, width = np.tan(np.pi * 38.13547 / rate), 0.5003270
    # The analogue prototypes under the bilinear transform, s = (1 - 1/z) / (1 + 1/z), which is j tan(pi f / rate).
    s = 1j * np.tan(np.pi * np.minimum(np.fft.rfftfreq(block), 0.4999))
    high = (gain * s**2 + middle * shelf / quality * s + shelf**2) / (s**2 + shelf / quality * s + shelf**2)
    low = s**2 / (s**2 + rumble / width * s + rumble**2)
    # The standard leaves the high pass unnormalised: its numerator is 1 - 2/z + 1/z^2.
    low *= 1.0 + rumble / width + rumble**2
    return np.asarray(np.abs(high * low) ** 2, np.float32)


def limited(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same, with peaks above -1 dB turned down smoothly around them; waves are never bent."""
    if float(np.abs(samples).max(initial=0.0)) <= _CEILING:
        return samples
    frames = samples.shape[1]
    blocks = -(-frames // _LIMITER_BLOCK)
    padded = np.zeros((samples.shape[0], blocks * _LIMITER_BLOCK), np.float32)
    padded[:, :frames] = np.abs(samples)
    peaks = padded.reshape(samples.shape[0], blocks, _LIMITER_BLOCK).max(axis=(0, 2))
    wanted = np.minimum(1.0, _CEILING / np.maximum(peaks, 1e-9))
    # The minimum over a window, then a mean over half of it: the gain is down before the peak comes.
    held = ndimage.minimum_filter1d(wanted, 25, mode="nearest")
    smooth = ndimage.uniform_filter1d(held, 13, mode="nearest")
    centres = (np.arange(blocks) + 0.5) * _LIMITER_BLOCK
    gain: NDArray[np.float32] = np.interp(np.arange(frames), centres, smooth).astype(np.float32)
    return samples * gain
