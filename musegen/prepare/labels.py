"""The labels of a track of the catalogue, read again from its files and completed by what the survey decided."""

import json
from dataclasses import replace
from pathlib import Path

from musegen import corpora
from musegen.catalogue import CatalogueRow
from musegen.labels import FILE, Beats, Labels, Style, Tempo, Tonality
from musegen.theory import TICKS_PER_QUARTER, Key, Meter
from musegen.track import Track


def track_of(row: CatalogueRow, root: Path) -> Track:
    """The track that a catalogue row stands for."""
    files = {role: root / name for role, name in json.loads(row.files).items()}
    return Track(row.name, root / row.audio if row.audio else None, files)


def labels_of(row: CatalogueRow, root: Path) -> Labels:
    """The labels of a track: notes, beats and chords from its files, what is said in words from the catalogue."""
    labels = corpora.loader(row.layout).read(track_of(row, root)).labels
    style = Style(row.origin("style") or FILE, row.style_confidence or 1.0, row.style) if row.style else None
    tempo = Tempo(row.origin("bpm") or FILE, bpm=row.bpm) if row.bpm else None
    tonality = Tonality(row.origin("key") or FILE, key=Key.parse(row.key)) if row.key else None
    return replace(labels, style=style, tempo=tempo, tonality=tonality, beats=_written_in(labels.beats, row))


def fitting_labels_of(row: CatalogueRow, root: Path) -> Labels:
    """The same without the kinds that the survey found not to fit the recording, and what else their files say."""
    misfits = set(json.loads(row.misfits))
    untrue = {row.source(kind) for kind in misfits}
    told_with = {
        kind for kind, field in (("tempo", "bpm"), ("tonality", "key")) if row.source(field) in untrue - {None}
    }
    return replace(labels_of(row, root), **dict.fromkeys(misfits | told_with))


def _written_in(beats: Beats | None, row: CatalogueRow) -> Beats | None:
    """The beats with the length that a told meter gives them, where the bar has as many of them."""
    if beats is None or not row.meter or not row.source("meter"):
        return beats
    meter = Meter.parse(row.meter)
    fits = beats.positions.max(initial=0) == meter.beats
    return replace(beats, quarters_per_beat=meter.beat_ticks / TICKS_PER_QUARTER) if fits else beats
