"""The layouts by their names, and which of them a folder has."""

import re
from pathlib import Path

from musegen.corpora import mirdata, pop909, tables
from musegen.corpora.base import Found, Loader, Reading
from musegen.corpora.folder import FolderLayout
from musegen.corpora.names import AUDIO, part_of
from musegen.corpora.scan import PlainFile, scan
from musegen.errors import BadParams
from musegen.track import Said, Track

_MAESTRO = re.compile(r"maestro.*\.(csv|json)", re.IGNORECASE)
_GROOVE_COLUMNS = frozenset({"drummer", "session", "midi_filename"})
_AUDIOCRAFT = frozenset({"data.jsonl", "data.jsonl.gz"})


class _Auto:
    """Whatever `detect` says."""

    def find(self, root: Path) -> Found:
        return LOADERS[detect(root)].find(root)

    def read(self, track: Track) -> Reading:
        # It reads every role, those of its own annotations included.
        return pop909.read(track)


LOADERS: dict[str, Loader] = {
    "auto": _Auto(),
    "folder": FolderLayout(),
    "table": FolderLayout(tables.is_table),
    "maestro": FolderLayout(
        lambda name: tables.is_table(name) or bool(_MAESTRO.fullmatch(name)), Said("maestro", style="classical")
    ),
    "groove": FolderLayout(tables.is_table),
    "audiocraft": FolderLayout(tables.is_table),
    "pop909": pop909,
}
"""Every layout that goes by the names of files. All but `folder` read general tables besides their own."""

LAYOUTS = tuple(LOADERS)
"""What a person may ask for, besides `mirdata:NAME`."""


def loader(layout: str) -> Loader:
    """The loader of a layout; raises `BadParams` for an unknown one."""
    if layout.startswith(mirdata.PREFIX):
        return mirdata.data_set(layout.removeprefix(mirdata.PREFIX))
    if layout not in LOADERS:
        raise BadParams(f"layout {layout!r}: unknown; choose one of {', '.join(LAYOUTS)} or {mirdata.PREFIX}NAME")
    return LOADERS[layout]


def detect(root: Path) -> str:
    """The layout of the folder `root`, by names and, for tables, their first line; `folder` where nothing else fits.

    Tables of MAESTRO, Groove and AudioCraft count at the top of the folder alone: elsewhere they are tables among
    others. Raises `BadInput` as `find` does.
    """
    files = scan(root).files
    if _is_pop909(files):
        return "pop909"
    at_top = {file.name: file.path for file in files if not file.folder}
    if _AUDIOCRAFT & at_top.keys():
        return "audiocraft"
    if any(_MAESTRO.fullmatch(name) for name in at_top):
        return "maestro"
    if "info.csv" in at_top and _GROOVE_COLUMNS.issubset(tables.columns(at_top["info.csv"]) or ()):
        return "groove"
    candidates = (file for file in files if tables.is_table(file.name))
    return "table" if any(map(_is_about_tracks, candidates)) else "folder"


def _is_about_tracks(file: PlainFile) -> bool:
    """By its columns; one that can't be read, by its name, so that it is refused rather than passed over."""
    known = tables.columns(file.path)
    return tables.is_metadata(file.name) if known is None else tables.names_tracks(known)


def _is_pop909(files: list[PlainFile]) -> bool:
    """Whether most pieces have its annotations, versions of songs aside."""
    pieces = annotations = 0
    for file in files:
        part = part_of(file.name)
        annotations += pop909.is_annotation(file.name)
        pieces += part is not None and part[1] in (AUDIO, "midi") and not file.folder.endswith("/versions")
    return annotations > 0 and 2 * annotations >= pieces
