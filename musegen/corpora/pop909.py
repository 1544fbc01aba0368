"""POP909 (Wang et al., ISMIR 2020): pop songs as MIDI with beat annotations beside them.

The time signatures in the MIDI files are wrong for two songs in three, so bars come from `beat_midi.txt`: a line a
beat, its time, and flags for the downbeat of two- (or three-) beat and of four-beat bars. Accepts the published layout
(`001/001.mid`, `001/beat_midi.txt`) and a flat one (`001.mid`, `001.beat_midi.txt`).
"""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from musegen import midi
from musegen.corpora.base import Found, files_below, unfit
from musegen.errors import BadInput, about
from musegen.labels import FILE, Beats, Labels, Style
from musegen.track import Track

STYLE = "pop"


def find(root: Path) -> Found:
    """One track a song; alternative versions and the annotations that are not read are ignored."""
    files = files_below(root)
    ignored = {path: reason for path in files if (reason := unfit(path, root))}
    present = set(files) - ignored.keys()
    tracks, used = [], set()
    for path in sorted(present):
        beats = next((name for name in _beat_files(path) if name in present), None)
        if path.suffix in midi.SUFFIXES and beats is not None:
            name = path.relative_to(root).with_suffix("").as_posix()
            tracks.append(Track(name, None, {"notes": path, "beats": beats}, STYLE))
            used |= {path, beats}
    ignored.update({path: "not a song's notes or beats" for path in files if path not in used and path not in ignored})
    return Found(tuple(sorted(tracks, key=lambda track: track.name)), ignored)


def read(track: Track) -> Labels:
    """Notes from the MIDI, beats and bars from the annotation."""
    with about(track.files["notes"]):
        notes = midi.read(track.files["notes"]).notes
    with about(track.files["beats"]):
        beats = _read_beats(track.files["beats"])
    return replace(Labels(notes=notes, beats=beats), style=Style.named(track.style or STYLE))


def _beat_files(path: Path) -> tuple[Path, Path]:
    return path.with_suffix(".beat_midi.txt"), path.with_name("beat_midi.txt")


def _read_beats(path: Path) -> Beats:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        rows = np.array([line.split() for line in lines if line.strip()], np.float64, ndmin=2)
    except (OSError, ValueError) as error:
        raise BadInput(f"it is not a table of beats ({error}); take it from the data set again", "bad beats") from error
    if rows.shape[0] < 2 or rows.shape[1] != 3:
        raise BadInput(f"it has {rows.shape} values, not three a line; take it from the data set again", "bad beats")
    in_four, in_two = rows[:, 2] == 1, rows[:, 1] == 1
    downbeats = np.flatnonzero(in_four if np.count_nonzero(in_four) >= 2 else in_two)
    positions = np.zeros(len(rows), np.int16)
    bounds = [*downbeats, len(rows)]
    for start, end in pairwise(bounds):
        positions[start:end] = np.arange(1, end - start + 1)
    if len(downbeats):
        before = np.arange(len(rows))[: downbeats[0]]
        positions[: downbeats[0]] = np.maximum(0, 4 - downbeats[0] + before + 1)
    return Beats(origin=FILE, seconds=rows[:, 0], positions=positions)
