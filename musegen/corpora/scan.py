"""Everything below a folder in one pass of `scandir`: plain files, and why each other entry is none of them."""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from musegen.corpora import names
from musegen.errors import BadInput

_SPECIAL = {
    stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFBLK: "a device", stat.S_IFCHR: "a device",
}  # fmt: skip


class PlainFile(NamedTuple):
    """A regular file with an ordinary name; `folder` is relative to the corpus, with `/`, empty for its top."""

    folder: str
    name: str
    path: Path


@dataclass
class Scan:
    """Plain files below `root` in order of their folders and names; `ignored` and `refused` as in `Found`."""

    root: Path
    files: list[PlainFile] = field(default_factory=list)
    ignored: dict[Path, str] = field(default_factory=dict)
    refused: dict[Path, BadInput] = field(default_factory=dict)


class _Folder(NamedTuple):
    path: str
    inside: str
    junk: str | None
    readable_name: bool


def scan(root: Path) -> Scan:
    """Every entry below `root` that is no folder, once; links are not followed.

    Raises `BadInput` where `root` is no folder or can't be listed; a folder inside that can't is in `refused`.
    """
    if not root.is_dir():
        raise BadInput(f"{root}: there is no such folder; give the folder that holds the recordings", "no folder")
    found = Scan(root)
    real_root = os.path.realpath(root)
    waiting = [_Folder(str(root), "", None, True)]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder.path) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            problem = f"it can't be listed ({error.strerror}); see to its rights"
            if not folder.inside:
                raise BadInput(f"{root}: {problem}", "unreadable", root) from error
            _refuse(found, Path(folder.path), problem, "unreadable")
            continue
        inner = []
        for entry in entries:
            try:
                inner.append(_add(found, entry, folder, real_root))
            except OSError as error:
                _refuse(
                    found, Path(entry.path), f"it can't be looked at ({error.strerror}); see to its disk", "unreadable"
                )
        waiting += [below for below in reversed(inner) if below is not None]
    return found


def _add(found: Scan, entry: os.DirEntry[str], folder: _Folder, real_root: str) -> _Folder | None:
    """File `entry` where it belongs; a folder is returned, to be listed as well."""
    name = entry.name
    readable_name = folder.readable_name and (name.isascii() or _is_utf8(name))
    if entry.is_dir(follow_symlinks=False):
        inside = f"{folder.inside}/{name}" if folder.inside else name
        return _Folder(entry.path, inside, folder.junk or names.junk_folder(name), readable_name)
    path = Path(entry.path)
    junk = folder.junk or names.junk(name)
    if entry.is_symlink():
        found.ignored[path] = _about_link(entry.path, real_root)
    elif junk is not None:
        found.ignored[path] = junk
    elif not entry.is_file(follow_symlinks=False):
        what = _SPECIAL.get(stat.S_IFMT(entry.stat(follow_symlinks=False).st_mode), "something else")
        if names.part_of(name):
            _refuse(found, path, f"it is {what}, not a file; remove it or put a file in its place", "not a file")
        else:
            found.ignored[path] = f"{what}, not a regular file"
    elif not readable_name:
        if names.part_of(name):
            _refuse(found, path, "its name or its folder's is not UTF-8; rename it", "bad name")
        else:
            found.ignored[path] = "its name is not UTF-8"
    else:
        found.files.append(PlainFile(folder.inside, name, path))
    return None


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse(found: Scan, path: Path, problem: str, reason: str) -> None:
    found.refused[path] = BadInput(problem, reason, path)


def _about_link(path: str, real_root: str) -> str:
    """Where a link leads, as far as that is a reason not to take it."""
    try:
        target = os.path.realpath(path, strict=True)
    except FileNotFoundError:
        return "a link that leads nowhere"
    except OSError as error:
        return f"a link that can't be followed ({error.strerror})"
    if target != real_root and not target.startswith(real_root + os.sep):
        return "a link that leads out of the corpus; put the file itself into the folder"
    inside = Path(target).relative_to(real_root)
    if any(part.startswith(".") for part in inside.parts):
        return "a link to a hidden file (annexed or cached); put the file itself into the folder"
    if Path(target).is_dir():
        return "a link to a folder of the corpus, which is looked at itself"
    if names.part_of(Path(path).name) and not names.part_of(inside.name):
        return "a link to a file whose name has no ending of music; put the file itself here"
    return f"a link to {names.shown(inside.as_posix())}, which is in the corpus itself"
