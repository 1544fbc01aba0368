"""The little theory that conditions and checks need: meters, tempo maps and keys."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from musegen.errors import BadParams

TICKS_PER_QUARTER = 480


@dataclass(frozen=True, order=True)
class Meter:
    """A time signature."""

    numerator: int
    denominator: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """`"6/8"` → Meter(6, 8)."""
        found = re.fullmatch(r"\s*(\d{1,2})\s*/\s*(1|2|4|8|16)\s*", text)
        if not found or found[1] == "0":
            raise BadParams(f"meter {text!r}: not a time signature; write it as 4/4 or 6/8")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.numerator}/{self.denominator}"

    @property
    def ticks(self) -> int:
        """Length of a bar."""
        return TICKS_PER_QUARTER * 4 * self.numerator // self.denominator

    @property
    def compound(self) -> bool:
        """True for 6/8, 9/8, 12/8: the beat is a dotted note."""
        return self.denominator >= 8 and self.numerator > 3 and self.numerator % 3 == 0

    @property
    def beat_ticks(self) -> int:
        """Length of the beat that a foot taps."""
        return TICKS_PER_QUARTER * 4 // self.denominator * (3 if self.compound else 1)

    @property
    def beats(self) -> int:
        """Beats in a bar."""
        return self.ticks // self.beat_ticks


class TempoMap:
    """Places in a score → seconds, from `changes`: place → seconds a unit from there on; the first is at 0."""

    def __init__(self, changes: Mapping[float, float]) -> None:
        self._places = np.array(sorted(changes), np.float64)
        self._seconds_a_unit = np.array([changes[place] for place in sorted(changes)])
        self._seconds = np.concatenate([[0.0], np.cumsum(np.diff(self._places) * self._seconds_a_unit[:-1])])

    def __call__(self, places: NDArray[Any]) -> NDArray[np.float64]:
        at = np.clip(np.searchsorted(self._places, places, side="right") - 1, 0, None)
        out: NDArray[np.float64] = self._seconds[at] + (places - self._places[at]) * self._seconds_a_unit[at]
        return out


_TONICS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_MAJOR_SCALE = (0, 2, 4, 5, 7, 9, 11)
_MINOR_SCALE = (0, 2, 3, 5, 7, 8, 10, 11)
# How well each pitch class fits a key, as listeners rated it: Krumhansl, Cognitive Foundations of Musical Pitch
# (1990), table 2.1 (major and minor probe-tone profiles).
_MAJOR_PROFILE = np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88])
_MINOR_PROFILE = np.array([6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17])


def _standardised(profile: NDArray[np.float64]) -> NDArray[np.float64]:
    deviations = profile - profile.mean()
    return np.asarray(deviations / np.linalg.norm(deviations))


_PROFILES = np.stack(
    [np.roll(_standardised(profile), tonic) for profile in (_MAJOR_PROFILE, _MINOR_PROFILE) for tonic in range(12)]
)


@dataclass(frozen=True, order=True)
class Key:
    """A tonic (pitch class, 0 = C) in major or minor."""

    tonic: int
    minor: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """`"D"`, `"F#m"`, `"Bb minor"`, `"a minor"`."""
        found = re.fullmatch(r"\s*([A-Ga-g])([#♯b♭]?)\s*(major|maj|minor|min|m)?\s*", text)
        if not found:
            raise BadParams(f"key {text!r}: not a key; write it as D, F#m or Bb")
        shift = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}[found[2]]
        return cls((_STEPS[found[1].upper()] + shift) % 12, found[3] in ("m", "min", "minor"))

    def __str__(self) -> str:
        return _TONICS[self.tonic] + ("m" if self.minor else "")

    @property
    def scale(self) -> frozenset[int]:
        """Pitch classes of the scale; minor is the natural one with the raised leading note as well."""
        steps = _MINOR_SCALE if self.minor else _MAJOR_SCALE
        return frozenset((self.tonic + step) % 12 for step in steps)

    def transposed(self, semitones: int) -> "Key":
        """The same mode, `semitones` higher."""
        return Key((self.tonic + semitones) % 12, self.minor)

    @classmethod
    def of(cls, pitches: NDArray[Any], weights: NDArray[Any]) -> Self | None:
        """The key whose listeners' profile correlates best with the weighted pitch classes; None where none does.

        The profiles are standardised, so that the largest product is the largest correlation.
        """
        classes = np.bincount(np.asarray(pitches) % 12, weights=weights, minlength=12)
        deviations = classes - classes.mean()
        if not deviations.any():
            return None
        best = int(np.argmax(_PROFILES @ deviations))
        return cls(best % 12, best >= 12)


ALL_KEYS = tuple(Key(tonic, minor) for minor in (False, True) for tonic in range(12))
