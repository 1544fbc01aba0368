"""What a loader is: two functions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from musegen.errors import BadInput
from musegen.labels import Labels
from musegen.track import Track

_JUNK = frozenset({"Thumbs.db", "desktop.ini"})


@dataclass(frozen=True)
class Found:
    """What `find` saw without opening a file: the tracks, and why each other file is none.

    `tracks` are in order of their names; `ignored` maps every other path to a reason. Every file of the folder is in
    exactly one place: a track's audio, a track's label, or ignored.
    """

    tracks: tuple[Track, ...]
    ignored: Mapping[Path, str] = field(default_factory=dict)


def unfit(path: Path, root: Path) -> str | None:
    """Why no loader takes this path, whatever its suffix; None where it is a plain file."""
    inside = path.relative_to(root)
    if path.is_symlink():
        return "a link; put the file itself into the folder"
    if any(part.startswith(".") for part in inside.parts) or path.name in _JUNK:
        return "hidden or system file"
    if not path.is_file():
        return "not a regular file"
    if any("\udc80" <= letter <= "\udcff" for letter in str(inside)):
        return "its name is not UTF-8; rename it"
    return None


def files_below(root: Path) -> list[Path]:
    """Everything below `root` that is no folder, links included, in order; raises `BadInput` without the folder."""
    if not root.is_dir():
        raise BadInput(f"{root}: there is no such folder; give the folder that holds the recordings", "no folder")
    return sorted(path for path in root.rglob("*") if path.is_symlink() or not path.is_dir())


class Loader(Protocol):
    """A corpus layout."""

    def find(self, root: Path) -> Found:
        """List the tracks below `root`; opens nothing."""

    def read(self, track: Track) -> Labels:
        """Read the labels of one track; raises `BadInput` where a label file can't be used."""
