"""JAMS files (Humphrey et al., ISMIR 2014; schema 0.3): annotations of many kinds in one JSON object.

Read are the namespaces `note_midi` and `note_hz` (several of them are parts: GuitarSet has one a string),
`beat_position` and `beat`, `tempo`, `chord` and `chord_harte`, `key_mode`, and tags that name a genre. Of several
annotations of one kind the first that says something is taken; of several values the most confident.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from musegen.errors import BadInput, BadParams
from musegen.label_files import chords, facts
from musegen.labels import NOTE, Beats, Chords, Labels, Notes, Tempo, Tonality
from musegen.theory import Key
from musegen.track import Said

SUFFIXES = frozenset({".jams"})
SOURCE = ".jams"

_VELOCITY = 80  # JAMS has no loudness
_MOST_BEATS_A_BAR = 32
_LATEST_SECONDS = 6 * 3600.0
_GENRES = re.compile(r"tag_(gtzan|msd_tagtraum_cd\d|\w*genre\w*)")


@dataclass(frozen=True)
class _Observation:
    """One value with its time; `confidence` is None where the annotator gave none in 0..1."""

    seconds: float
    length_seconds: float
    value: Any
    confidence: float | None


def read(path: Path) -> tuple[Labels, Said]:
    """The labels of a JAMS file, and the title, artist and style it gives.

    Notes have velocity 80 and program 0: JAMS does not tell. A label's confidence is the mean of its observations'.
    Raises `BadInput`: "empty", "not text", "bad jams" (no JAMS), "bad times", or as the label in question.
    """
    found = facts.json_object(path, "bad jams")
    annotations = found.get("annotations")
    if not isinstance(annotations, list) or not all(isinstance(one, dict) for one in annotations):
        raise BadInput("it has no list of annotations; it is no JAMS file", "bad jams")
    by_space: dict[str, list[list[_Observation]]] = {}
    for annotation in annotations:
        by_space.setdefault(str(annotation.get("namespace")), []).append(_observations(annotation))
    labels = Labels(
        notes=_notes(by_space.get("note_midi", []), by_space.get("note_hz", [])),
        beats=_beats(_first(by_space, "beat_position") or _first(by_space, "beat")),
        tempo=_tempo(_first(by_space, "tempo")),
        tonality=_tonality(_first(by_space, "key_mode")),
        chords=_chords(_first(by_space, "chord") or _first(by_space, "chord_harte")),
    )
    meta = found.get("file_metadata")
    words = {name: meta.get(name) for name in ("title", "artist")} if isinstance(meta, dict) else {}
    return labels, facts.said_from({**words, "style": _genre(by_space)}, SOURCE)[0]


def _observations(annotation: dict[str, Any]) -> list[_Observation]:
    """The data of an annotation in order of time, from a list of observations or from lists by column."""
    data = annotation.get("data")
    rows: Iterable[Any] = data if isinstance(data, list) else []
    if isinstance(data, dict):
        columns = {name: data.get(name) for name in ("time", "duration", "value", "confidence")}
        lengths = {len(column) if isinstance(column, list) else -1 for column in columns.values()}
        if len(lengths) != 1 or -1 in lengths:
            raise BadInput("an annotation's columns are not of one length; export it again", "bad jams")
        rows = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    return sorted(map(_observation, rows), key=lambda one: one.seconds)


def _observation(row: Any) -> _Observation:
    time = _number(row.get("time")) if isinstance(row, dict) else None
    length = _number(row.get("duration") or 0) if isinstance(row, dict) else None
    if time is None or length is None:
        raise BadInput(f"an observation of it has no time: {str(row)[:40]}; export it again", "bad jams")
    if time < 0 or length < 0 or time + length > _LATEST_SECONDS:
        raise BadInput(
            f"an observation is at {time:g} seconds for {length:g}: backward, or outside six hours; correct it",
            "bad times",
        )
    confidence = _number(row.get("confidence"))
    sure = confidence if confidence is not None and 0 <= confidence <= 1 else None
    return _Observation(time, length, row.get("value"), sure)


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def _first(by_space: dict[str, list[list[_Observation]]], namespace: str) -> list[_Observation]:
    return next((found for found in by_space.get(namespace, []) if found), [])


def _sureness(found: list[_Observation]) -> float:
    given = [one.confidence for one in found if one.confidence is not None]
    return sum(given) / len(given) if given else 1.0


def _notes(in_semitones: list[list[_Observation]], in_hertz: list[list[_Observation]]) -> Notes | None:
    """Parts that give MIDI pitches (fractions are rounded) and parts that give hertz."""
    rows, parts = [], [*in_semitones, *in_hertz]
    for part, found in enumerate(parts):
        for one in found:
            value = _number(one.value)
            if value is not None and part >= len(in_semitones):
                value = 69 + 12 * math.log2(value / 440) if value > 0 else None
            if value is None or not 0 <= round(value) <= 127:
                raise BadInput(f"a note at {one.seconds:g} seconds has no pitch: {one.value}; correct it", "bad notes")
            rows.append((one.seconds, one.length_seconds, round(value), _VELOCITY, 0, part))
    everything = [one for found in parts for one in found]
    return Notes(table=np.array(rows, NOTE), confidence=_sureness(everything)) if rows else None


def _beats(found: list[_Observation]) -> Beats | None:
    if not found:
        return None
    values = [one.value if isinstance(one.value, dict) else {"position": one.value} for one in found]
    positions = [_number(value.get("position")) or 0.0 for value in values]
    fit = all(0 <= position <= _MOST_BEATS_A_BAR for position in positions)
    units = [_number(value.get("beat_units")) for value in values]
    unit = units[0] if units[0] and 1 <= units[0] <= 64 else 4.0
    return Beats(
        seconds=np.array([one.seconds for one in found]),
        positions=np.array([int(position) if fit and position == int(position) else 0 for position in positions]),
        quarters_per_beat=4.0 / unit,
        confidence=_sureness(found),
    )


def _tempo(found: list[_Observation]) -> Tempo | None:
    if not found:
        return None
    best = max(found, key=lambda one: one.confidence or 0.0)
    value = _number(best.value)
    if value is None:
        raise BadInput(f"its tempo {str(best.value)[:40]!r} is no number; correct it", "bad tempo")
    return Tempo.stated(value, confidence=1.0 if best.confidence is None else best.confidence)


def _chords(found: list[_Observation]) -> Chords | None:
    rows = [(one.seconds, one.seconds + one.length_seconds, str(one.value)) for one in found]
    return chords.of(rows, _sureness(found)) if rows else None


def _tonality(found: list[_Observation]) -> Tonality | None:
    """The key that holds longest; church modes are none."""
    lengths: dict[Key, float] = {}
    for one in found:
        try:
            key = facts.key_of(str(one.value)[:40])
        except BadParams:
            continue
        lengths[key] = lengths.get(key, 0.0) + one.length_seconds
    if not lengths:
        return None
    return Tonality(key=max(lengths, key=lambda key: lengths[key]), confidence=_sureness(found))


def _genre(by_space: dict[str, list[list[_Observation]]]) -> str | None:
    """The most confident genre; an open tag is one only where it stands alone."""
    for namespace in by_space:
        if _GENRES.fullmatch(namespace) and (found := _first(by_space, namespace)):
            return str(max(found, key=lambda one: one.confidence or 0.0).value)
    tags = [one for found in by_space.get("tag_open", []) for one in found]
    return str(tags[0].value) if len(tags) == 1 else None
