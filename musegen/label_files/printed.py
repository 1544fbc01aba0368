"""A music21 score → notes, beats, tempo and key."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from musegen.errors import BadInput
from musegen.labels import DRUMS, FILE, NOTE, Beats, Labels, Notes, Tempo, Tonality
from musegen.theory import TICKS_PER_QUARTER, Key, Meter, TempoMap

_VELOCITY = 80
_DEFAULT_BPM = 120.0
_MOST_SECONDS = 6 * 3600.0
_MOST_REPEATS = 8
_DRUM_CHANNEL = 9
_BAR_TOLERANCE = 1e-3  # quarters; triplets do not add up exactly


@dataclass(frozen=True)
class _Measure:
    """A printed measure in quarters: where it starts, how long it is, and the meter in it."""

    start: float
    length: float
    meter: Meter


def labels_of(printed: Any) -> Labels:
    """Labels of a music21 score; raises `BadInput` ("several tunes", "not a score", "no notes", "absurd times")."""
    parts = list(_expanded(printed).parts)
    if not parts:
        raise BadInput("it has no part to play; export it again", "not a score")
    flat = [part.flatten() for part in parts]
    seconds_of = _Tempi(flat)
    notes = _notes(parts, flat, seconds_of)
    if notes.seconds > _MOST_SECONDS:
        raise BadInput("it lasts longer than six hours; export it again", "absurd times")
    measures = _measures(parts, flat)
    return Labels(
        notes=notes,
        beats=_beats(measures, seconds_of),
        tempo=Tempo.stated(seconds_of.first_bpm) if seconds_of.known else None,
        tonality=_tonality(flat),
    )


def _expanded(printed: Any) -> Any:
    """The score with its repeats written out, where they add up."""
    from music21 import exceptions21, repeat, stream

    if isinstance(printed, stream.Opus):
        raise BadInput("it holds several tunes; split it into one file a tune", "several tunes")
    marks = list(printed.recurse().getElementsByClass(repeat.RepeatMark))
    if not marks or any((getattr(mark, "times", None) or 0) > _MOST_REPEATS for mark in marks):
        return printed
    try:
        return printed.expandRepeats()
    except exceptions21.Music21Exception:
        return printed


class _Tempi(TempoMap):
    """Quarters → seconds through every metronome mark that gives a number."""

    def __init__(self, flat: list[Any]) -> None:
        marks = {}
        for stream in reversed(flat):  # where parts disagree, the first decides
            for mark in stream.getElementsByClass("MetronomeMark"):
                stated = mark.numberSounding is not None or (mark.number is not None and not mark.numberImplicit)
                bpm = mark.getQuarterBPM() if stated else None
                if bpm:
                    marks[float(mark.offset)] = float(bpm)
        self.known = bool(marks)
        self.first_bpm = marks[min(marks)] if marks else _DEFAULT_BPM
        marks.setdefault(0.0, self.first_bpm)
        super().__init__({quarter: 60.0 / bpm for quarter, bpm in marks.items()})


def _notes(parts: list[Any], flat: list[Any], seconds_of: _Tempi) -> Notes:
    rows: list[tuple[float, float, int, int, int]] = []
    for part, stream in zip(parts, flat, strict=True):
        program, index = _program(part), rows[-1][4] + 1 if rows else 0
        rows += [(start, end, pitch, program, index) for start, end, pitch in _sounding(stream)]
    if not rows:
        raise BadInput("it has no notes; remove or replace it", "no notes")
    columns = np.array(rows, np.float64).T
    table = np.zeros(len(rows), NOTE)
    table["onset_seconds"] = seconds_of(columns[0])
    table["seconds"] = seconds_of(columns[1]) - table["onset_seconds"]
    table["pitch"], table["program"], table["part"] = columns[2], columns[3], columns[4]
    table["velocity"] = _VELOCITY
    return Notes(origin=FILE, table=table)


def _sounding(stream: Any) -> Iterator[tuple[float, float, int]]:
    """(start, end, pitch) in quarters of every note that is struck, with what is tied to it."""
    held: dict[int, tuple[float, float]] = {}
    for element in stream.notes:
        length = float(element.duration.quarterLength)
        if "Harmony" in element.classes or length <= 0:
            continue
        start = float(element.offset)
        for note in element.notes if element.isChord else [element]:
            if not hasattr(note, "pitch"):
                continue
            pitch, tie = int(note.pitch.midi), note.tie.type if note.tie is not None else None
            begun = held.pop(pitch, None)
            if begun is not None and (tie not in ("stop", "continue") or abs(begun[1] - start) > _BAR_TOLERANCE):
                yield (*begun, pitch)
                begun = None
            sounds = (begun[0] if begun else start, start + length)
            if tie in ("start", "continue"):
                held[pitch] = sounds
            else:
                yield (*sounds, pitch)
    for pitch, sounds in held.items():
        yield (*sounds, pitch)


def _program(part: Any) -> int:
    instrument = part.getInstrument(returnDefault=False)
    if instrument is None:
        return 0
    if instrument.midiChannel == _DRUM_CHANNEL:
        return DRUMS
    return int(instrument.midiProgram or 0)


def _measures(parts: list[Any], flat: list[Any]) -> list[_Measure]:
    """The measures of the first part that has any, else one for all; 4/4 until the first time signature."""
    end = max(float(stream.highestTime) for stream in flat)
    printed = next((found for part in parts if (found := list(part.getElementsByClass("Measure")))), [])
    starts = [float(measure.offset) for measure in printed] or [0.0]
    meter, measures = Meter(4, 4), []
    for index, start in enumerate(starts):
        signature = printed[index].timeSignature if printed else flat[0].getTimeSignatures()[0]
        if signature is not None:
            meter = Meter(int(signature.numerator), int(signature.denominator))
        stop = starts[index + 1] if index + 1 < len(starts) else max(end, start)
        if stop - start > _BAR_TOLERANCE:
            measures.append(_Measure(start, stop - start, meter))
    return measures


def _beats(measures: list[_Measure], seconds_of: _Tempi) -> Beats:
    """The beats of every measure; a short one goes on from the one before it if both fit into one bar."""
    quarters: list[float] = []
    positions: list[int] = []
    counts = dict[float, float]()
    filled = 0.0
    for index, measure in enumerate(measures):
        bar = measure.meter.ticks / TICKS_PER_QUARTER
        beat = measure.meter.beat_ticks / TICKS_PER_QUARTER
        if index == 0 and measure.length < bar - _BAR_TOLERANCE:
            filled = bar - measure.length
        elif not 0 < filled <= bar - measure.length + _BAR_TOLERANCE:
            filled = 0.0
        first = int(np.ceil(filled / beat - _BAR_TOLERANCE))
        last = int(np.ceil((filled + measure.length) / beat - _BAR_TOLERANCE))
        for count in range(first, last):
            quarters.append(measure.start + count * beat - filled)
            positions.append(count % measure.meter.beats + 1)
        counts[beat] = counts.get(beat, 0.0) + measure.length
        filled = filled + measure.length if filled + measure.length < bar - _BAR_TOLERANCE else 0.0
    end = measures[-1].start + measures[-1].length
    if filled == 0.0:
        quarters.append(end)
        positions.append(1)
    return Beats(
        origin=FILE,
        seconds=seconds_of(np.array(quarters)),
        positions=np.array(positions, np.int16),
        quarters_per_beat=max(counts, key=lambda beat: counts[beat]),
        tempo_known=seconds_of.known,
    )


def _tonality(flat: list[Any]) -> Tonality | None:
    """The first key that is printed with its mode; a signature alone may be major or minor."""
    for stream in flat:
        for signature in stream.getElementsByClass("KeySignature"):
            if getattr(signature, "mode", None) in ("major", "minor"):
                return Tonality(key=Key(int(signature.tonic.pitchClass), signature.mode == "minor"))
    return None
