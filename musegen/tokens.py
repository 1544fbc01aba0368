"""Music ↔ token ids: MidiTok's REMI vocabulary and order, made, written and read by code of our own.

A piece is `Bar [TimeSig] (Position ([Program] Pitch [Velocity] Duration)+)* Bar …`; a time signature stands only where
the meter changes and a program only where the instrument does, so a tune costs three tokens a note. The grid is 12 a
quarter in every meter: MidiTok's own encoder follows the denominator instead, with which 2/2 has no sixteenths.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from musegen.errors import BadInput
from musegen.score import SCORE_NOTE, Bar, Score
from musegen.settings import Settings
from musegen.theory import TICKS_PER_QUARTER, Meter

SLOTS_PER_QUARTER = 12
TICKS_PER_SLOT = TICKS_PER_QUARTER // SLOTS_PER_QUARTER
FAMILIES = ("bar", "meter", "position", "pitch", "duration", "velocity", "program", "condition")
"""What a token says; drum pitches are of the family pitch, everything that is not music is a condition."""

METERS = {1: range(1, 4), 2: range(1, 7), 4: range(1, 13), 8: range(1, 13), 16: range(1, 13)}
"""The numerators of the meters that can be written, by denominator; a bar has twelve quarters at most."""

_DRUMS, _LOUDEST, _LONGEST_QUARTERS = 128, 127, 12
_FAMILY_OF_TYPE = {
    "Bar": "bar",
    "TimeSig": "meter",
    "Position": "position",
    "Pitch": "pitch",
    "PitchDrum": "pitch",
    "Duration": "duration",
    "Velocity": "velocity",
    "Program": "program",
}


class TokenizerSettings(Settings):
    """How music is written in tokens; `velocity_bins` 0 leaves loudness out and the metre gives it on decoding."""

    velocity_bins: int = Field(0, ge=0, le=64)


@lru_cache
def _remi_names(settings: TokenizerSettings) -> tuple[str, ...]:
    """MidiTok's REMI vocabulary in the order of its ids: what its own class says, without the seconds of its import.

    Durations are `quarters.parts.parts of a quarter`: twelfths below four quarters, then quarters up to twelve.
    """
    bins = settings.velocity_bins
    levels = np.linspace(0, _LOUDEST, bins + 1, dtype=np.intc)[1:] if bins else ()
    fine = [f"{quarters}.{part}.{SLOTS_PER_QUARTER}" for quarters in range(4) for part in range(SLOTS_PER_QUARTER)]
    coarse = [f"{quarters}.{part}.4" for quarters in range(4, _LONGEST_QUARTERS) for part in range(4)]
    said: tuple[tuple[str, Iterable[object]], ...] = (
        ("PAD", ["None"]),
        ("Bar", ["None"]),
        ("Pitch", range(128)),
        ("Velocity", levels),
        ("Duration", [*fine[1:], *coarse, f"{_LONGEST_QUARTERS}.0.4"]),
        ("Position", range(_LONGEST_QUARTERS * SLOTS_PER_QUARTER)),
        ("PitchDrum", range(128)),
        ("Program", [*range(_DRUMS), -1]),
        ("TimeSig", [f"{count}/{unit}" for unit, counts in METERS.items() for count in counts]),
    )
    return tuple(f"{kind}_{value}" for kind, values in said for value in values)


@dataclass(frozen=True)
class Tokenizer:
    """Writes a score as ids and reads it back; `names[id]` is MidiTok's name of a token, id 0 is padding."""

    settings: TokenizerSettings
    names: tuple[str, ...]

    @classmethod
    def create(cls, settings: TokenizerSettings) -> Self:
        """The tokenizer for these settings."""
        return cls(settings, _remi_names(settings))

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def _types(self) -> NDArray[Any]:
        return np.array([name.split("_")[0] for name in self.names])

    @cached_property
    def values(self) -> NDArray[np.int64]:
        """What each id says: slot of a position, MIDI pitch, ticks of a duration, velocity, program (128 = drums)."""
        return np.array([_value(name) for name in self.names], np.int64)

    @cached_property
    def meters(self) -> dict[Meter, int]:
        """The id of every meter that can be written."""
        return {Meter.parse(self.names[index].split("_")[1]): int(index) for index in self.ids("TimeSig")}

    @cached_property
    def families(self) -> NDArray[np.int8]:
        """Index into `FAMILIES` of every id."""
        return np.array([FAMILIES.index(_FAMILY_OF_TYPE.get(kind, "condition")) for kind in self._types], np.int8)

    @cached_property
    def _ids(self) -> dict[str, NDArray[np.int64]]:
        return {str(kind): np.flatnonzero(self._types == kind) for kind in np.unique(self._types)}

    def ids(self, kind: str) -> NDArray[Any]:
        """Ids of one MidiTok type (`"Bar"`, `"TimeSig"`, `"Pitch"`, `"PitchDrum"`, …), ascending by what they say."""
        return self._ids.get(kind, np.zeros(0, np.int64))

    @cached_property
    def pitch_ids(self) -> NDArray[np.int64]:
        """Shape (2, 128): the id of every pitch, of instruments and of drums."""
        return np.stack([self.ids("Pitch"), self.ids("PitchDrum")])

    @cached_property
    def program_ids(self) -> NDArray[np.int64]:
        """Shape (129,): the id of every program; 128 is the drums."""
        table = np.zeros(_DRUMS + 1, np.int64)
        table[self.values[self.ids("Program")]] = self.ids("Program")
        return table

    @cached_property
    def _slot_durations(self) -> NDArray[Any]:
        """Duration id that lies nearest to each number of slots, 0 to the longest."""
        ticks = self.values[self.ids("Duration")]
        slots = np.arange(ticks.max() // TICKS_PER_SLOT + 1) * TICKS_PER_SLOT
        nearest: NDArray[Any] = self.ids("Duration")[np.abs(slots[:, None] - ticks[None, :]).argmin(axis=1)]
        return nearest

    def encode(self, score: Score) -> NDArray[np.uint16]:
        """Tokens (n,) of the music alone, empty bars included; raises `BadInput` for a meter that can't be written.

        Onsets and lengths go to the nearest grid point; of two notes of one program and pitch that start together the
        longer stays; notes longer than 12 quarters are cut to that.
        """
        unknown = {bar.meter for bar in score.bars} - self.meters.keys()
        if unknown:
            raise BadInput(f"its meter {min(unknown)} can't be written in tokens; notate it in another", "meter")
        bar_rows = np.full((len(score.bars), 5), -1, np.int64)
        bar_rows[:, 0] = self.ids("Bar")[0]
        meters = np.array([self.meters[bar.meter] for bar in score.bars], np.int64)
        changed = np.concatenate([[True], meters[1:] != meters[:-1]])
        bar_rows[changed, 1] = meters[changed]
        note_bars, note_rows = self._note_rows(score)
        rows = np.concatenate([bar_rows, note_rows])
        order = np.argsort(np.concatenate([np.arange(len(score.bars)), note_bars]), kind="stable")
        flat = rows[order].ravel()
        return flat[flat >= 0].astype(np.uint16)

    def _note_rows(self, score: Score) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Bar of every note kept, and its position, program, pitch, velocity and duration ids (-1: not written)."""
        bars, slots = _places(score)
        notes = score.notes
        lengths = np.clip((notes["ticks"] + TICKS_PER_SLOT // 2) // TICKS_PER_SLOT, 1, len(self._slot_durations) - 1)
        order = np.lexsort((-lengths, notes["pitch"], notes["program"], slots, bars))
        bars, slots, lengths, notes = bars[order], slots[order], lengths[order], notes[order]
        keys = np.stack([bars, slots, notes["program"], notes["pitch"]], axis=1).astype(np.int64)
        first = np.ones(len(keys), bool)
        first[1:] = (keys[1:] != keys[:-1]).any(axis=1)
        keys, lengths, velocities = keys[first], lengths[first], notes["velocity"][first].astype(np.int64)
        rows = np.full((len(keys), 5), -1, np.int64)
        if not len(keys):
            return keys[:, 0], rows
        moved = np.concatenate([[True], (keys[1:, :2] != keys[:-1, :2]).any(axis=1)])
        rows[moved, 0] = self.ids("Position")[keys[moved, 1]]
        switched = np.concatenate([[True], keys[1:, 2] != keys[:-1, 2]])
        rows[switched, 1] = self.program_ids[keys[switched, 2]]
        rows[:, 2] = self.pitch_ids[(keys[:, 2] == _DRUMS).astype(int), keys[:, 3]]
        if self.settings.velocity_bins:
            levels = self.values[self.ids("Velocity")]
            rows[:, 3] = self.ids("Velocity")[np.abs(velocities[:, None] - levels[None, :]).argmin(axis=1)]
        rows[:, 4] = self._slot_durations[lengths]
        return keys[:, 0], rows

    def decode(self, tokens: NDArray[Any], bpm: float | None = None) -> Score:
        """The score that tokens (n,) of music say, with `bpm` verbatim as its tempo.

        Raises `BadInput` where they are not a piece: no bar, no meter, or a note without position, program or length.
        """
        ids = np.asarray(tokens, np.int64)
        if not len(ids) or ids.max() >= len(self) or ids[0] != self.ids("Bar")[0]:
            raise BadInput("the tokens don't begin with a bar", "bad tokens")
        kinds, values = self._types[ids], self.values[ids]
        starts, bars = self._bar_lines(ids, kinds)
        pitches = np.flatnonzero((kinds == "Pitch") | (kinds == "PitchDrum"))
        lengths = pitches + (2 if self.settings.velocity_bins else 1)
        positions, programs = _latest(kinds == "Position"), _latest(kinds == "Program")
        bar_tokens = _latest(kinds == "Bar")
        complete = not len(pitches) or (
            lengths[-1] < len(ids)
            and bool((kinds[lengths] == "Duration").all())
            and bool((self.settings.velocity_bins == 0) or (kinds[lengths - 1] == "Velocity").all())
            and bool((positions[pitches] > bar_tokens[pitches]).all())
            and bool((programs[pitches] >= 0).all())
        )
        if not complete:
            raise BadInput("a note lacks its position, program or length", "bad tokens")
        notes = np.zeros(len(pitches), SCORE_NOTE)
        slots = values[positions[pitches]] if len(pitches) else pitches
        bar_of = np.cumsum(kinds == "Bar")[pitches] - 1
        notes["start"] = starts[bar_of] + slots * TICKS_PER_SLOT
        notes["ticks"] = values[lengths]
        notes["pitch"] = values[pitches]
        notes["program"] = values[programs[pitches]]
        notes["part"] = np.unique(notes["program"], return_inverse=True)[1]
        notes["velocity"] = (
            values[pitches + 1] if self.settings.velocity_bins else _metric(notes["start"], bar_of, bars)
        )
        return Score(notes, bars, bpm)

    def _bar_lines(self, ids: NDArray[np.int64], kinds: NDArray[Any]) -> tuple[NDArray[np.int64], tuple[Bar, ...]]:
        """Ticks at which the bars start, and the bars."""
        lines = np.flatnonzero(kinds == "Bar")
        following = np.minimum(lines + 1, len(ids) - 1)
        if kinds[following[0]] != "TimeSig":
            raise BadInput("the first bar has no meter", "bad tokens")
        meter_of = {index: meter for meter, index in self.meters.items()}
        meter = meter_of[int(ids[following[0]])]
        bars: list[Bar] = []
        for token in ids[following]:
            meter = meter_of.get(int(token), meter)
            bars.append(Bar(bars[-1].end if bars else 0, meter))
        return np.array([bar.start for bar in bars], np.int64), tuple(bars)

    def transposed(self, tokens: NDArray[Any], semitones: int) -> NDArray[np.uint16]:
        """Every pitched note `semitones` higher, drums untouched; raises `BadInput` beyond MIDI's 0..127."""
        ids = np.array(tokens, np.int64)
        pitched = self._types[ids] == "Pitch"
        pitches = self.values[ids[pitched]] + semitones
        if len(pitches) and (pitches.min() < 0 or pitches.max() > 127):
            raise BadInput(f"a transposition by {semitones} leaves the MIDI range", "bad notes")
        ids[pitched] = self.pitch_ids[0, pitches]
        return ids.astype(np.uint16)


def _value(name: str) -> int:
    kind, text = name.split("_", 1)
    if kind == "Duration":
        beats, steps, resolution = map(int, text.split("."))
        return beats * TICKS_PER_QUARTER + steps * TICKS_PER_QUARTER // resolution
    if kind == "Program":
        return _DRUMS if text == "-1" else int(text)
    return int(text) if kind in ("Position", "Pitch", "PitchDrum", "Velocity") else 0


def _places(score: Score) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Bar index and slot in it of every note; an onset that rounds up to the bar's end stands in the next."""
    starts = np.array([bar.start for bar in score.bars], np.int64)
    lengths = np.array([bar.meter.ticks for bar in score.bars], np.int64) // TICKS_PER_SLOT
    bars = np.clip(np.searchsorted(starts, score.notes["start"], side="right") - 1, 0, len(starts) - 1)
    slots = (score.notes["start"] - starts[bars] + TICKS_PER_SLOT // 2) // TICKS_PER_SLOT
    late = (slots >= lengths[bars]) & (bars + 1 < len(starts))
    bars, slots = np.where(late, bars + 1, bars), np.where(late, 0, slots)
    return bars, np.clip(slots, 0, lengths[bars] - 1)


def _latest(marks: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For every index the last one up to it that is marked, or -1."""
    return np.maximum.accumulate(np.where(marks, np.arange(len(marks)), -1))


def _metric(starts: NDArray[Any], bar_of: NDArray[np.int64], bars: tuple[Bar, ...]) -> NDArray[np.int64]:
    """Velocities as a player would weigh them: the downbeat most, then the other beats."""
    lines = np.array([bar.start for bar in bars], np.int64)[bar_of]
    beats = np.array([bar.meter.beat_ticks for bar in bars], np.int64)[bar_of]
    inside = starts - lines
    return np.where(inside == 0, 92, np.where(inside % beats == 0, 84, 74))
