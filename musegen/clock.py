"""Where the time goes, by the names of the steps."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """Seconds of this process's own time (user and system), summed by step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Count the block under `name`; steps do not nest."""
        start = time.process_time()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - start
