"""Music on its metric grid: what tokens are made from and what generation makes."""

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from musegen.errors import BadInput
from musegen.labels import DRUMS, NOTE, Beats, Labels, Notes
from musegen.theory import TICKS_PER_QUARTER, Key, Meter

SCORE_NOTE = np.dtype(
    [
        ("start", np.int64),
        ("ticks", np.int64),
        ("pitch", np.int16),
        ("velocity", np.int16),
        ("program", np.int16),
        ("part", np.int16),
    ]
)
"""One row a note: start and length in ticks (480 a quarter), pitch, velocity, program (128 = drums), part."""

_LONGEST_BAR_QUARTERS = 16
_LONGEST_SCORE_BARS = 20_000
# A player may come in this much before the line, or hold a note this much over it, without meaning another bar.
_EARLY_BEATS = 0.25


@dataclass(frozen=True)
class Bar:
    """A bar line: where it stands and what meter holds from there to the next."""

    start: int
    meter: Meter

    @property
    def end(self) -> int:
        """The tick at which the next bar begins."""
        return self.start + self.meter.ticks


@dataclass(frozen=True, eq=False)
class Score:
    """Notes in ticks (dtype `SCORE_NOTE`), the bars they stand in, and the tempo in quarters a minute if known.

    Bars follow each other without gaps from tick 0 and reach past the last note.
    """

    notes: NDArray[Any]
    bars: tuple[Bar, ...]
    bpm: float | None = None

    def __post_init__(self) -> None:
        notes = np.asarray(self.notes, SCORE_NOTE)
        notes = notes[np.lexsort((notes["ticks"], notes["part"], notes["pitch"], notes["start"]))]
        notes.flags.writeable = False
        object.__setattr__(self, "notes", notes)

    @property
    def meter(self) -> Meter:
        """The meter of most bars."""
        counts: dict[Meter, int] = {}
        for bar in self.bars:
            counts[bar.meter] = counts.get(bar.meter, 0) + 1
        return max(counts, key=lambda meter: (counts[meter], meter))

    @property
    def key(self) -> Key | None:
        """The key the pitched notes suggest, weighted by their lengths."""
        pitched = self.notes[self.notes["program"] != DRUMS]
        return Key.of(pitched["pitch"], pitched["ticks"])

    @property
    def polyphony(self) -> float:
        """Mean number of pitched notes that sound while any does."""
        pitched = self.notes[(self.notes["program"] != DRUMS) & (self.notes["ticks"] > 0)]
        if not len(pitched):
            return 0.0
        edges = np.concatenate([pitched["start"], pitched["start"] + pitched["ticks"]])
        steps = np.concatenate([np.ones(len(pitched)), -np.ones(len(pitched))])
        order = np.lexsort((steps, edges))
        sounding = np.cumsum(steps[order])[:-1]
        lengths = np.diff(edges[order])
        covered = lengths[sounding > 0].sum()
        return float((sounding * lengths).sum() / covered) if covered else 0.0

    def transposed(self, semitones: int) -> Self:
        """Every pitched note `semitones` higher; raises `BadInput` if one would leave MIDI's 0..127."""
        notes = self.notes.copy()
        pitched = notes["program"] != DRUMS
        notes["pitch"][pitched] += semitones
        if ((notes["pitch"] < 0) | (notes["pitch"] > 127)).any():
            raise BadInput(f"a transposition by {semitones} leaves the MIDI range", "bad notes")
        return replace(self, notes=notes)

    def opening(self, bars: int) -> Self:
        """The first `bars` bars; notes that hang over the end are cut there."""
        if len(self.bars) <= bars:
            return self
        end = self.bars[bars - 1].end
        notes = self.notes[self.notes["start"] < end].copy()
        notes["ticks"] = np.minimum(notes["ticks"], end - notes["start"])
        return replace(self, notes=notes, bars=self.bars[:bars])

    @classmethod
    def steady(cls, notes: NDArray[Any], meter: Meter, bpm: float | None, bars: int | None = None) -> Self:
        """A score in one meter; as many bars as the notes need, or `bars`."""
        notes = np.asarray(notes, SCORE_NOTE)
        last = int((notes["start"] + notes["ticks"]).max()) if len(notes) else 0
        count = bars if bars is not None else max(1, -(-last // meter.ticks))
        return cls(notes, tuple(Bar(index * meter.ticks, meter) for index in range(count)), bpm)

    def to_labels(self) -> Labels:
        """Notes and beats in seconds at the score's own steady tempo (120 where it has none)."""
        seconds_per_tick = 60.0 / ((self.bpm or 120.0) * TICKS_PER_QUARTER)
        notes = np.zeros(len(self.notes), NOTE)
        for column in ("pitch", "velocity", "program", "part"):
            notes[column] = self.notes[column]
        notes["onset_seconds"] = self.notes["start"] * seconds_per_tick
        notes["seconds"] = self.notes["ticks"] * seconds_per_tick
        ticks = [
            (bar.start + beat * bar.meter.beat_ticks, beat + 1) for bar in self.bars for beat in range(bar.meter.beats)
        ]
        beats = Beats(
            seconds=np.array([tick for tick, _ in ticks]) * seconds_per_tick,
            positions=np.array([position for _, position in ticks], np.int16),
            quarters_per_beat=self.meter.beat_ticks / TICKS_PER_QUARTER,
            tempo_known=self.bpm is not None,
        )
        return Labels(notes=Notes(table=notes), beats=beats)

    @classmethod
    def from_labels(cls, notes: Notes, beats: Beats) -> Self:
        """Place notes in seconds on the grid that the beats draw; a pickup stands at the end of a full first bar.

        Raises `BadInput` without two downbeats, without notes, or where the bars are absurd.
        """
        if not len(notes):
            raise BadInput("it has no notes; there is nothing to compose from", "no notes")
        if not beats.has_downbeats:
            raise BadInput(
                "its beats name no downbeats; write the position in the bar beside each beat", "no downbeats"
            )
        table = notes.table
        onsets = _beat_coordinates(table["onset_seconds"], beats.seconds)
        ends = _beat_coordinates(table["onset_seconds"] + table["seconds"], beats.seconds)
        lines = _bar_lines(beats, float(onsets.min()), float(ends.max()))
        ticks_per_beat = beats.quarters_per_beat * TICKS_PER_QUARTER
        placed = np.zeros(len(table), SCORE_NOTE)
        for column in ("pitch", "velocity", "program", "part"):
            placed[column] = table[column]
        placed["start"] = np.maximum(np.round((onsets - lines[0]) * ticks_per_beat), 0)
        placed["ticks"] = np.maximum(np.round((ends - lines[0]) * ticks_per_beat) - placed["start"], 1)
        starts = [round((line - lines[0]) * ticks_per_beat) for line in lines]
        meters = [_meter(int(length), beats.quarters_per_beat) for length in np.diff(lines)]
        bars = tuple(Bar(start, meter) for start, meter in zip(starts, meters, strict=False))
        return cls(placed, bars, beats.bpm if beats.tempo_known else None)


def _beat_coordinates(seconds: NDArray[Any], beats: NDArray[Any]) -> NDArray[Any]:
    """Seconds → beats counted from the first, linear between beats and beyond both ends."""
    coordinates: NDArray[Any] = np.interp(seconds, beats, np.arange(len(beats)))
    first, last = np.median(np.diff(beats[:5])), np.median(np.diff(beats[-5:]))
    before, after = seconds < beats[0], seconds > beats[-1]
    coordinates[before] = (seconds[before] - beats[0]) / first
    coordinates[after] = len(beats) - 1 + (seconds[after] - beats[-1]) / last
    return coordinates


def _bar_lines(beats: Beats, first_note: float, last_note: float) -> list[int]:
    """Beat indices of all bar lines: as many in front and behind as the notes need, none that hold no note."""
    known = np.flatnonzero(beats.positions == 1)
    lengths = np.diff(known)
    common = int(np.bincount(lengths).argmax())
    longest = _LONGEST_BAR_QUARTERS / beats.quarters_per_beat
    if lengths.max() > longest:
        raise BadInput(f"a bar of {lengths.max()} beats can't be; correct the beat file", "bad beats")
    if (max(last_note, known[-1]) - min(first_note, known[0])) / common > _LONGEST_SCORE_BARS:
        raise BadInput("the notes span too many bars; correct the note or the beat file", "bad notes")
    lines = [int(index) for index in known]
    while lines[0] > first_note + _EARLY_BEATS:
        lines.insert(0, lines[0] - common)
    while lines[-1] < last_note - _EARLY_BEATS or len(lines) < 2:
        lines.append(lines[-1] + common)
    while len(lines) > 2 and lines[1] <= first_note + _EARLY_BEATS / 2:
        lines.pop(0)
    while len(lines) > 2 and lines[-2] >= last_note - _EARLY_BEATS:
        lines.pop()
    return lines


def _meter(beats: int, quarters_per_beat: float) -> Meter:
    """The time signature of a bar of that many beats."""
    if quarters_per_beat == 1.5:
        return Meter(3 * beats, 8)
    denominator = {0.5: 8, 0.25: 16, 2.0: 2, 4.0: 1}.get(quarters_per_beat, 4)
    return Meter(beats, denominator)
