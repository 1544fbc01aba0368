"""Progress of long work: a bar in the terminal, and an artifact in Prefect."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.context import FlowRunContext

from musegen import terminal
from musegen.terminal import Tell

_ARTIFACT_SECONDS = 2.0
_log = logging.getLogger(__name__)


class Artifacts:
    """Makes artifacts, and lets no work fail by them: where Prefect is away, that is said once, and there are none."""

    def __init__(self) -> None:
        self._said = False

    def make(self, call: Callable[[], object]) -> object:
        """What the call returns, None where it failed."""
        try:
            return call()
        except Exception as error:  # whatever it is, the work goes on
            if not self._said:
                _log.warning("Prefect takes no artifact (%s); the work goes on", str(error) or type(error).__name__)
            self._said = True
            return None


@contextmanager
def shown(description: str, unit: str) -> Iterator[Tell]:
    """Both are moved by what this yields."""
    artifact: UUID | None = None
    artifacts = Artifacts()
    told = time.monotonic()
    with terminal.bar(description, unit) as bar:

        def tell(done: int, total: int, words: str = "") -> None:
            nonlocal artifact, told
            bar(done, total, words)
            now = time.monotonic()
            if FlowRunContext.get() is None or not (done >= total or now - told > _ARTIFACT_SECONDS):
                return
            told, share = now, 100.0 * done / max(total, 1)
            if artifact is None:
                made = artifacts.make(lambda: create_progress_artifact(share, description=f"{description} ({unit})"))
                artifact = made if isinstance(made, UUID) else None
            else:
                known = artifact
                artifacts.make(lambda: update_progress_artifact(known, share))

        yield tell
