"""One visit to DVC: waits while others hold its locks, clears what killed commands left, and explains its errors."""

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from dvc.exceptions import CheckoutError, DownloadError, DvcException, UploadError
from dvc.fs import LocalFileSystem
from dvc.lock import LockError
from dvc.repo import Repo
from dvc.rwlock import RWLockFileCorruptedError, RWLockFileFormatError
from dvc.stage.exceptions import StageNotFound
from dvc_objects.errors import ObjectFormatError

from musegen.errors import BadParams, Unavailable
from musegen.versions.leftovers import clear
from musegen.workspace import Workspace

PATIENCE_SECONDS = 60.0
_PAUSE_SECONDS = 0.2
_DAMAGED_LOCKS = (RWLockFileCorruptedError, RWLockFileFormatError, UnicodeDecodeError)

Result = TypeVar("Result")


class WholeFiles(LocalFileSystem):  # type: ignore[misc]
    """DVC's file system, but text appears whole or not at all: a kill leaves no half of dvc.lock or of the rwlock."""

    def open(self, path: str, mode: str = "r", **options: Any) -> Any:
        if mode in ("w", "w+"):
            return _replaced(Path(path), options.get("encoding"))
        return super().open(path, mode, **options)


@contextmanager
def _replaced(path: Path, encoding: str | None) -> Iterator[Any]:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding=encoding) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def quieten() -> None:
    """Keep what DVC tells of its work off the terminal; what went wrong it still says."""
    logging.getLogger("dvc").setLevel(logging.ERROR)


def visit(workspace: Workspace, work: Callable[[Repo], Result]) -> Result:
    """What `work` returns; it is done again, for up to `PATIENCE_SECONDS`, while another command holds DVC's locks.

    Raises `BadParams` where dvc.yaml lacks a stage, `Unavailable` for all else that DVC can not do.
    """
    quieten()
    until = time.monotonic() + PATIENCE_SECONDS
    with _explained(workspace.root):
        while True:
            # DVC resolves some paths against the folder one stands in, which may be another project's.
            with chdir(workspace.root), Repo(str(workspace.root), fs=WholeFiles()) as repo:
                try:
                    return work(repo)
                except (*_DAMAGED_LOCKS, LockError):
                    if not clear(repo) and time.monotonic() > until:
                        raise
            time.sleep(_PAUSE_SECONDS)


@contextmanager
def _explained(root: Path) -> Iterator[None]:
    try:
        yield
    except LockError as error:
        raise Unavailable(f"{root}: another DVC command holds the lock; wait for it, or stop it") from error
    except StageNotFound as error:
        raise BadParams(
            f"{root / 'dvc.yaml'}: it lacks a stage ({error}), as one of an earlier musegen does; "
            "make a fresh workspace with `musegen init` in another folder, and copy its dvc.yaml here"
        ) from error
    except CheckoutError as error:
        raise Unavailable(f"{root}: the remote lacks recorded data ({error}); push it from where it is") from error
    except UploadError as error:
        raise Unavailable(
            f"{root}: the remote did not take {error.amount} objects; see that it answers and has space, then push "
            "again"
        ) from error
    except DownloadError as error:
        raise Unavailable(
            f"{root}: the remote did not give {error.amount} objects; see that it answers, or push them from where "
            "they are"
        ) from error
    except (DvcException, ObjectFormatError, UnicodeDecodeError) as error:
        raise Unavailable(f"{root}: DVC failed ({error})") from error
    except OSError as error:
        raise Unavailable(f"{root}: a file can't be read or written ({error}); see to it, then run again") from error
