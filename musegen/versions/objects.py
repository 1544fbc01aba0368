"""The objects that dvc.lock names, and whether a copy of one is right.

DVC keeps a file under the MD5 of its content, and a folder as the list of its files, a JSON file under its own MD5 and
`.dir` (https://dvc.org/doc/user-guide/project-structure/internal-files). A copy is right when its bytes have that MD5:
they are read, as DVC's own answers trust a read-only file, the time of a file, and its index of the remote.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from dvc.fs import localfs
from dvc.repo import Repo

READERS = 4  # reading waits for the disk or the network most of the time
_LIST = ".dir"
_NAMED = 5

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, order=True)
class Recorded:
    """An object: `path` in the workspace, `oid` its name in cache and remote."""

    path: str
    oid: str

    @property
    def is_list(self) -> bool:
        """Whether it is the list of a folder's files, which does not lie in the workspace."""
        return self.oid.endswith(_LIST)

    @property
    def md5(self) -> str:
        """Of its bytes."""
        return self.oid.removesuffix(_LIST)

    def __str__(self) -> str:
        return f"{self.path} (the list of its files)" if self.is_list else self.path


def target(stage: str) -> str:
    """The stage by its file: a bare name that DVC does not know, it takes for a file or a pattern."""
    return f"dvc.yaml:{stage}"


def outputs(repo: Repo, stages: Sequence[str] = ()) -> list[Recorded]:
    """The recorded outputs that are kept in cache and remote, of all stages or of some, ordered by path.

    Outputs that name a remote of their own are DVC's alone.
    """
    return sorted(
        Recorded(Path(out.fs_path).relative_to(repo.root_dir).as_posix(), out.hash_info.value)
        for stage in repo.index.stages
        for out in stage.outs
        if not stages or getattr(stage, "name", None) in stages
        if out.hash_info and out.use_cache and out.can_push and not out.remote
    )


def contents(outs: Iterable[Recorded], *stores: Any) -> list[Recorded]:
    """The outputs and, after each folder, its files; a folder is as good as empty where no store has its list right."""
    return [each for out in outs for each in (out, *(_listed(out, stores) if out.is_list else ()))]


def _listed(folder: Recorded, stores: Sequence[Any]) -> Iterator[Recorded]:
    for store in stores:
        if is_right(store, folder):
            with store.fs.open(store.oid_to_path(folder.oid), "rb") as file:
                entries = json.load(file)
            yield from (Recorded(f"{folder.path}/{entry['relpath']}", entry["md5"]) for entry in entries)
            return


def is_right(store: Any, item: Recorded) -> bool:
    """Whether the cache or remote `store` holds the object, unharmed."""
    return md5(store.fs, store.oid_to_path(item.oid)) == item.md5


def lies_right(repo: Repo, item: Recorded) -> bool:
    """Whether the file lies in the workspace, unharmed; a folder's list never does."""
    return not item.is_list and md5(localfs, str(Path(repo.root_dir) / item.path)) == item.md5


def md5(fs: Any, path: str) -> str | None:
    """Of the file's bytes; None where there is none."""
    try:
        with fs.open(path, "rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        return None


def several(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """What `work` returns for each, some at a time."""
    with ThreadPoolExecutor(READERS) as pool:
        return list(pool.map(work, items))


def named(items: Iterable[Recorded]) -> str:
    """The first of the items in words, and how many more there are."""
    names = sorted({str(item) for item in items})
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
