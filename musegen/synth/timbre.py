"""What makes one instrument sound unlike another, as numbers that can be turned."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np


@dataclass(frozen=True)
class Formant:
    """A resonance of the body: it lifts partials near `hertz` by `decibels`, within about `octaves` of it."""

    hertz: float
    decibels: float
    octaves: float = 0.4


@dataclass(frozen=True)
class Timbre:
    """A tone as a sum of partials under an envelope, with noise.

    Spectrum: partial k stands at `ratios[k]` times the pitch (empty: the harmonics 1, 2, 3, …), stretched by
    `inharmonicity` (the stiffness B of a string at middle C). It starts at `strengths[k]`, or where that ends falls
    by `tilt_decibels` an octave; even harmonics are scaled by `even`; plucking at the fraction `pluck` of the string
    leaves out harmonics; `formants` lift what lies near them; nothing sounds above `ceiling_hertz`. `softness_decibels`
    an octave are taken off the upper partials of the softest note.

    Envelope: sustained tones rise within `attack_seconds`, upper partials later by `attack_spread` an octave, and
    settle at `settle` of the first level. Struck and plucked ones (`decay_seconds` > 0: the time in which the
    fundamental at middle C falls by 60 dB) die away, partials above it faster by `decay_tilt`; `aftersound` is the
    share that decays four times slower. At its end a note fades within `release_seconds`.

    Motion: `detune_cents` has one entry a unison voice; vibrato in hertz and cents sets in after
    `vibrato_delay_seconds`; `tremolo` is the share by which the level swings with it.

    Noise: breath or bow at `noise_decibels` below the tone in `noise_band_hertz`; hammer, pick or chiff at
    `strike_decibels` that is gone after `strike_seconds`, in `strike_band_hertz`.
    """

    name: str
    partials: int = 40
    ratios: tuple[float, ...] = ()
    strengths: tuple[float, ...] = ()
    tilt_decibels: float = -6.0
    even: float = 1.0
    pluck: float = 0.0
    formants: tuple[Formant, ...] = ()
    ceiling_hertz: float = 11_000.0
    softness_decibels: float = 4.0
    inharmonicity: float = 0.0
    attack_seconds: float = 0.02
    attack_spread: float = 0.3
    settle: float = 0.85
    decay_seconds: float = 0.0
    decay_tilt: float = 0.3
    aftersound: float = 0.0
    release_seconds: float = 0.08
    detune_cents: tuple[float, ...] = (0.0,)
    vibrato_hertz: float = 5.5
    vibrato_cents: float = 0.0
    vibrato_delay_seconds: float = 0.3
    tremolo: float = 0.0
    noise_decibels: float = -90.0
    noise_band_hertz: tuple[float, float] = (1_500.0, 7_000.0)
    strike_decibels: float = -90.0
    strike_seconds: float = 0.03
    strike_band_hertz: tuple[float, float] = (300.0, 4_000.0)
    gain_decibels: float = 0.0

    @property
    def sustained(self) -> bool:
        """True for what is blown, bowed or sung as long as the note lasts."""
        return self.decay_seconds == 0.0

    def varied(self, random: np.random.Generator, amount: float = 1.0) -> Self:
        """Another instrument of the same make: the character stays, the measures differ; `amount` 0 is this one.

        Pitch, onset and length of what it plays are untouched, so labels hold.
        """

        def scaled(spread: float) -> float:
            return float(np.exp(amount * spread * random.uniform(-1.0, 1.0)))

        shift = scaled(0.06)
        return replace(
            self,
            tilt_decibels=self.tilt_decibels * scaled(0.12),
            formants=tuple(
                replace(f, hertz=f.hertz * shift * scaled(0.04), decibels=f.decibels * scaled(0.15))
                for f in self.formants
            ),
            softness_decibels=self.softness_decibels * scaled(0.2),
            pluck=self.pluck * scaled(0.12),
            decay_seconds=self.decay_seconds * scaled(0.2),
            detune_cents=tuple(cents * scaled(0.2) for cents in self.detune_cents),
            vibrato_hertz=self.vibrato_hertz * scaled(0.08),
            vibrato_cents=self.vibrato_cents * scaled(0.3),
            noise_decibels=self.noise_decibels + amount * random.uniform(-3.0, 3.0),
            strike_decibels=self.strike_decibels + amount * random.uniform(-3.0, 3.0),
        )
