"""Progress of long work in the terminal: a bar for people, a line now and then for logs."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_LINE_SECONDS = 20.0


class Tell(Protocol):
    """How work says how far it is: `done` of `total` units, and what it does in `words`."""

    def __call__(self, done: int, total: int, words: str = "") -> None: ...


@contextmanager
def bar(description: str, unit: str) -> Iterator[Tell]:
    """A bar on stderr, moved by what this yields."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit),
               TimeRemainingColumn(), TextColumn("{task.fields[words]}"))  # fmt: skip
    printed = time.monotonic()
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bars:
        task = bars.add_task(description, total=None, words="")

        def tell(done: int, total: int, words: str = "") -> None:
            nonlocal printed
            bars.update(task, completed=done, total=total, words=words)
            now = time.monotonic()
            if not console.is_terminal and now - printed > _LINE_SECONDS:
                console.print(f"{description}: {done}/{total} {unit} {words}".rstrip(), highlight=False)
                printed = now

        yield tell
