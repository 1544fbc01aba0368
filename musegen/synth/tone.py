"""One note of a timbre as a waveform.

A sum of exponentially decaying partials is a sum of powers z**n. With n = row * width + column each power splits into
z**(row * width) * z**column, so the whole note is one small matrix product: no sine is ever computed a sample.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.synth.timbre import Timbre

_MIDDLE_C = 60
# Loudness is matched over the first moment of a note: later, struck tones have died and only the sustained go on.
_MATCHED_SECONDS = 0.25
_TUNING_CENTS = 1.5
# Of the rate: what lies above is left out, so that nothing folds back.
_HIGHEST_SHARE = 0.46
# Partials 60 dB below the strongest are not worth their time.
_INAUDIBLE = 1e-3


def tone(
    timbre: Timbre, pitch: int, force: float, frames: int, rate: int, random: np.random.Generator
) -> NDArray[np.float32]:
    """`frames` samples of MIDI `pitch`, struck or blown with `force` in [0, 1], which sets brightness, not level.

    All timbres come out about equally loud. `random` draws phases and a deviation of tuning below 2 cents.
    """
    hertz = 440.0 * 2.0 ** ((pitch - 69) / 12.0 + random.uniform(-_TUNING_CENTS, _TUNING_CENTS) / 1200.0)
    if hertz > _HIGHEST_SHARE * rate:
        return np.zeros(frames, np.float32)
    ratios = _ratios(timbre, pitch, hertz, rate)
    strengths = _strengths(timbre, ratios, hertz, force)
    audible = strengths > _INAUDIBLE * strengths.max()
    ratios, strengths = ratios[audible], strengths[audible]
    rates = _decay_rates(timbre, ratios, hertz)
    strengths /= _loudness(strengths, rates, ratios * hertz)
    moving = timbre.vibrato_cents > 0 and frames > timbre.vibrato_delay_seconds * rate
    margin = 64 if moving else 0
    wave = _partials(timbre, strengths, rates, ratios * hertz, frames + margin, rate, random)
    if moving:
        wave = _vibrato(timbre, wave, frames, rate, random)
    _shape(timbre, wave, rate)
    _add_noise(timbre, wave, rate, force, random)
    return wave


def _ratios(timbre: Timbre, pitch: int, hertz: float, rate: int) -> NDArray[np.float64]:
    """Where the partials stand, in multiples of the pitch; at least the first stays."""
    ratios = np.array(timbre.ratios) if timbre.ratios else np.arange(1.0, timbre.partials + 1)
    # Treble strings are short and stiff for their length: B doubles about every eight semitones.
    stiffness = timbre.inharmonicity * 2.0 ** ((pitch - _MIDDLE_C) / 8.0 if pitch > _MIDDLE_C else 0.0)
    ratios = np.asarray(ratios * np.sqrt((1.0 + stiffness * ratios**2) / (1.0 + stiffness)), np.float64)
    audible = ratios * hertz < min(timbre.ceiling_hertz, _HIGHEST_SHARE * rate)
    audible[0] = True
    return ratios[audible]


def _strengths(timbre: Timbre, ratios: NDArray[np.float64], hertz: float, force: float) -> NDArray[np.float64]:
    octaves = np.log2(ratios)
    decibels = timbre.tilt_decibels * octaves
    named = min(len(timbre.strengths), len(ratios))
    if named:
        decibels[named:] += 20.0 * np.log10(timbre.strengths[-1]) - timbre.tilt_decibels * np.log2(named)
        decibels[:named] = 20.0 * np.log10(np.maximum(timbre.strengths[:named], 1e-4))
    decibels -= timbre.softness_decibels * (1.0 - force) * octaves
    for formant in timbre.formants:
        distance = np.log2(ratios * hertz / formant.hertz) / formant.octaves
        decibels += formant.decibels * np.exp(-0.5 * distance**2)
    strengths = 10.0 ** (decibels / 20.0)
    if not timbre.ratios:
        strengths[1::2] *= timbre.even
    if timbre.pluck:
        strengths *= np.abs(np.sin(np.pi * np.arange(1, len(ratios) + 1) * timbre.pluck)) + 0.05
    return np.asarray(strengths)


def _decay_rates(timbre: Timbre, ratios: NDArray[np.float64], hertz: float) -> NDArray[np.float64]:
    """Nepers a second at which each partial falls; zeros for sustained tones."""
    if timbre.sustained:
        return np.zeros(len(ratios))
    fundamental = np.log(1_000.0) / timbre.decay_seconds * (hertz / 261.6) ** 0.6
    return np.asarray(fundamental * (1.0 + timbre.decay_tilt * (ratios - 1.0)))


def _loudness(strengths: NDArray[np.float64], rates: NDArray[np.float64], hertz: NDArray[np.float64]) -> float:
    """Root mean square over the first moment, weighted about as ITU-R BS.1770 does: bass less, treble more."""
    bass = hertz**2 / (hertz**2 + 60.0**2)
    treble = 1.0 + 1.5 * hertz**2 / (hertz**2 + 1_700.0**2)
    fall = 2.0 * rates * _MATCHED_SECONDS
    kept = np.where(fall > 1e-6, -np.expm1(-fall) / np.maximum(fall, 1e-6), 1.0)
    return float(np.sqrt(0.5 * np.sum((strengths * bass) ** 2 * treble * kept)))


def _partials(
    timbre: Timbre,
    strengths: NDArray[np.float64],
    rates: NDArray[np.float64],
    hertz: NDArray[np.float64],
    frames: int,
    rate: int,
    random: np.random.Generator,
) -> NDArray[np.float32]:
    cents = np.array(timbre.detune_cents)
    voiced = (hertz * 2.0 ** (cents[:, None] / 1200.0)).ravel()
    # One hammer starts all strings of a course together; players of an ensemble are never in step.
    phases = random.random(voiced.shape if timbre.sustained else hertz.shape)
    phases = np.resize(phases, voiced.shape)
    levels = np.full(len(cents), 1.0) if not timbre.sustained else np.where(np.arange(len(cents)) == 0, 1.0, 0.6)
    levels /= np.sqrt(np.sum(levels**2)) if timbre.sustained else levels.sum()
    weights = (levels[:, None] * strengths).ravel() * np.exp(2j * np.pi * phases)
    falls = np.tile(rates, len(cents))
    turns = 2j * np.pi * voiced
    if timbre.sustained:
        rise = timbre.attack_seconds * np.maximum(0.3, 1.0 + timbre.attack_spread * np.log2(hertz / hertz[0])) / 2.0
        wave = _powers(weights, turns / rate, frames)
        # What is still missing from the full level is itself a sum of partials, and soon gone.
        rising = min(frames, int(9.0 * rise.max() * rate))
        wave[:rising] -= _powers(weights, (turns - np.tile(1.0 / rise, len(cents))) / rate, rising)
        return wave
    if timbre.aftersound:
        weights = np.concatenate([weights * (1.0 - timbre.aftersound), weights * timbre.aftersound])
        return _powers(weights, np.concatenate([turns - falls, turns - falls / 4.0]) / rate, frames)
    return _powers(weights, (turns - falls) / rate, frames)


def _powers(weights: NDArray[Any], exponents: NDArray[Any], frames: int) -> NDArray[np.float32]:
    """The real part of sum(weights * exp(exponents * n)) for n = 0 … frames - 1."""
    width = max(16, int(np.sqrt(frames)))
    rows = -(-frames // width)
    inner = _geometric(np.exp(exponents), width)
    outer = _geometric(np.exp(exponents * width), rows) * weights
    left = np.concatenate([outer.real, -outer.imag], axis=1).astype(np.float32)
    right = np.concatenate([inner.real, inner.imag], axis=1).astype(np.float32)
    return np.ascontiguousarray((left @ right.T).ravel()[:frames])


def _geometric(steps: NDArray[Any], count: int) -> NDArray[np.complex128]:
    """Row n holds steps**n."""
    powers = np.empty((count, len(steps)), np.complex128)
    powers[0] = 1.0
    powers[1:] = steps
    np.multiply.accumulate(powers, axis=0, out=powers)
    return powers


def _vibrato(
    timbre: Timbre, wave: NDArray[np.float32], frames: int, rate: int, random: np.random.Generator
) -> NDArray[np.float32]:
    """Read `wave` at a swinging position: all partials bend together."""
    seconds = np.arange(frames, dtype=np.float32) * np.float32(1.0 / rate)
    ramp = np.clip((seconds - np.float32(timbre.vibrato_delay_seconds)) * np.float32(4.0), 0.0, 1.0)
    speed = 2.0 * np.pi * timbre.vibrato_hertz * random.uniform(0.94, 1.06)
    reach = rate * (2.0 ** (timbre.vibrato_cents / 1200.0) - 1.0) / speed
    swing = ramp * np.sin(seconds * np.float32(speed) + np.float32(random.uniform(0.0, 2.0 * np.pi)))
    shift = swing * np.float32(reach)
    whole = np.floor(shift)
    part = shift - whole
    index = np.maximum(np.arange(frames) + whole.astype(np.int64), 1)
    # The four-point cubic of Lagrange: linear reading would dull the treble and let it pulse.
    before, here, after, later = (wave[1 + step :].take(index - 1) for step in (-1, 0, 1, 2))
    third = np.float32(1 / 6) * (later - before) + np.float32(0.5) * (here - after)
    second = np.float32(0.5) * (after + before) - here
    first = after - here - second - third
    bent = here + part * (first + part * (second + part * third))
    if timbre.tremolo:
        bent *= 1.0 + np.float32(timbre.tremolo) * swing
    return np.asarray(bent, np.float32)


def _shape(timbre: Timbre, wave: NDArray[np.float32], rate: int) -> None:
    """The attack of struck tones, the settling of sustained ones; in place."""
    if timbre.sustained:
        if timbre.settle < 1.0:
            fall = np.exp(np.arange(len(wave), dtype=np.float32) * np.float32(-1.0 / (0.18 * rate)))
            wave *= np.float32(timbre.settle) + np.float32(1.0 - timbre.settle) * fall
        return
    rise = min(len(wave), max(2, round(timbre.attack_seconds * rate)))
    wave[:rise] *= (0.5 - 0.5 * np.cos(np.pi * np.arange(rise) / rise)).astype(np.float32)
    if timbre.tremolo:
        swing = np.sin(2.0 * np.pi * timbre.vibrato_hertz / rate * np.arange(len(wave), dtype=np.float32))
        wave *= 1.0 - np.float32(timbre.tremolo) * (0.5 - 0.5 * swing)


def _add_noise(timbre: Timbre, wave: NDArray[np.float32], rate: int, force: float, random: np.random.Generator) -> None:
    """Breath, bow, hammer and pick; in place."""
    if timbre.noise_decibels > -60.0:
        bank = noise_band(*timbre.noise_band_hertz, rate)
        start = int(random.integers(len(bank)))
        breath = np.tile(bank, -(-(start + len(wave)) // len(bank)))[start : start + len(wave)]
        level = np.float32(10.0 ** (timbre.noise_decibels / 20.0))
        rise = min(len(wave), max(2, round(timbre.attack_seconds * rate)))
        breath[:rise] *= np.linspace(0.0, 1.0, rise, dtype=np.float32)
        wave += breath * level
    if timbre.strike_decibels > -60.0:
        bank = noise_band(*timbre.strike_band_hertz, rate)
        length = min(len(wave), round(timbre.strike_seconds * rate))
        start = int(random.integers(len(bank) - length))
        time = np.arange(length, dtype=np.float32) / np.float32(max(1, length))
        level = np.float32(3.0 * 10.0 ** (timbre.strike_decibels / 20.0) * (0.5 + 0.7 * force))
        fade = np.exp(-5.0 * time) * (1.0 - time) * np.minimum(1.0, time * np.float32(length / (0.001 * rate)))
        wave[:length] += bank[start : start + length] * fade * level


@lru_cache(maxsize=64)
def noise_band(low_hertz: float, high_hertz: float, rate: int) -> NDArray[np.float32]:
    """About two seconds of noise of unit power between two frequencies, without a seam where it repeats."""
    frames = 1 << 16
    hertz = np.fft.rfftfreq(frames, 1.0 / rate)
    random = np.random.default_rng(20)
    inside = 1.0 / (1.0 + (low_hertz / np.maximum(hertz, 1.0)) ** 6) / (1.0 + (hertz / high_hertz) ** 6)
    inside[hertz < 20.0] = 0.0
    noise = np.fft.irfft(inside * np.exp(2j * np.pi * random.random(len(hertz))), frames)
    band: NDArray[np.float32] = (noise / noise.std()).astype(np.float32)
    band.flags.writeable = False
    return band
