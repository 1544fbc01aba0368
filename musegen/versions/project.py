"""The workspace as a DVC project: start it, what has changed since it was recorded, record it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dvc.repo import Repo
from dvc.scm import NoSCMError, SCMError, map_scm_exception

from musegen.versions.objects import outputs, target
from musegen.versions.session import quieten, visit
from musegen.workspace import Workspace

_CONFIG = """\
[core]
    analytics = false
    remote = local
['remote "local"']
    url = ../.musegen/remote
    verify = true
"""
_LINKED = {"hardlink", "symlink"}


def start(workspace: Workspace) -> None:
    """Make the workspace a DVC project if it is none yet: with git where the folder is a checkout, else alone.

    The default remote is a folder in `.musegen/`; `dvc remote modify local url s3://…` moves it.
    """
    quieten()
    settings = workspace.root / ".dvc" / "config"
    with_git = (workspace.root / ".git").exists()
    if settings.exists():
        if not with_git:
            _leave_git_out(settings)
        return
    Repo.init(str(workspace.root), no_scm=not with_git, force=settings.parent.exists()).close()
    # Written as text: DVC's own editor would turn the remote's place into a path of this machine.
    settings.write_text(
        _CONFIG if with_git else _CONFIG.replace("[core]", "[core]\n    no_scm = True"), encoding="utf-8"
    )


def _leave_git_out(settings: Path) -> None:
    """A checkout that came as an archive has DVC's settings, but no git."""
    of_this_copy = settings.with_name("config.local")
    if "no_scm" not in settings.read_text(encoding="utf-8") and not of_this_copy.exists():
        of_this_copy.write_text("[core]\n    no_scm = True\n", encoding="utf-8")


def changes(workspace: Workspace, stage: str) -> list[str]:
    """Why `stage` ought to run, in words; empty when it is recorded and nothing it depends on has changed."""
    status: dict[str, Any] = visit(workspace, lambda repo: repo.status(targets=[target(stage)]))
    return [words for entries in status.values() for entry in entries for words in _words(entry)]


def record(workspace: Workspace, stages: Sequence[str]) -> None:
    """Write the present outputs and parameters of `stages` to dvc.lock and the cache, as if DVC had run them."""

    def work(repo: Repo) -> None:
        # Linking the workspace to the cache takes each file away for a moment, and a kill then loses it: only where
        # the user wants links.
        relink = bool(_LINKED & set(repo.cache.local.cache_types))
        for stage in stages:
            repo.commit(target(stage), force=True, relink=relink)

    visit(workspace, work)


def recorded(workspace: Workspace) -> dict[str, str]:
    """The outputs that dvc.lock names, by their paths, with the MD5 that it gives them (a folder's ends in `.dir`)."""
    return visit(workspace, lambda repo: {out.path: out.oid for out in outputs(repo)})


def code_revision(workspace: Workspace) -> str:
    """The git commit of the workspace, `"none"` where it is no checkout, DVC does not use it, or it has no commit."""
    if not (workspace.root / ".git").exists() or not (workspace.root / ".dvc").exists():
        return "none"
    return visit(workspace, _revision)


def _revision(repo: Repo) -> str:
    try:
        with map_scm_exception():
            return str(repo.scm.get_rev())
    except (SCMError, NoSCMError):
        return "none"


def _words(entry: Any) -> list[str]:
    if isinstance(entry, str):
        return [entry]
    return [
        f"{name} is {state}"
        if isinstance(state, str)
        else f"{name}: " + ", ".join(f"{k} is {s}" for k, s in state.items())
        for kind in entry.values()
        for name, state in kind.items()
    ]
