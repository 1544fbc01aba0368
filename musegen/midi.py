"""MIDI files: read as labels in seconds, written from scores. Parsing is symusic's."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import symusic

from musegen import instruments, midi_events
from musegen.errors import BadInput
from musegen.labels import DRUMS, FILE, NOTE, Beats, Labels, Notes
from musegen.score import Score
from musegen.theory import TICKS_PER_QUARTER, Meter, TempoMap

SUFFIXES = frozenset({".mid", ".midi", ".kar", ".rmi"})

_MOST_SECONDS = 6 * 3600.0
_MOST_NOTES = 1_000_000
_MOST_BEATS = 200_000
# An event that runs over the end of the last track meets these.
_END_OF_TRACK = b"\x00\xff\x2f\x00" * 8
_DEFAULT_QUARTER_MICROSECONDS = 500_000


def read(path: Path) -> Labels:
    """Notes and beats of a MIDI file (or a RIFF file around one); beats follow its tempo map and time signatures.

    A file without a tempo event plays at 120, and its beats say `tempo_known=False`. Raises `BadInput`: "unreadable",
    "empty", "too big", "not midi", "truncated", "damaged" (an event that is none), "division" (ticks that are no part
    of a quarter), "type 2", "no notes", "too many notes", "absurd times", "too many beats", "bad tempo".
    """
    file = midi_events.read(path)
    score = _parsed(midi_events.plain(file))
    if score.note_num() == 0:
        unclosed = midi_events.walk(file).unclosed
        found = f"the {unclosed} that begin never end" if unclosed else "remove or replace it"
        raise BadInput(f"it has no notes; {found}", "no notes")
    if score.note_num() > _MOST_NOTES:
        raise BadInput(f"it has {score.note_num()} notes, more than {_MOST_NOTES}; split it", "too many notes")
    seconds_of = _TempoMap(score)
    notes = _notes(score, seconds_of)
    if notes.table["onset_seconds"][0] < 0 or notes.seconds > _MOST_SECONDS:
        raise BadInput("its notes lie beyond six hours; its times are damaged, export it again", "absurd times")
    return Labels(notes=notes, beats=_beats(score, seconds_of))


def troubles(path: Path) -> tuple[str, ...]:
    """What is odd in a file that `read` takes, in words: the notes that begin and never end, which `read` leaves out.

    Costs a pass over the first four megabytes of its events in Python. Raises `BadInput` for what is no MIDI file.
    """
    unclosed = midi_events.walk(midi_events.read(path)).unclosed
    if not unclosed:
        return ()
    return (f"{unclosed} notes without an end are left out" if unclosed > 1 else "1 note without an end is left out",)


def _parsed(content: bytes) -> Any:
    try:
        return symusic.Score.from_midi(content + _END_OF_TRACK)
    except Exception as error:  # symusic raises bare RuntimeError and others by the kind of damage
        raise BadInput(f"it can't be read as MIDI ({error}); export it again", "not midi") from error


def write(path: Path, score: Score, part_names: dict[int, str] | None = None) -> None:
    """A type 1 file at 480 ticks a quarter: tempo and meter at tick 0, one named track a (part, program)."""
    out = symusic.Score(TICKS_PER_QUARTER)
    out.tempos.append(symusic.Tempo(0, qpm=score.bpm or 120.0))
    previous = None
    for bar in score.bars:
        if bar.meter != previous:
            out.time_signatures.append(symusic.TimeSignature(bar.start, bar.meter.numerator, bar.meter.denominator))
            previous = bar.meter
    voices = sorted({(int(note["part"]), int(note["program"])) for note in score.notes})
    for part, program in voices:
        is_drum = program == DRUMS
        name = (part_names or {}).get(part) or ("Drums" if is_drum else instruments.NAMES[program])
        track = symusic.Track(name=name, program=0 if is_drum else program, is_drum=is_drum)
        mine = score.notes[(score.notes["part"] == part) & (score.notes["program"] == program)]
        for note in mine:
            track.notes.append(
                symusic.Note(int(note["start"]), int(note["ticks"]), int(note["pitch"]), int(note["velocity"]))
            )
        out.tracks.append(track)
    path.parent.mkdir(parents=True, exist_ok=True)
    out.dump_midi(path)


class _TempoMap(TempoMap):
    """Ticks → seconds through every tempo event of a file."""

    def __init__(self, score: Any) -> None:
        events = score.tempos.numpy()
        if (events["mspq"] <= 0).any():
            raise BadInput("a tempo of it makes time stand still; export it again", "bad tempo")
        order = np.argsort(events["time"], kind="stable")
        changes = {0: _DEFAULT_QUARTER_MICROSECONDS}
        changes.update(zip(np.maximum(events["time"][order], 0).tolist(), events["mspq"][order].tolist(), strict=True))
        self.known = len(order) > 0
        super().__init__({tick: quarter / 1e6 / score.ticks_per_quarter for tick, quarter in changes.items()})


def _notes(score: Any, seconds_of: _TempoMap) -> Notes:
    rows = []
    for part, track in enumerate(track for track in score.tracks if len(track.notes)):
        columns = track.notes.numpy()
        rows.append(np.zeros(len(columns["time"]), NOTE))
        rows[-1]["onset_seconds"] = seconds_of(columns["time"])
        rows[-1]["seconds"] = seconds_of(columns["time"] + columns["duration"]) - rows[-1]["onset_seconds"]
        rows[-1]["pitch"], rows[-1]["velocity"] = columns["pitch"], columns["velocity"]
        rows[-1]["program"], rows[-1]["part"] = DRUMS if track.is_drum else track.program, part
    return Notes(origin=FILE, table=np.concatenate(rows))


def _beats(score: Any, seconds_of: _TempoMap) -> Beats:
    """Beats of every bar up to the one in which the last note ends; where beats differ, most decide what one is."""
    end = max(int(track.end()) for track in score.tracks if len(track.notes))
    meters = _meters(score, end)
    starts = sorted(meters)
    ticks, positions, counts = [], [], dict[float, int]()
    for start, following in zip(starts, [*starts[1:], None], strict=True):
        meter = meters[start]
        quarters = meter.beat_ticks / TICKS_PER_QUARTER
        beat = quarters * score.ticks_per_quarter
        count = max(1, math.ceil(((end if following is None else following) - start) / beat - 1e-9))
        if following is None:
            count = -(-count // meter.beats) * meter.beats + 1
        counts[quarters] = counts.get(quarters, 0) + count
        if sum(counts.values()) > _MOST_BEATS:
            raise BadInput(
                f"it has more than {_MOST_BEATS} beats; its times are damaged, export it again", "too many beats"
            )
        ticks.append(start + beat * np.arange(count))
        positions.append(np.arange(count) % meter.beats + 1)
    return Beats(
        origin=FILE,
        seconds=seconds_of(np.concatenate(ticks)),
        positions=np.concatenate(positions),
        quarters_per_beat=max(counts, key=lambda quarters: counts[quarters]),
        tempo_known=seconds_of.known,
    )


def _meters(score: Any, end: int) -> dict[int, Meter]:
    """The time signatures by the ticks from which they hold, up to `end`; 4/4 until the first."""
    events = score.time_signatures.numpy()
    meters = {0: Meter(4, 4)}
    for row in np.argsort(events["time"], kind="stable").tolist():
        time, numerator, denominator = (int(events[name][row]) for name in ("time", "numerator", "denominator"))
        if numerator > 0 and denominator > 0 and time < end:
            meters[max(0, time)] = Meter(numerator, denominator)
    return meters
