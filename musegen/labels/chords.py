"""The chords of a track, in seconds of its audio."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import compress
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from musegen.change import Change
from musegen.errors import BadInput
from musegen.labels.base import PitchedLabel
from musegen.theory import Key

NO_CHORD, UNKNOWN_CHORD = "N", "X"
"""The symbols for silence and for what the annotator could not name."""

_ROOT = r"[A-G][#b]{0,4}"
_DEGREE = r"\*?[#b]{0,2}\d{1,2}"
_SYMBOL = re.compile(
    rf"(?P<root>{_ROOT})(?P<quality>:?(?:maj|min|hdim|dim|aug|sus|add|alt|no|m|M|o|ø|°|\+|-|[#b]?\d++)*+"
    rf"(?:\((?:{_DEGREE}(?:,{_DEGREE})*+)?\))?)(?P<bass>/(?:{_ROOT}|{_DEGREE}))?"
)
_LONGEST_SYMBOL = 60


@dataclass(frozen=True, eq=False)
class Chords(PitchedLabel):
    """Chord symbols as Harte et al. (ISMIR 2005) write them (`C:maj`, `A:min7/b3`, `N` for none).

    `starts` and `ends`: float64 (n,), seconds, in order and not overlapping (gaps are allowed); `names`: n symbols, or
    `N`, or `X`. Roots are spelled as `theory.Key` spells tonics (`D#` becomes `Eb`), so that equal chords have equal
    names after any transposition. The quality is checked leniently: any mix of the usual abbreviations.
    """

    starts: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    ends: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    names: tuple[str, ...] = ()

    COLUMNS: ClassVar[Mapping[str, str]] = {
        "starts": "list<float64>", "ends": "list<float64>", "names": "list<string>", "tuning_cents": "int16",
    }  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        starts, ends = np.array(self.starts, np.float64), np.array(self.ends, np.float64)
        if not len(starts) == len(ends) == len(self.names):
            raise BadInput(
                f"{len(starts)} starts, {len(ends)} ends and {len(self.names)} names of chords; correct the chord file",
                "bad chords",
            )
        _check_times(starts, ends)
        for name, array in (("starts", starts), ("ends", ends)):
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        object.__setattr__(self, "names", tuple(transposed(name, 0) for name in self.names))

    def __len__(self) -> int:
        return len(self.names)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Chords)
            and (self.origin, self.confidence, self.names, self.tuning_cents)
            == (other.origin, other.confidence, other.names, other.tuning_cents)
            and np.array_equal(self.starts, other.starts)
            and np.array_equal(self.ends, other.ends)
        )

    __hash__: Any = None

    def follow(self, change: Change) -> Self:
        """A chord that an excerpt cuts keeps its times, before 0 or after the end."""
        semitones, tuning_cents = self.retuned(change)
        starts, ends = change.moved(self.starts), change.moved(self.ends)
        kept = change.sounds(starts, ends)
        names = tuple(transposed(name, semitones) for name in compress(self.names, kept))
        return replace(self, starts=starts[kept], ends=ends[kept], names=names, tuning_cents=tuning_cents)

    @classmethod
    def of_cells(cls, cells: Mapping[str, Any], origin: str, confidence: float) -> Self:
        return cls(**{**cells, "names": tuple(cells["names"])}, origin=origin, confidence=confidence)


@lru_cache(maxsize=10_000)
def transposed(symbol: str, semitones: int) -> str:
    """The chord `semitones` higher; a bass that is a degree (`/3`) stays. Raises `BadInput` for what is no chord."""
    if symbol in (NO_CHORD, UNKNOWN_CHORD):
        return symbol
    found = _SYMBOL.fullmatch(symbol) if len(symbol) <= _LONGEST_SYMBOL else None
    if found is None:
        raise BadInput(f"{symbol[:30]!r} is no chord; write it as C, A:min or G:7/3, and N for none", "bad chords")
    bass = found["bass"] or ""
    if bass[1:2].isalpha() and bass[1] != "b":
        bass = "/" + _moved(bass[1:], semitones)
    return _moved(found["root"], semitones) + found["quality"] + bass


def _moved(tone: str, semitones: int) -> str:
    accidentals = tone.count("#") - tone.count("b")
    return str(Key(Key.parse(tone[0]).tonic).transposed(accidentals + semitones))


def _check_times(starts: NDArray[np.float64], ends: NDArray[np.float64]) -> None:
    if not (np.isfinite(starts).all() and np.isfinite(ends).all()):
        raise BadInput("a chord has a time that is no number; correct the chord file", "bad chords")
    backward = np.flatnonzero(ends < starts)
    if len(backward):
        raise BadInput(f"chord {int(backward[0]) + 1} ends before it begins; correct the chord file", "bad chords")
    overlap = np.flatnonzero(starts[1:] < ends[:-1])
    if len(overlap):
        row = int(overlap[0]) + 2
        raise BadInput(f"chord {row} begins before the one before it ends; correct the chord file", "bad chords")
