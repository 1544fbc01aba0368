"""One track's files → what they say: each opened by the reader of its role, then merged."""

from collections.abc import Callable, Mapping
from pathlib import Path

from musegen import guard, midi
from musegen.corpora import names, tags
from musegen.corpora.base import Reading
from musegen.corpora.merge import Source, merge
from musegen.errors import about
from musegen.label_files import beats, chords, facts, jams, licences, scores, tempo
from musegen.labels import Labels
from musegen.track import Said, Track

Reader = Callable[[Path], tuple[Said, Labels, tuple[str, ...]]]
"""Opens one label file: words, labels, and warnings. Raises `BadInput`, which needs not name the file."""


def _midi(path: Path) -> tuple[Said, Labels, tuple[str, ...]]:
    labels = midi.read(path)
    return Said(""), labels, midi.troubles(path)


def _jams(path: Path) -> tuple[Said, Labels, tuple[str, ...]]:
    labels, said = jams.read(path)
    return said, labels, ()


def _facts(path: Path) -> tuple[Said, Labels, tuple[str, ...]]:
    said, warnings = facts.read(path)
    return said, Labels(), warnings


def _licence(path: Path) -> tuple[Said, Labels, tuple[str, ...]]:
    licence = licences.read(path)
    warnings = () if licence else ("it names no licence; write its name (CC BY 4.0, …) into it",)
    return Said("", licence=licence), Labels(), warnings


READERS: Mapping[str, Reader] = {
    "midi": _midi,
    "score": lambda path: (scores.said(path), scores.read(path), ()),
    "jams": _jams,
    "beats": lambda path: (Said(""), Labels(beats=beats.read(path)), ()),
    "chords": lambda path: (Said(""), Labels(chords=chords.read(path)), ()),
    "tempo": lambda path: (Said(""), Labels(tempo=tempo.read(path)), ()),
    "facts": _facts,
    "licence": _licence,
}
"""How the file of each role is read."""


def read(track: Track, readers: Mapping[str, Reader] = READERS) -> Reading:
    """Everything that is known of `track`, by the precedence of `merge`; raises `BadInput` that names the file."""
    sources, odd = [Source("said", said.source, said) for said in track.said], list[str]()
    for role, path in sorted(track.files.items()):
        guard.opening(path)
        with about(path):
            said, labels, warnings = readers[role](path)
        name = _ending(path, track)
        sources.append(Source(role, name, said, labels))
        odd += [f"{name}: {warning}" for warning in warnings]
    if track.audio is not None:
        guard.opening(track.audio)
        sources.append(Source("tags", tags.SOURCE, tags.read(track.audio)))
    return merge(sources, odd)


def _ending(path: Path, track: Track) -> str:
    """What of a file's name is not the track's: `.mid`, `.licence.txt`, or `beat_midi.txt`."""
    stem = track.name.rpartition("/")[2]
    own = names.folded(path.name).startswith(names.folded(stem) + ".")
    return path.name[len(stem) :].lower() if own and len(path.name) > len(stem) else path.suffix.lower() or path.name
