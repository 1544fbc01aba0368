"""The only door to DVC: is a stage stale, record it, push and pull its outputs.

Flows run in process and DVC records: after a recorded run `dvc status` is clean and `dvc repro` has nothing to do.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager
from typing import Any

from dvc.exceptions import CheckoutError, DvcException
from dvc.lock import LockError
from dvc.repo import Repo
from dvc.rwlock import RWLockFileCorruptedError
from dvc.scm import NoSCMError, SCMError, map_scm_exception

from musegen.errors import Unavailable
from musegen.workspace import Workspace

_CONFIG = """\
[core]
    analytics = false
    remote = local
['remote "local"']
    url = ../.musegen/remote
    verify = true
"""


def start(workspace: Workspace) -> None:
    """Make the workspace a DVC project if it is none yet: with git where the folder is a checkout, else alone.

    The default remote is a folder in `.musegen/`; `dvc remote modify local url s3://…` moves it.
    """
    logging.getLogger("dvc").setLevel(logging.ERROR)
    settings = workspace.root / ".dvc" / "config"
    if settings.exists():
        return
    with_git = (workspace.root / ".git").exists()
    Repo.init(str(workspace.root), no_scm=not with_git, force=settings.parent.exists()).close()
    # Written as text: DVC's own editor would turn the remote's place into a path of this machine.
    settings.write_text(
        _CONFIG if with_git else _CONFIG.replace("[core]", "[core]\n    no_scm = True"), encoding="utf-8"
    )


def changes(workspace: Workspace, stage: str) -> list[str]:
    """Why `stage` ought to run, in words; empty when it is recorded and nothing it depends on has changed."""
    with _repo(workspace) as repo:
        status: dict[str, Any] = repo.status(targets=[_target(stage)])
    return [words for entries in status.values() for entry in entries for words in _words(entry)]


def record(workspace: Workspace, stages: Sequence[str]) -> None:
    """Write the present outputs and parameters of `stages` to dvc.lock and the cache, as if DVC had run them."""
    with _repo(workspace) as repo:
        for stage in stages:
            repo.commit(_target(stage), force=True)


def push(workspace: Workspace) -> int:
    """Send what the remote lacks; returns how many objects."""
    with _repo(workspace) as repo:
        return int(repo.push())


def pull(workspace: Workspace, stages: Sequence[str] = ()) -> None:
    """Bring the recorded outputs back from the remote."""
    with _repo(workspace) as repo:
        repo.pull(targets=[_target(stage) for stage in stages] or None)


def code_revision(workspace: Workspace) -> str:
    """The git commit of the workspace, `"none"` where it is no checkout, DVC does not use it, or it has no commit."""
    if not (workspace.root / ".git").exists() or not (workspace.root / ".dvc").exists():
        return "none"
    with _repo(workspace) as repo:
        try:
            with map_scm_exception():
                return str(repo.scm.get_rev())
        except (SCMError, NoSCMError):
            return "none"


def _target(stage: str) -> str:
    """The stage by its file: a bare name that DVC does not know, it takes for a file or a pattern."""
    return f"dvc.yaml:{stage}"


@contextmanager
def _repo(workspace: Workspace) -> Iterator[Repo]:
    try:
        # DVC resolves some paths against the folder one stands in, which may be another project's.
        with chdir(workspace.root), Repo(str(workspace.root)) as repo:
            yield repo
    except LockError as error:
        raise Unavailable(f"{workspace.root}: another DVC command holds the lock; wait for it, or stop it") from error
    except RWLockFileCorruptedError as error:
        raise Unavailable(f"{workspace.root}: a DVC command was killed; delete .dvc/tmp/rwlock") from error
    except CheckoutError as error:
        raise Unavailable(
            f"{workspace.root}: the remote lacks recorded data ({error}); push it from where it is"
        ) from error
    except DvcException as error:
        raise Unavailable(f"{workspace.root}: DVC failed ({error})") from error


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
