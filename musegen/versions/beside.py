"""Recorded data brought into a workspace beside the one they were made in, which stays as it is."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dvc.repo import Repo

from musegen.errors import Unavailable
from musegen.versions.project import start
from musegen.versions.pulling import pull
from musegen.versions.session import visit
from musegen.workspace import Workspace

_CACHE = "cache-beside"


def bring(workspace: Workspace, owner: Workspace, stages: Sequence[str]) -> None:
    """Make `workspace` a DVC project with the remotes of `owner`, and pull what its dvc.lock names of `stages`.

    The cache of `owner` is read first, as if it were a remote; both are laid out alike. Raises `Unavailable`, naming
    what is missing, where neither has all of it.
    """
    start(workspace)
    remotes, usual = visit(owner, _remotes)
    problems = []
    for name in filter(None, (_CACHE, usual)):
        _use(workspace, remotes, name)
        try:
            pull(workspace, stages)
            break
        except Unavailable as error:
            problems.append(f"{remotes[name]['url']}: {error}")
    else:
        raise Unavailable("; ".join(problems))
    _use(workspace, remotes, usual)


def _remotes(repo: Repo) -> tuple[dict[str, Any], str | None]:
    """The remotes with their settings, paths absolute, the cache as one of them; and the name of the usual one."""
    cache = Path(repo.cache.local.path).parent.parent  # its objects lie in files/md5, as those of a remote do
    remotes = {name: dict(settings) for name, settings in repo.config["remote"].items()}
    return {**remotes, _CACHE: {"url": str(cache), "verify": True}}, repo.config["core"].get("remote")


def _use(workspace: Workspace, remotes: Mapping[str, Any], usual: str | None) -> None:
    """Write the remotes into the settings that are of this machine alone: they may hold passwords."""

    def work(repo: Repo) -> None:
        with repo.config.edit("local") as settings:
            settings["remote"] = dict(remotes)
            settings["core"] = {"remote": usual} if usual else {}

    visit(workspace, work)
