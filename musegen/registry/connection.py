"""How MLflow is reached: its client, its errors in our words, and one process at a time where that matters."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from mlflow.exceptions import MlflowException
from mlflow.store.db.utils import sqlalchemy  # its errors come through MLflow as they are
from mlflow.tracking import MlflowClient

from musegen.errors import Unavailable
from musegen.workspace import Workspace

_LOCK_SECONDS = 60
_AWAY = (MlflowException, OSError, sqlalchemy.exc.SQLAlchemyError)
# Errors of the place where a server keeps files come through as well, from libraries that need not be installed.
_STORES = {"boto3", "botocore", "s3transfer", "azure", "google", "urllib3"}


class Connection:
    """MLflow at `MLFLOW_TRACKING_URI`, by default a database in the workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        workspace.hidden.mkdir(parents=True, exist_ok=True)
        self.address = os.environ["MLFLOW_TRACKING_URI"]
        with answering(self.address):
            self.client = MlflowClient(self.address)


@contextmanager
def answering(address: str) -> Iterator[None]:
    """Turn whatever MLflow raises inside into `Unavailable`."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, _AWAY) and type(error).__module__.partition(".")[0] not in _STORES:
            raise
        words = str(error).partition("\n")[0]
        raise Unavailable(f"MLflow at {address}: {words}; see that it runs and try again") from error


def not_found(error: MlflowException) -> bool:
    """True where MLflow says that there is no such thing."""
    return error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


@contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Hold the lock inside; raises `Unavailable` after a minute."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(str(lock), timeout=_LOCK_SECONDS):
            yield
    except Timeout as error:
        raise Unavailable(f"{lock}: another process holds it; wait for it, or stop it") from error
