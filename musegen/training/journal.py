"""The journal of a run: what training told, a JSON line a word, for whoever wants to follow or tell it on.

After a run has gone on, steps may stand there twice, those behind its checkpoint being done again: the last one counts.
"""

import json
import os
from pathlib import Path

from musegen.training.progress import Progress


def append(path: Path, progress: Progress) -> None:
    """Add one line, which is with the system when this returns; what a kill left of a line before it is closed off."""
    with path.open("ab+") as file:
        size = file.seek(0, os.SEEK_END)
        torn = False
        if size:
            file.seek(size - 1)
            torn = file.read() != b"\n"
        file.write(b"\n" * torn + json.dumps(progress.to_json()).encode() + b"\n")


def read(path: Path, offset: int = 0) -> tuple[list[Progress], int]:
    """The words from byte `offset` on, and the offset behind the last whole line; none where there is no journal.

    A line that is not yet whole is left for later; one that a kill tore is passed over.
    """
    try:
        with path.open("rb") as file:
            file.seek(offset)
            content = file.read()
    except FileNotFoundError:
        return [], offset
    whole = content[: content.rfind(b"\n") + 1]
    words = []
    for line in whole.splitlines():
        try:
            words.append(Progress.of_json(json.loads(line)))
        except (ValueError, TypeError, AttributeError):
            continue
    return words, offset + len(whole)
