"""What a track of mirdata says → labels and words. Its attributes have one name for one thing across data sets."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.errors import BadInput
from musegen.label_files import chords as chord_files
from musegen.label_files import facts
from musegen.labels import NOTE, Beats, Chords, Labels, Notes, Tempo, Tonality
from musegen.track import Said

_WORDS = {
    "style": ("style", "genre", "genres", "genre_1"),
    "title": ("title", "canonical_title", "piece"),
    "artist": ("artist", "artists", "canonical_composer", "composer", "performer"),
    "split": ("split", "subset"),
    "meter": ("meter", "time_signature"),
}
_VELOCITY = 80  # where no loudness is annotated
_SECONDS = {"s": 1.0, "ms": 1e-3}
_STEPS = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def said_of(track: Any) -> Said:
    """Title, artist, style, split and meter, as far as the data set's metadata is there and has them."""
    known = {field: next((value for name in names if (value := _quietly(track, name))), None)
             for field, names in _WORDS.items()}  # fmt: skip
    return facts.said_from(known, "mirdata")[0]


def labels_of(track: Any, files: Mapping[str, Path]) -> Labels:
    """Beats, notes, chords, tempo and key; raises `BadInput` that names the file in `files` that can't be read."""
    found = {kind: _label(track, files, attributes, make) for kind, (attributes, make) in _KINDS.items()}
    return Labels(**found)


def _label(track: Any, files: Mapping[str, Path], attributes: tuple[str, ...], make: Callable[[Any], Any]) -> Any:
    for attribute in attributes:
        try:
            value = getattr(track, attribute, None)
            label = make(value) if value is not None else None
        except Exception as error:  # every data set's reader raises what its parser meets
            culprit = _culprit(attribute, files)
            if culprit is None:
                continue
            words = str(error) if isinstance(error, BadInput) else f"mirdata can't read it ({error})"
            raise BadInput(f"{culprit.name}: {words}; take it from the data set again", "bad label", culprit) from error
        if label is not None:
            return label
    return None


def _culprit(attribute: str, files: Mapping[str, Path]) -> Path | None:
    """The file that an attribute is read from: its key resembles it, or there is no other."""
    stem = attribute.rstrip("s")
    alike = [path for role, path in files.items() if stem in role or role.rstrip("s") in attribute]
    return alike[0] if alike else next(iter(files.values())) if len(files) == 1 else None


def _quietly(track: Any, name: str) -> Any:
    """A word of a data set's metadata; None where its file is not there or can't be read."""
    try:
        value = getattr(track, name, None)
    except Exception:  # as above, and words are never worth a track
        return None
    return value if isinstance(value, str | int | float | list | tuple) else None


def _beats(value: Any) -> Beats | None:
    seconds = np.asarray(value.times, np.float64) * _SECONDS[value.time_unit]
    positions = np.zeros(len(seconds))
    if value.positions is not None and value.position_unit == "bar_index":
        positions = np.nan_to_num(np.asarray(value.positions, np.float64))
    whole = (positions >= 0) & (positions == np.round(positions)) & (positions < 1000)
    return Beats(seconds=seconds, positions=np.where(whole, positions, 0).astype(np.int16)) if len(seconds) else None


def _notes(value: Any) -> Notes | None:
    intervals = np.asarray(value.intervals, np.float64) * _SECONDS[value.interval_unit]
    pitches = _PITCHES[value.pitch_unit](value.pitches)
    table = np.zeros(len(pitches), NOTE)
    table["onset_seconds"], table["seconds"] = intervals[:, 0], intervals[:, 1] - intervals[:, 0]
    table["pitch"], table["velocity"] = np.clip(np.round(pitches), 0, 127), _VELOCITY
    if value.confidence is not None and value.confidence_unit == "velocity":
        table["velocity"] = np.clip(value.confidence, 1, 127)
    return Notes(table=table) if len(table) else None


def _chords(value: Any) -> Chords | None:
    intervals = np.asarray(value.intervals, np.float64) * _SECONDS[value.interval_unit]
    rows = [(float(start), float(end), str(name)) for (start, end), name in zip(intervals, value.labels, strict=True)]
    return chord_files.of(rows) if rows else None


def _tempo(value: Any) -> Tempo | None:
    """A number, or the tempo that is held longest."""
    if hasattr(value, "tempos"):
        value = _longest(value.intervals, value.tempos)
    if isinstance(value, bool) or not isinstance(value, str | int | float) or not (bpm := float(value)):
        return None
    return Tempo.stated(bpm) if math.isfinite(bpm) else None


def _tonality(value: Any) -> Tonality | None:
    if hasattr(value, "keys") and hasattr(value, "intervals"):
        value = _longest(value.intervals, value.keys)
    words = str(value).split("|")[0] if isinstance(value, str) else ""
    said, _ = facts.said_from({"key": words}, "mirdata")
    return Tonality(key=facts.key_of(said.key)) if said.key else None


def _longest(intervals: Any, values: Any) -> Any:
    lengths = np.diff(np.asarray(intervals, np.float64), axis=1)[:, 0]
    return values[int(np.argmax(lengths))] if len(lengths) else None


def _from_names(names: Any) -> NDArray[np.float64]:
    """`Ab4` → 68 (C4 is 60)."""
    return np.array(
        [
            12.0 * (int(name.lstrip("ABCDEFG#b")) + 1) + _STEPS[name[0]] + name.count("#") - name[1:].count("b")
            for name in map(str, names)
        ]
    )


_PITCHES: dict[str, Callable[[Any], NDArray[np.float64]]] = {
    "hz": lambda hertz: 69 + 12 * np.log2(np.asarray(hertz, np.float64) / 440),
    "midi": lambda pitches: np.asarray(pitches, np.float64),
    "note_name": _from_names,
}
_KINDS: dict[str, tuple[tuple[str, ...], Callable[[Any], Any]]] = {
    "beats": (("beats",), _beats),
    "notes": (("notes", "notes_all", "score"), _notes),
    "chords": (("chords", "chords_full", "leadsheet_chords"), _chords),
    "tempo": (("tempo", "bpm"), _tempo),
    "tonality": (("key", "key_mode"), _tonality),
}
