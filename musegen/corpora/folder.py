"""A creator's folder: recordings with label files of the same stem beside them; the parent folder is the style.

A MIDI file without a recording of its stem is a track of its own. Where both a `.beats` file and the MIDI give beats,
the `.beats` file wins; the MIDI's time signature says how its beats are written.
"""

from dataclasses import replace
from pathlib import Path

from musegen import audio, beat_file, midi
from musegen.corpora.base import Found, files_below, unfit
from musegen.errors import about
from musegen.labels import FILE, Beats, Labels, Style
from musegen.track import Track

_LABEL_SUFFIXES = {**dict.fromkeys(sorted(midi.SUFFIXES), "notes"), ".beats": "beats"}

_LOSSY = frozenset({".mp3", ".ogg", ".opus"})


def find(root: Path) -> Found:
    """Tracks below `root` by their names; hidden files and folders, links and other files are ignored with a reason."""
    files = files_below(root)
    ignored = {path: reason for path in files if (reason := _ignored(path, root))}
    stems: dict[Path, dict[str, list[Path]]] = {}
    for path in files:
        if path not in ignored:
            kind = _LABEL_SUFFIXES.get(path.suffix.lower(), "audio")
            stems.setdefault(path.with_suffix(""), {}).setdefault(kind, []).append(path)
    tracks = []
    for stem, kinds in stems.items():
        for kind, same in kinds.items():
            same.sort(key=lambda path: (path.suffix.lower() in _LOSSY, path))
            ignored.update(dict.fromkeys(same[1:], f"{same[0].name} is used as the {kind} of this track"))
        if "audio" not in kinds and "notes" not in kinds:
            ignored[kinds["beats"][0]] = "a label without a recording or notes of the same name"
            continue
        label_files = {kind: same[0] for kind, same in kinds.items() if kind != "audio"}
        recording = kinds["audio"][0] if "audio" in kinds else None
        style = stem.parent.name.strip("-_ ") if stem.parent != root else ""
        tracks.append(Track(stem.relative_to(root).as_posix(), recording, label_files, style or None))
    return Found(tuple(sorted(tracks, key=lambda track: track.name)), ignored)


def read(track: Track) -> Labels:
    """Style from the folder, notes and beats from the sidecars."""
    labels = Labels(style=Style.named(track.style) if track.style else None)
    if "notes" in track.files:
        with about(track.files["notes"]):
            heard = midi.read(track.files["notes"])
        labels = replace(labels, notes=heard.notes, beats=heard.beats)
    if "beats" in track.files:
        with about(track.files["beats"]):
            beats = beat_file.read(track.files["beats"])
        labels = replace(labels, beats=written_like(beats, labels.beats))
    return labels


def written_like(beats: Beats, written: Beats | None) -> Beats:
    """`beats` with the beat length of the MIDI's time signature, where both count the same beats to the bar.

    A beat file says when feet tap, not whether a tap is a quarter or, as in 6/8, a dotted one.
    """
    if written is None or not len(written) or beats.positions.max(initial=0) != written.positions.max():
        return beats
    return replace(beats, quarters_per_beat=written.quarters_per_beat, origin=FILE)


def _ignored(path: Path, root: Path) -> str | None:
    reason = unfit(path, root)
    if reason is not None:
        return reason
    if path.suffix.lower() in audio.SUFFIXES or path.suffix.lower() in _LABEL_SUFFIXES:
        return None
    return "neither audio nor a label file"
