"""The drum kit: a stroke for each General MIDI drum key."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from musegen.synth.tone import noise_band


@dataclass(frozen=True)
class Drum:
    """A skin that sounds at `hertz` after starting `sweep` times higher, metal of partials `modes`, and noise.

    Levels are amplitudes; each part falls by 60 dB within its seconds.
    """

    hertz: float = 0.0
    sweep: float = 1.0
    skin_seconds: float = 0.3
    skin_level: float = 0.0
    modes: tuple[float, ...] = ()
    metal_seconds: float = 0.5
    metal_level: float = 0.0
    noise_band_hertz: tuple[float, float] = (1_000.0, 8_000.0)
    noise_seconds: float = 0.1
    noise_level: float = 0.0
    repeats: int = 1

    @property
    def seconds(self) -> float:
        """How long the stroke can be heard."""
        parts = ((self.skin_level, self.skin_seconds), (self.metal_level, self.metal_seconds))
        heard = [seconds for level, seconds in (*parts, (self.noise_level, self.noise_seconds)) if level > 0]
        return max(heard, default=0.1) + 0.012 * (self.repeats - 1)


_PLATE = (2_110, 3_130, 3_470, 4_210, 5_030, 5_390, 6_230, 7_010, 7_690, 8_530)
_KICK = Drum(52, 2.6, 0.42, 1.6, noise_band_hertz=(900, 4_500), noise_seconds=0.025, noise_level=0.22)
_SNARE = Drum(188, 1.25, 0.2, 0.55, noise_band_hertz=(900, 8_500), noise_seconds=0.3, noise_level=0.5)
_STICK = Drum(1_700, 1.0, 0.05, 0.45, noise_band_hertz=(1_500, 6_000), noise_seconds=0.04, noise_level=0.3)
_CLAP = Drum(noise_band_hertz=(800, 4_500), noise_seconds=0.22, noise_level=0.6, repeats=3)
_HAT = Drum(
    modes=_PLATE, metal_seconds=0.09, metal_level=0.1, noise_band_hertz=(6_500, 14_000), noise_seconds=0.11,
    noise_level=0.3,
)  # fmt: skip
_OPEN_HAT = replace(_HAT, metal_seconds=0.6, noise_seconds=0.75)
_CRASH = Drum(
    modes=_PLATE, metal_seconds=1.6, metal_level=0.14, noise_band_hertz=(3_000, 13_000), noise_seconds=2.0,
    noise_level=0.35,
)  # fmt: skip
_RIDE = replace(_CRASH, metal_seconds=1.8, metal_level=0.2, noise_seconds=0.7, noise_level=0.12)
_SHAKER = Drum(noise_band_hertz=(4_500, 12_000), noise_seconds=0.09, noise_level=0.35)
_COWBELL = Drum(modes=(562, 845, 1_420, 2_260), metal_seconds=0.35, metal_level=0.5)
_BLOCK = Drum(900, 1.05, 0.09, 0.9, noise_seconds=0.01, noise_level=0.2)
_TRIANGLE = Drum(modes=(3_900, 5_230, 6_790, 8_600, 10_300), metal_seconds=1.6, metal_level=0.3)


def _tom(hertz: float, seconds: float = 0.45) -> Drum:
    return Drum(hertz, 1.5, seconds, 1.1, noise_band_hertz=(500, 4_000), noise_seconds=0.06, noise_level=0.2)


_KIT = {
    35: replace(_KICK, hertz=46), 36: _KICK, 37: _STICK, 38: _SNARE, 39: _CLAP, 40: replace(_SNARE, hertz=220),
    41: _tom(72), 42: _HAT, 43: _tom(86), 44: replace(_HAT, noise_level=0.2), 45: _tom(104), 46: _OPEN_HAT,
    47: _tom(124), 48: _tom(148), 49: _CRASH, 50: _tom(176), 51: _RIDE, 52: replace(_CRASH, noise_seconds=1.2),
    53: replace(_RIDE, modes=(2_300, 3_450, 4_900, 6_300), noise_level=0.04), 54: replace(_SHAKER, noise_seconds=0.18),
    55: replace(_CRASH, metal_seconds=0.7, noise_seconds=0.8), 56: _COWBELL, 57: _CRASH, 59: _RIDE,
    60: _tom(330, 0.18), 61: _tom(245, 0.2), 62: _tom(290, 0.12), 63: _tom(260, 0.25), 64: _tom(190, 0.3),
    65: _tom(310, 0.3), 66: _tom(220, 0.3), 67: replace(_COWBELL, modes=(1_180, 2_010, 3_200)),
    68: replace(_COWBELL, modes=(860, 1_500, 2_400)), 69: _SHAKER, 70: _SHAKER, 75: replace(_BLOCK, hertz=2_500),
    76: replace(_BLOCK, hertz=1_050), 77: replace(_BLOCK, hertz=760), 80: replace(_TRIANGLE, metal_seconds=0.12),
    81: _TRIANGLE, 82: _SHAKER,
}  # fmt: skip


def stroke(key: int, force: float, rate: int, random: np.random.Generator) -> NDArray[np.float32]:
    """The whole stroke on drum `key` (a General MIDI pitch); harder ones, `force` up to 1, are brighter."""
    drum = _KIT.get(key, _SHAKER)
    time = np.arange(round(drum.seconds * rate), dtype=np.float64) / rate
    wave = np.zeros(len(time))
    if drum.skin_level:
        speed = 28.0
        turns = drum.hertz * (time + (drum.sweep - 1.0) * -np.expm1(-speed * time) / speed)
        wave += drum.skin_level * np.sin(2.0 * np.pi * turns) * _fall(time, drum.skin_seconds)
    for mode in drum.modes:
        level = drum.metal_level / np.sqrt(len(drum.modes)) * (0.6 + 0.4 * force)
        phase = random.random()
        wave += level * np.sin(2.0 * np.pi * (mode * time + phase)) * _fall(time, drum.metal_seconds)
    if drum.noise_level:
        bank = noise_band(*drum.noise_band_hertz, rate)
        start = int(random.integers(len(bank)))
        noise = np.take(bank, np.arange(start, start + len(time)), mode="wrap")
        wave += drum.noise_level * (0.4 + 0.6 * force) * noise * _bursts(time, drum)
    rise = max(2, round(0.0008 * rate))
    wave[:rise] *= np.linspace(0.0, 1.0, rise)
    wave *= np.minimum(1.0, (time[-1] - time) * 200.0)
    return wave.astype(np.float32)


def _fall(time: NDArray[np.float64], seconds: float) -> NDArray[np.float64]:
    return np.asarray(np.exp(-np.log(1_000.0) / seconds * time))


def _bursts(time: NDArray[np.float64], drum: Drum) -> NDArray[np.float64]:
    """One fall, or several hands in quick succession of which the last rings on."""
    level = np.zeros(len(time))
    for hand in range(drum.repeats):
        later = time - 0.012 * hand
        seconds = drum.noise_seconds if hand == drum.repeats - 1 else 0.03
        level += np.where(later >= 0.0, _fall(np.maximum(later, 0.0), seconds), 0.0)
    return level
