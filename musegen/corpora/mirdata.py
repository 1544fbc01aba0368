"""Data sets of music research by their names in mirdata (Bittner et al., ISMIR 2019), as they lie on disk.

mirdata's index says which files make a track, and its readers what these say. Nothing is downloaded, the index
included.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from musegen.corpora import mirdata_labels, names, reading
from musegen.corpora.base import Found, Reading
from musegen.corpora.merge import Source, merge
from musegen.corpora.scan import scan
from musegen.corpora.tags import read as read_tags
from musegen.errors import BadParams, about
from musegen.label_files import licences
from musegen.track import CONTENT_ROLES, Said, Track

PREFIX = "mirdata:"

# Whatever the index calls them, these are read by musegen itself.
_OWN_ROLES = ("midi", "score", "jams")
_CONTENT = (names.AUDIO, *CONTENT_ROLES)

Paths = Mapping[str, str]


@cache
def data_set(name: str) -> "DataSet":
    """The loader for `name`, with what it learnt of the index; raises `BadParams` as `DataSet`."""
    return DataSet(name)


@dataclass(frozen=True)
class DataSet:
    """A loader for the data set `name`; raises `BadParams` where mirdata is not installed or does not know the name."""

    name: str

    def __post_init__(self) -> None:
        known = _library().list_datasets()
        if self.name not in known:
            raise BadParams(f"layout {PREFIX}{self.name}: unknown; choose one of {', '.join(known)}")

    def find(self, root: Path) -> Found:
        """The tracks of the index whose recording, MIDI or score is below `root`; all other files are ignored."""
        seen = scan(root)
        there = {f"{file.folder}/{file.name}" if file.folder else file.name: file.path for file in seen.files}
        said = (Said("mirdata", licence=self._licence),) if self._licence else ()
        ignored, tracks, missing = dict(seen.ignored), dict[str, Track](), 0
        for paths in self._index.values():
            files = {key: there[path] for key, path in paths.items() if path in there and path not in self._shared}
            track, others = _assembled(root, files, said)
            if track is None or track.name in tracks:
                missing += track is None
                ignored |= dict.fromkeys(files.values(), "an annotation of a track that is not here")
                continue
            tracks[track.name] = track
            ignored |= dict.fromkeys(others, f"{track.content.name} is used as the recording of this track")
        tables = tuple(sorted(there[path] for path in self._shared if path in there))
        used = {path for track in tracks.values() for path in (track.audio, *track.files.values())}
        ignored = {path: reason for path, reason in ignored.items() if path not in used}
        placed = used.union(ignored, tables)
        strange = f"not in mirdata's index of {self.name}"
        ignored |= {file.path: strange for file in seen.files if file.path not in placed}
        warnings = (f"{missing} of {len(self._index)} tracks of mirdata's {self.name} are not in this folder",)
        ordered = tuple(sorted(tracks.values(), key=lambda track: track.name))
        return Found(ordered, ignored, seen.refused, tables, warnings if missing else ())

    def read(self, track: Track) -> Reading:
        """What mirdata and the files that musegen reads itself say; raises `BadInput` that names the file."""
        sources, odd = [Source("said", said.source, said) for said in track.said], list[str]()
        for role in _OWN_ROLES:
            if role in track.files:
                with about(track.files[role]):
                    said, labels, warnings = reading.READERS[role](track.files[role])
                sources.append(Source(role, track.files[role].suffix.lower(), said, labels))
                odd += warnings
        theirs = self._track(track)
        if theirs is not None:
            labels = mirdata_labels.labels_of(theirs, track.files)
            sources.append(Source("dataset", "mirdata", mirdata_labels.said_of(theirs), labels))
        if track.audio is not None:
            sources.append(Source("tags", "tags", read_tags(track.audio)))
        return merge(sources, odd)

    @cached_property
    def _dataset(self) -> Any:
        return _library().initialize(self.name)

    @cached_property
    def _index(self) -> dict[str, Paths]:
        """Track id → key → path in the data set, with `/`."""
        if not Path(self._dataset.index_path).is_file():
            raise BadParams(
                f"layout {PREFIX}{self.name}: mirdata has no index of it on this machine; get it with "
                f"python -c \"import mirdata; mirdata.initialize({self.name!r}).download(['index'])\""
            )
        tracks = self._dataset._index["tracks"]
        return {
            id: {key: entry[0].replace("\\", "/") for key, entry in entries.items() if entry[0]}
            for id, entries in tracks.items()
        }

    @cached_property
    def _shared(self) -> frozenset[str]:
        """Label files that several tracks have: they say something of the data set."""
        repeated = _repeated(path for paths in self._index.values() for path in paths.values())
        return frozenset(path for path in repeated if path not in self._ids)

    @cached_property
    def _ids(self) -> dict[str, str]:
        """Path of a recording, MIDI file or score → id of its track."""
        return {path: id for id, paths in self._index.items() for path in paths.values() if _role("", path) in _CONTENT}

    @property
    def _licence(self) -> str | None:
        words = " ".join((self._dataset._license_info or "").split())
        return licences.name_of(words) or licences.stated(words[:120])

    def _track(self, track: Track) -> Any:
        """mirdata's track without the files that were put aside; None for a recording that is not in the index."""
        parts = track.content.as_posix().split("/")
        inside = next((path for start in range(1, len(parts)) if (path := "/".join(parts[start:])) in self._ids), None)
        if inside is None:
            return None
        id = self._ids[inside]
        home = track.content.as_posix().removesuffix(inside)
        kept = {path.as_posix().removeprefix(home) for path in (track.content, *track.files.values())} | self._shared
        entries = self._dataset._index["tracks"][id]
        own = {key: entry if (entry[0] or "") in kept else [None, None] for key, entry in entries.items()}
        dataset = _library().initialize(self.name, data_home=home)
        index = {**dataset._index, "tracks": {id: own}}
        return dataset._track_class(id, home, self.name, index, lambda: dataset._metadata)


def _library() -> Any:
    try:
        import mirdata
    except ImportError as error:
        raise BadParams("layout mirdata: mirdata is not installed; pip install 'musegen[mirdata]'") from error
    return mirdata


def _role(key: str, path: str) -> str | None:
    """The role of a file by its suffix (audio, midi, score, jams), else the index's key for it; None without one."""
    part = names.part_of(path.rpartition("/")[2])
    return part[1] if part and part[1] in (names.AUDIO, *_OWN_ROLES) else key or None


def _assembled(root: Path, files: Mapping[str, Path], said: tuple[Said, ...]) -> tuple[Track | None, list[Path]]:
    """The track of the files that are there, and further files of roles that are filled already."""
    roles: dict[str, Path] = {}
    others = []
    for key, path in sorted(files.items(), key=lambda item: (item[0] != names.AUDIO, item[0])):
        role = _role(key, path.name) or key
        if roles.setdefault(role, path) is not path:
            others.append(path)
    recording = roles.pop(names.AUDIO, None)
    if recording is None and roles.keys().isdisjoint(CONTENT_ROLES):
        return None, []
    track = Track("", recording, roles, said)
    return replace(track, name=track.content.relative_to(root).with_suffix("").as_posix()), others


def _repeated(paths: Iterator[str]) -> Iterator[str]:
    seen: set[str] = set()
    for path in paths:
        if path in seen:
            yield path
        seen.add(path)
