"""A dataset goes to the remote only as its own manifest says.

DVC records whatever lies in the workspace: of a shard that was harmed before, the harm. So what is recorded is checked
by the SHA-256 that the manifest has of each shard; where the shards lie elsewhere, there.
"""

import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from dvc.repo import Repo

from musegen.errors import Unavailable
from musegen.versions.objects import Recorded, contents, outputs
from musegen.workspace import Workspace

_FILE = "datasets_checked.json"
_NAMED = 3


def refuse_damaged(workspace: Workspace, repo: Repo, mend: Callable[[Repo, Recorded], bool]) -> None:
    """Raise `Unavailable`, naming the shards, where a recorded dataset is not what its manifest says.

    Each is read once for every hash that DVC records of it; what was right is remembered in `.musegen/`. `mend` sees
    that the cache has an object right; a dataset of which it can't is for the push to tell of.
    """
    file = workspace.hidden / _FILE
    known, lists = _read(file), [out for out in outputs(repo) if out.is_list]
    for out in lists:
        if known.get(out.path) == out.oid:
            continue
        problems = _problems(repo, out, mend)
        if problems:
            raise Unavailable(
                f"{out.path}: it was recorded damaged ({'; '.join(problems[:_NAMED])}); "
                "run `musegen prepare --mend`, then push again"
            )
        if problems is not None:
            known[out.path] = out.oid
            _write(file, {each.path: known[each.path] for each in lists if each.path in known})


def _problems(repo: Repo, out: Recorded, mend: Callable[[Repo, Recorded], bool]) -> list[str] | None:
    """What is wrong with the recorded dataset; None for a folder that is none, or is not whole here."""
    from musegen.shards import elsewhere, manifest, reader  # Arrow is slow to load, and most pushes need it not

    items = contents([out], repo.cache.local)[1:]
    files = {item.path.removeprefix(f"{out.path}/"): item for item in items}
    if not {manifest.MANIFEST, manifest.POINTER} & files.keys() or not all(mend(repo, item) for item in items):
        return None
    with TemporaryDirectory() as folder:
        for path, item in files.items():
            link = Path(folder, path)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(Path(repo.cache.local.oid_to_path(item.oid)).absolute())
        problems = [*reader.verify(elsewhere.place_of(Path(folder))), *elsewhere.moved_on(Path(folder))]
        return [problem.replace(f"{folder}/", "") for problem in problems]


def _read(file: Path) -> dict[str, str]:
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def _write(file: Path, known: dict[str, str]) -> None:
    from musegen.shards.store import FolderStore

    FolderStore(file.parent).write_bytes(file.name, json.dumps(known, sort_keys=True).encode())
