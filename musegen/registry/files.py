"""The files of a version and their hashes."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from musegen.errors import BadInput

FILES = "files.json"


def hashes_of(folder: Path) -> dict[str, str]:
    """sha256 of every file below `folder` but the list itself, by its relative path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / FILES)
    return {file.relative_to(folder).as_posix(): _hash_of(file) for file in files}


def write_hashes(folder: Path) -> dict[str, str]:
    """Write the list of hashes into `folder`, and return it."""
    hashes = hashes_of(folder)
    (folder / FILES).write_text(json.dumps(hashes, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return hashes


def check_files(folder: Path, expected: str) -> None:
    """Raise `BadInput` unless the files of `folder` are those whose combined hash is `expected`."""
    hashes = hashes_of(folder)
    if digest(hashes) == expected:
        return
    try:
        listed: dict[str, str] = json.loads((folder / FILES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        listed = {}
    wrong = sorted(name for name in {*hashes, *listed} if hashes.get(name) != listed.get(name)) or [FILES]
    raise BadInput(f"{folder}: {', '.join(wrong)} is not what was registered; delete the folder to fetch it again")


def _hash_of(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def digest(hashes: Mapping[str, str]) -> str:
    """One hash for all of them."""
    return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()
