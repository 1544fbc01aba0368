"""Pulling, and whether what lies in the workspace is what dvc.lock says.

DVC hands out what its cache holds, harmed or not, and clears away a whole folder when one of its files can't be had.
So the cache is filled first, the workspace is touched only when the cache lacks nothing, and every file is read
afterwards.
"""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from dvc.exceptions import DownloadError
from dvc.repo import Repo
from dvc_objects.errors import ObjectFormatError

from musegen.errors import Unavailable
from musegen.versions.objects import Recorded, contents, is_right, lies_right, named, outputs, several, target
from musegen.versions.session import visit
from musegen.workspace import Workspace

_REMEDY = "push it from where it is whole, or make it again with `musegen prepare`"


def pull(workspace: Workspace, stages: Sequence[str] = ()) -> None:
    """Bring the recorded outputs back from the remote, of all stages or of some, and check every file.

    A harmed object in the cache is fetched again. Raises `Unavailable`, naming the files, where the remote has no right
    copy either; what is harmed then does not lie in the workspace. A dataset is checked against its own manifest too.
    """
    visit(workspace, lambda repo: _pull(repo, stages))


def check_workspace(workspace: Workspace) -> list[str]:
    """Every recorded file that is missing or other than dvc.lock says, in words; files are read, times not trusted."""

    def work(repo: Repo) -> list[str]:
        items = contents(outputs(repo), repo.cache.local)
        lost = [item for item in items if item.is_list and not is_right(repo.cache.local, item)]
        return [f"{item}: the cache lacks it; run `musegen pull`" for item in lost] + [
            f"{item}: it is not what dvc.lock records; run `musegen pull`, or record it if it is meant"
            for item in _lying_wrong(repo, items)
        ]

    return visit(workspace, work)


def _pull(repo: Repo, stages: Sequence[str]) -> None:
    targets = [target(stage) for stage in stages] or None
    outs = outputs(repo, stages)
    for item in outs:
        if item.is_list:
            _drop_if_harmed(repo, item)
    with suppress(DownloadError, ObjectFormatError):  # what is still missing is named below
        repo.fetch(targets)
    _fetch_again(repo, outs)
    items = contents(outs, repo.cache.local)
    _fetch_again(repo, items)
    repo.checkout(targets)
    wrong = _lying_wrong(repo, items)
    if wrong:
        for item in wrong:
            (Path(repo.root_dir) / item.path).unlink(missing_ok=True)
            _drop_if_harmed(repo, item)
        _fetch_again(repo, wrong)
        repo.checkout(targets)
        wrong = _lying_wrong(repo, items)
    if wrong:
        raise Unavailable(f"{named(wrong)}: harmed after it was fetched twice; check the disk of {repo.root_dir}")
    _check_manifests(repo, outs)


def _lying_wrong(repo: Repo, items: Sequence[Recorded]) -> list[Recorded]:
    files = [item for item in items if not item.is_list]
    return [item for item, right in zip(files, several(partial(lies_right, repo), files), strict=True) if not right]


def _drop_if_harmed(repo: Repo, item: Recorded) -> None:
    if not is_right(repo.cache.local, item):
        with suppress(FileNotFoundError):
            repo.cache.local.delete(item.oid)


def _fetch_again(repo: Repo, items: Sequence[Recorded]) -> None:
    """Copy what the cache lacks straight from the remote, past DVC's index of it.

    Raises `Unavailable` where the remote has no right copy.
    """
    cache = repo.cache.local
    missing = [item for item in items if not cache.exists(item.oid)]
    if not missing:
        return
    remote = repo.cloud.get_remote_odb()
    for item in missing:
        with suppress(FileNotFoundError):
            cache.add(remote.oid_to_path(item.oid), remote.fs, item.oid, check_exists=False, verify=False)
        _drop_if_harmed(repo, item)
    lost = [item for item in missing if not cache.exists(item.oid)]
    if lost:
        raise Unavailable(f"{named(lost)}: the remote lacks it, or holds it harmed; {_REMEDY}")


def _check_manifests(repo: Repo, outs: Sequence[Recorded]) -> None:
    from musegen.shards import manifest, reader  # Arrow is slow to load, and only a pull needs it

    for out in outs:
        folder = Path(repo.root_dir) / out.path
        problems = reader.verify(folder) if (folder / manifest.MANIFEST).exists() else []
        if problems:
            raise Unavailable(f"{out.path}: it was recorded damaged ({'; '.join(problems[:3])}); {_REMEDY}")
