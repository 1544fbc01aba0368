"""Progress of long work: a bar in the terminal, and an artifact in Prefect."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.context import FlowRunContext

from musegen import terminal
from musegen.terminal import Tell

_ARTIFACT_SECONDS = 2.0


@contextmanager
def shown(description: str, unit: str) -> Iterator[Tell]:
    """Both are moved by what this yields."""
    artifact: UUID | None = None
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
                made = create_progress_artifact(share, description=f"{description} ({unit})")
                artifact = made if isinstance(made, UUID) else None
            else:
                update_progress_artifact(artifact, share)

        yield tell
