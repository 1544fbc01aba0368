"""Rights: a track is removed for good, by its content, and everything that descends from it is named."""

import difflib
import getpass
import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from musegen import catalogue, removal
from musegen.catalogue import CatalogueRow
from musegen.errors import BadInput, BadParams, Unavailable
from musegen.removal import Tombstone
from musegen.stages import lineage
from musegen.stages.descent import Descent, Named, ancestors_of_versions, find_descent
from musegen.stages.removal_report import line, remains, words_of
from musegen.track import CONTENT_ROLES
from musegen.workspace import Workspace

_ID_DIGITS = 32
_MOST_LISTED = 12


@dataclass(frozen=True)
class Removal:
    """What was removed now (`tombstones`; empty for a mere list), what was before, and what descends from all of it."""

    tombstones: tuple[Tombstone, ...]
    before: tuple[Tombstone, ...]
    descent: Descent

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**asdict(self), "remains": self._remains()}

    def to_text(self) -> str:
        """What was done, what descends, and what remains to be done."""
        lines = [line("removed", ", ".join(filter(None, (_named(stone), stone.why)))) for stone in self.tombstones]
        lines += [line("before", f"{_named(stone)} was removed on {stone.when}") for stone in self.before]
        return "\n".join([*lines, *words_of(self.descent), *(line("remains", words) for words in self._remains())])

    def _remains(self) -> list[str]:
        return remains(self.descent, removed=bool(self.tombstones or self.before))


@dataclass(frozen=True)
class Restored:
    """The tombstones that were taken away."""

    tombstones: tuple[Tombstone, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def to_text(self) -> str:
        """What was restored and what remains to be done."""
        lines = [line("restored", _named(stone)) for stone in self.tombstones]
        return "\n".join([*lines, line("remains", "`musegen survey` takes them into the catalogue again")])


def remove(
    workspace: Workspace,
    names: Sequence[str],
    why: str = "",
    corpus: Path | None = None,
    folders: Sequence[Path] = (),
) -> Removal:
    """Keep a tombstone of every track in `names` (an id or its first 8 digits, a name, a file), then list descendants.

    `corpus` is the folder of recordings: where it is given, the notes beside a recording are barred as well, which
    would else be a track of their own once the recording is deleted. Nothing is removed where one name is unknown or
    ambiguous (`BadParams`). What descends is listed as far as services answer; the tombstones stand in any case.
    """
    tracks = _resolved(workspace, names, corpus)
    before = removal.read(workspace.removed)
    today = datetime.now(UTC).date().isoformat()
    stones = [Tombstone(track.track, track.name, today, why, _who()) for track in tracks if track.track not in before]
    rows = {row.track: row for row in _rows(workspace)}
    beside = [note for stone in stones if corpus and stone.track in rows for note in _notes(stone, rows, corpus)]
    removal.add(workspace.removed, [*stones, *beside])
    known = tuple(before[track.track] for track in tracks if track.track in before)
    return Removal((*stones, *beside), known, find_descent(workspace, tracks, folders))


def descent(
    workspace: Workspace, names: Sequence[str], corpus: Path | None = None, folders: Sequence[Path] = ()
) -> Removal:
    """The same list without removing anything; raises `BadParams` like `remove`."""
    tracks = _resolved(workspace, names, corpus)
    before = removal.read(workspace.removed)
    known = tuple(before[track.track] for track in tracks if track.track in before)
    return Removal((), known, find_descent(workspace, tracks, folders))


def restore(workspace: Workspace, names: Sequence[str]) -> Restored:
    """Take the tombstones of `names` away, those of their notes too; raises `BadParams` for one that has none."""
    stones = removal.read(workspace.removed)
    known = [(Named(stone.track, stone.name), ()) for stone in stones.values()]
    chosen = [_one(name, _matches(name, known, None), known) for name in names]
    wanted = {*chosen, *(Named(stone.track, stone.name) for stone in stones.values() if _is_beside(stone, chosen))}
    gone = tuple(stone for stone in stones.values() if Named(stone.track, stone.name) in wanted)
    removal.drop(workspace.removed, {stone.track for stone in gone})
    return Restored(gone)


Known = tuple[Named, tuple[str, ...]]


def _resolved(workspace: Workspace, names: Sequence[str], corpus: Path | None) -> list[Named]:
    """The tracks that are meant: of the catalogue, the tombstones, the dataset, or else of what versions list."""
    if not names:
        raise BadParams("no track is named; give ids, names or files of tracks")
    known: dict[str, Known] = {}
    for row in _rows(workspace):
        files = [row.audio, *json.loads(row.files).values()]
        known[row.track] = (Named(row.track, row.name), tuple(file for file in files if file))
    for stone in removal.read(workspace.removed).values():
        known.setdefault(stone.track, (Named(stone.track, stone.name), ()))
    for folder in workspace.datasets:
        with suppress(BadInput):  # a damaged dataset is told of with the descendants
            for share in lineage.shares(folder):
                known.setdefault(share.ancestor.track, (Named(share.ancestor.track, share.ancestor.name), ()))
    asked = [(name, _matches(name, list(known.values()), corpus)) for name in names]
    if not all(found for _, found in asked):
        with suppress(Unavailable):
            for track in ancestors_of_versions(workspace):
                known.setdefault(track.track, (track, ()))
        asked = [(name, found or _matches(name, list(known.values()), corpus)) for name, found in asked]
    return list(dict.fromkeys(_one(name, found, list(known.values())) for name, found in asked))


def _matches(name: str, known: Sequence[Known], corpus: Path | None) -> list[Named]:
    """The tracks of that name; else of that file; else of that id; else with the content of that file on the disk."""
    wanted = _normal(name)
    path = Path(name)
    file = _normal(_inside(path, corpus).as_posix())
    digits = name.lower().removeprefix("t:")
    is_id = re.fullmatch(rf"[0-9a-f]{{8,{_ID_DIGITS}}}", digits) is not None
    tests: list[Callable[[Named, tuple[str, ...]], bool]] = [
        lambda track, files: _normal(track.name) == wanted,
        lambda track, files: file in map(_normal, files),
        lambda track, files: is_id and track.track.startswith(digits),
    ]
    if path.is_file():
        content = _id_of_content(path)
        tests.append(lambda track, files: track.track == content)
    found = ([track for track, files in known if test(track, files)] for test in tests)
    return next(filter(None, found), [])


def _inside(path: Path, corpus: Path | None) -> Path:
    if corpus is None or not path.resolve().is_relative_to(corpus.resolve()):
        return path
    return path.resolve().relative_to(corpus.resolve())


def _one(name: str, found: Sequence[Named], known: Sequence[Known]) -> Named:
    if len(found) == 1:
        return found[0]
    if found:
        raise BadParams(f"track {name!r}: it may be {' or '.join(map(str, found[:_MOST_LISTED]))}; give more of the id")
    spellings = {text for track, files in known for text in (track.name, *files)}
    close = difflib.get_close_matches(name, spellings, n=3)
    hint = f"did you mean {' or '.join(close)}?" if close else "`data/labels.csv` lists all of them"
    raise BadParams(f"track {name!r}: no name, no file and no id (8 digits or more) of a track is like that; {hint}")


def _rows(workspace: Workspace) -> list[CatalogueRow]:
    """The catalogue, empty before the first survey."""
    try:
        return catalogue.read(workspace.data)
    except BadInput as error:
        if error.reason == "no catalogue":
            return []
        raise


def _notes(stone: Tombstone, rows: dict[str, CatalogueRow], corpus: Path) -> list[Tombstone]:
    """Tombstones of the notes beside a recording, but of none that are a track themselves."""
    files = json.loads(rows[stone.track].files)
    made = []
    for role in CONTENT_ROLES:
        path = corpus / files.get(role, "")
        if role in files and path.is_file() and (content := _id_of_content(path)) not in {*rows, stone.track}:
            made.append(Tombstone(content, f"{stone.name} ({role})", stone.when, stone.why, stone.who))
    return made


def _is_beside(stone: Tombstone, chosen: Sequence[Named]) -> bool:
    return any(stone.name == f"{track.name} ({role})" for track in chosen for role in CONTENT_ROLES)


def _id_of_content(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:_ID_DIGITS]


def _normal(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _who() -> str:
    with suppress(OSError, KeyError, ImportError):
        return getpass.getuser()
    return ""


def _named(stone: Tombstone) -> str:
    return str(Named(stone.track, stone.name))
