"""A creator's folder: recordings with label files of the same stem beside them, the parent folder as the style, and
tables that say something of many tracks. Every layout of files on a disk is this one; they differ in the tables read.

A MIDI file or a score without a recording of its stem is a track of its own. A folder with a table of styles is a
collection, of which only folders further down name styles. Of several tables the one nearest to the recording is
believed first, then by name, `metadata` before others. Where a table tells the style of a track, its folder's name is
none. A licence text (`LICENSE`, `COPYING.txt`) counts for what lies beside and below it and has nothing better.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from musegen.corpora import names, reading, rows, stems, tables
from musegen.corpora.base import Found, Reading
from musegen.corpora.scan import PlainFile, Scan, scan
from musegen.corpora.stems import Stem, Stems
from musegen.errors import BadInput
from musegen.label_files import licences
from musegen.track import Said, Track

FOLDER = "folder"
"""The source of a style that the folder's name gives."""

_NAMES_NOTHING = "it has no column that names files (file_name, path, id, …)"


def no_table(_: str) -> bool:
    """For a layout without tables."""
    return False


@dataclass(frozen=True)
class FolderLayout:
    """`is_table` says by its name whether a file is tried as a table; `implied` holds for the whole data set."""

    is_table: Callable[[str], bool] = no_table
    implied: Said | None = None

    def find(self, root: Path) -> Found:
        """Tracks below `root` by their names, with what tables, folders and licence texts say of them."""
        seen = scan(root)
        parts = ((file, names.part_of(file.name)) for file in seen.files if not self.is_table(file.name))
        return assemble(seen, stems.group((file, *part) for file, part in parts if part), self.is_table, self.implied)

    def read(self, track: Track) -> Reading:
        """Everything its files say, by the precedence of `merge`."""
        return reading.read(track)


@dataclass
class _Sayings:
    """What files that are about many tracks say, and how each of them fared.

    `by_stem`: by the id of a stem; `by_folder`: licence texts; `collections`: the folders of tables that tell styles.
    """

    by_stem: dict[int, list[Said]] = field(default_factory=dict)
    by_folder: dict[str, Said] = field(default_factory=dict)
    collections: set[str] = field(default_factory=set)
    pairs: list[tuple[Stem, Stem]] = field(default_factory=list)
    used: list[Path] = field(default_factory=list)
    ignored: dict[Path, str] = field(default_factory=dict)
    refused: dict[Path, BadInput] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def assemble(seen: Scan, grouped: Stems, is_table: Callable[[str], bool], implied: Said | None) -> Found:
    """The tracks of `grouped` with all that is said of them; every other file of `seen` is accounted for."""
    sayings = _Sayings()
    _take_tables([file for file in seen.files if is_table(file.name)], rows.Index(grouped.found), sayings)
    _take_notices([file for file in seen.files if licences.is_notice(file.name)], grouped.found, sayings)
    ignored = {**seen.ignored, **grouped.ignored, **sayings.ignored}
    alone = _paired(grouped.found, sayings)
    tracks = sorted((_track(stem, sayings, implied) for stem in alone), key=lambda track: track.name)
    placed = {path for stem in alone for path in stem.files.values()}.union(
        ignored, seen.refused, sayings.used, sayings.refused
    )
    known = {stem.path for stem in grouped.found}
    ignored |= {file.path: _why_ignored(file, known) for file in seen.files if file.path not in placed}
    refused = {**seen.refused, **sayings.refused}
    warnings = (*grouped.warnings, *sayings.warnings, *_unread_metadata(seen.root, ignored, refused))
    return Found(tuple(tracks), ignored, refused, tuple(sorted(sayings.used)), warnings)


def _unread_metadata(root: Path, ignored: Mapping[Path, str], refused: Mapping[Path, BadInput]) -> Iterator[str]:
    """A warning for every file outside hidden and system folders that promises to say something of tracks in vain."""
    for path, reason in sorted({**ignored, **refused}.items()):
        if tables.is_metadata(path.name):
            inside = path.relative_to(root)
            if not any(map(names.junk_folder, inside.parts[:-1])):
                yield (
                    f"{names.shown(inside.as_posix())} is not read ({reason}); what it says of tracks does not count, "
                    "a consent that is denied included"
                )


def _why_ignored(file: PlainFile, known: set[str]) -> str:
    reason = _why_no_table(file) if tables.is_table(file.name) else names.why_ignored(file.name)
    if file.path.suffix.lower() != ".txt" or _inside(file)[: -len(".txt")] not in known:
        return reason
    return "a text that could be anything; name it .beats, .lab or .licence.txt for what it is"


def _why_no_table(file: PlainFile) -> str:
    """Why a layout that reads no tables has not read this one."""
    try:
        known = tables.head(file.path)
    except BadInput as error:
        return f"it can't be read as a table: {error}"
    return names.why_ignored(file.name) if tables.names_tracks(known) else _NAMES_NOTHING


def _take_tables(files: Iterable[PlainFile], index: rows.Index, sayings: _Sayings) -> None:
    """Read every table, those that are believed first before others."""
    for file in sorted(files, key=_nearness):
        known = tables.columns(file.path)
        if known is not None and not tables.names_tracks(known):
            sayings.ignored[file.path] = _NAMES_NOTHING
            continue
        try:
            found = rows.overlay(tables.read(file.path), names.shown(_inside(file)), file.folder, index)
        except BadInput as error:
            sayings.refused[file.path] = BadInput(str(error), error.reason, file.path)
            continue
        if found is None:
            sayings.ignored[file.path] = "no row of it names a file of this corpus"
            continue
        for stem, said in found.said:
            sayings.by_stem.setdefault(id(stem), []).append(said)
            if said.style:
                sayings.collections.add(file.folder)
        sayings.used.append(file.path)
        sayings.pairs += found.pairs
        sayings.warnings += found.warnings


def _inside(file: PlainFile) -> str:
    return f"{file.folder}/{file.name}" if file.folder else file.name


def _nearness(file: PlainFile) -> tuple[int, bool, str, str]:
    depth = file.folder.count("/") + 1 if file.folder else 0
    return -depth, not file.name.lower().startswith("metadata"), file.folder, file.name


def _take_notices(files: Iterable[PlainFile], found: Iterable[Stem], sayings: _Sayings) -> None:
    """Read the licence texts of all folders with tracks in or below them."""
    with_tracks = {folder for stem in found for folder in _upward(stem.folder)}
    first: dict[str, str] = {}
    for file in files:
        if file.folder not in with_tracks:
            sayings.ignored[file.path] = "a licence text of a folder without tracks"
        elif first.setdefault(file.folder, file.name) != file.name:
            host = names.shown(first[file.folder])
            sayings.ignored[file.path] = f"{host} stands for the licence of this folder; remove that to have this one"
        else:
            try:
                licence = licences.read(file.path)
            except BadInput as error:
                sayings.refused[file.path] = BadInput(str(error), error.reason, file.path)
                continue
            sayings.by_folder[file.folder] = Said(names.shown(file.name), licence=licence)
            sayings.used.append(file.path)
            if not licence:
                name = names.shown(_inside(file))
                sayings.warnings.append(f"{name} names no licence; write its name (CC BY 4.0, …) into it")


def _upward(folder: str) -> Iterable[str]:
    """`a/b` → `a/b`, `a`, and the top of the corpus."""
    while folder:
        yield folder
        folder = folder.rpartition("/")[0]
    yield ""


def _paired(found: list[Stem], sayings: _Sayings) -> list[Stem]:
    """Stems that one row of a table names together become one, where no role is filled twice."""
    gone: set[int] = set()
    for one, other in sayings.pairs:
        host, guest = sorted((one, other), key=lambda stem: stem.rank)
        if {id(host), id(guest)} & gone or host is guest or host.files.keys() & guest.files.keys():
            sayings.warnings.append(
                f"a table names {names.shown(one.path)} and {names.shown(other.path)} together, but both have files of "
                "their own for the same; they stay apart"
            )
            continue
        host.files.update(guest.files)
        gone.add(id(guest))
    return [stem for stem in found if id(stem) not in gone]


def _track(stem: Stem, sayings: _Sayings, implied: Said | None) -> Track:
    collection = next(folder for folder in _upward(stem.folder) if not folder or folder in sayings.collections)
    told = any(said.style for said in (*sayings.by_stem.get(id(stem), ()), *((implied,) if implied else ())))
    style = None if told else names.style_of(stem.folder[len(collection) :].strip("/"))
    notice = next((sayings.by_folder[folder] for folder in _upward(stem.folder) if folder in sayings.by_folder), None)
    said = (
        *sayings.by_stem.get(id(stem), ()),
        *((implied,) if implied else ()),
        *((Said(FOLDER, style=style),) if style else ()),
        *((notice,) if notice else ()),
    )
    files = {role: path for role, path in stem.files.items() if role != names.AUDIO}
    return Track(stem.path, stem.files.get(names.AUDIO), files, said)
