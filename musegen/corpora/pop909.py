"""POP909 (Wang et al., ISMIR 2020): pop songs as MIDI with beat and chord annotations beside them.

The MIDI files have wrong time signatures in two songs of three, and their tempo maps don't follow the music; so beats
and bars come from `beat_midi.txt`: a line a beat, its time, and flags for the downbeat of two- (or three-) beat and of
four-beat bars. `chord_midi.txt` is a line a chord: start, end, name. Accepts the published layout (`001/001.mid`,
`001/beat_midi.txt`) and a flat one (`001.mid`, `001.beat_midi.txt`). What is annotated on the clock of the original
recordings (`beat_audio.txt`, …) is not read: it is up to 23 s away from the MIDI.
"""

from itertools import pairwise
from pathlib import Path

import numpy as np

from musegen.corpora import folder, names, reading, stems, tables
from musegen.corpora.base import Found, Reading
from musegen.corpora.scan import PlainFile, scan
from musegen.errors import BadInput
from musegen.labels import FILE, Beats, Labels
from musegen.track import Said, Track

_IMPLIED = Said("pop909", style="pop")
_ANNOTATIONS = {"beat_midi.txt": "beat_midi", "chord_midi.txt": "chords"}
_OTHER_CLOCK = ("beat_audio.txt", "chord_audio.txt", "key_audio.txt")
_BAD = "bad beats"


def find(root: Path) -> Found:
    """One track a song; alternative versions and the annotations that are not read are ignored."""
    seen = scan(root)
    parts = [part for file in seen.files if (part := _part(file))]
    annotated = {(file.folder, stem) for file, stem, role in parts if role == "beat_midi"}
    songs = stems.group(part for part in parts if (part[0].folder, part[1]) in annotated)
    for file, stem, role in parts:
        if (file.folder, stem) not in annotated:
            songs.ignored[file.path] = (
                "a MIDI file without beat_midi.txt, no song of POP909" if role == "midi" else "an annotation of no song"
            )
    for file in seen.files:
        if file.name.endswith(_OTHER_CLOCK):
            songs.ignored[file.path] = "an annotation on the clock of the original recording, not of the MIDI"
    return folder.assemble(seen, songs, tables.is_table, _IMPLIED)


def read(track: Track) -> Reading:
    """Notes from the MIDI, beats and bars from the annotation."""
    readers = {**reading.READERS, "beat_midi": _read_beats}
    return reading.read(track, {**readers, "midi": _read_notes} if "beat_midi" in track.files else readers)


def is_annotation(name: str) -> bool:
    """True for a file of beats that only this data set has."""
    return name == "beat_midi.txt" or name.endswith(".beat_midi.txt")


def _part(file: PlainFile) -> tuple[PlainFile, str, str] | None:
    """(file, stem, role): in the published layout the folder is the song's name."""
    for ending, role in _ANNOTATIONS.items():
        if file.name == ending:
            return file, file.folder.rpartition("/")[2], role
        if file.name.endswith(f".{ending}"):
            return file, file.name.removesuffix(f".{ending}"), role
    part = names.part_of(file.name)
    return (file, *part) if part and part[1] == "midi" else None


def _read_notes(path: Path) -> tuple[Said, Labels, tuple[str, ...]]:
    said, labels, warnings = reading.READERS["midi"](path)
    return said, Labels(notes=labels.notes), warnings


def _read_beats(path: Path) -> tuple[Said, Labels, tuple[str, ...]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        rows = np.array([line.split() for line in lines if line.strip()], np.float64, ndmin=2)
    except (OSError, ValueError) as error:
        raise BadInput(f"it is not a table of beats ({error}); take it from the data set again", _BAD) from error
    if rows.shape[0] < 2 or rows.shape[1] != 3:
        raise BadInput(f"it has {rows.shape} values, not three a line; take it from the data set again", _BAD)
    in_four, in_two = rows[:, 2] == 1, rows[:, 1] == 1
    downbeats = np.flatnonzero(in_four if np.count_nonzero(in_four) >= 2 else in_two)
    positions = np.zeros(len(rows), np.int16)
    for start, end in pairwise([*downbeats, len(rows)]):
        positions[start:end] = np.arange(1, end - start + 1)
    if len(downbeats):
        before = np.arange(len(rows))[: downbeats[0]]
        positions[: downbeats[0]] = np.maximum(0, 4 - downbeats[0] + before + 1)
    return Said(""), Labels(beats=Beats(origin=FILE, seconds=rows[:, 0], positions=positions)), ()
