"""Playing notes: our synthesizer against pretty_midi's sines. `python -m benchmarks.synthesise`."""

import numpy as np
import pretty_midi

from benchmarks.measuring import paired, tell
from musegen import synth
from musegen.labels import NOTE, Notes

_SECONDS = 60.0


def melody(voices: int) -> Notes:
    """Quarter-second notes of an oboe, a minute long, in so many voices."""
    count = int(_SECONDS * 4)
    table = np.zeros(count * voices, NOTE)
    for voice in range(voices):
        mine = table[voice * count : (voice + 1) * count]
        mine["onset_seconds"], mine["seconds"] = np.arange(count) / 4, 0.24
        mine["pitch"] = 72 - 7 * voice + np.arange(count) * 5 % 12
        mine["velocity"], mine["program"], mine["part"] = 80, 68, voice
    return Notes(table=table)


def as_pretty_midi(notes: Notes) -> pretty_midi.PrettyMIDI:
    """The same notes for the peer."""
    out = pretty_midi.PrettyMIDI()
    for part in np.unique(notes.table["part"]):
        instrument = pretty_midi.Instrument(68)
        for note in notes.table[notes.table["part"] == part]:
            end = note["onset_seconds"] + note["seconds"]
            instrument.notes.append(
                pretty_midi.Note(int(note["velocity"]), int(note["pitch"]), float(note["onset_seconds"]), float(end))
            )
        out.instruments.append(instrument)
    return out


def main() -> None:
    """One thread, 44.1 kHz; ours plays timbres in a room in stereo, the peer plain sines in mono."""
    rows = {}
    for voices in (1, 4):
        notes = melody(voices)
        peer = as_pretty_midi(notes)
        figures = paired(lambda n=notes: synth.render(n), lambda p=peer: p.synthesize(44_100))
        speed = _SECONDS / figures["ours_cpu_seconds"]
        rows[f"{voices} voices, peer pretty_midi sines"] = {**figures, "times_real_time": speed}
    tell("synthesise", rows)


if __name__ == "__main__":
    main()
