"""What is already made: a journal in the folder, so that an interrupted call goes on where it was."""

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from musegen.corpora.scores import Source

MANIFEST = ".sample.json"
ENDINGS = (".flac", ".beats", ".mid")

# Raise it whenever the same arguments make other files than before.
_EDITION = 1
_SAVE_SECONDS = 1.0


@dataclass(frozen=True)
class Outcome:
    """What became of one source: its files with their sizes in bytes, or the reason why there are none."""

    style: str
    stem: str
    reason: str = ""
    seconds: float = 0.0
    sizes: tuple[int, ...] = ()

    def paths(self, folder: Path) -> list[Path]:
        """Its recording, beats and notes."""
        return [folder / self.style / (self.stem + ending) for ending in ENDINGS]

    def stands(self, folder: Path) -> bool:
        """True if its files are there as they were written; a skipped piece stays skipped."""
        if self.reason:
            return True
        paths = self.paths(folder)
        return all(path.is_file() for path in paths) and self.sizes == tuple(path.stat().st_size for path in paths)


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """All of a file or nothing of it; the temporary name ends as the final one, which says what to encode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


class Journal:
    """What is known of each source so far, kept in the folder's manifest."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._seed = seed
        self._saved = time.monotonic()
        self.outcomes: dict[str, Outcome] = {}
        self._load()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self._save()

    def has(self, source: Source) -> bool:
        """True if nothing is left to do for `source`."""
        return source.name in self.outcomes and self.outcomes[source.name].stands(self._folder)

    def add(self, source: Source, outcome: Outcome) -> None:
        """Remember; written at most once a second."""
        self.outcomes[source.name] = outcome
        if time.monotonic() - self._saved > _SAVE_SECONDS:
            self._save()

    def keep_only(self, sources: Sequence[Source]) -> None:
        """Forget all others and remove their files."""
        kept = {source.name for source in sources}
        self._remove([outcome for name, outcome in self.outcomes.items() if name not in kept])
        self.outcomes = {source.name: self.outcomes[source.name] for source in sources if source.name in self.outcomes}

    def _load(self) -> None:
        try:
            known = json.loads((self._folder / MANIFEST).read_text(encoding="utf-8"))
            pieces = known["pieces"].items()
            outcomes = {name: Outcome(**{**fields, "sizes": tuple(fields["sizes"])}) for name, fields in pieces}
        except (OSError, ValueError, KeyError, TypeError):
            return  # no manifest, or a damaged one: the pieces are made again and come out the same
        if (known.get("edition"), known.get("seed")) == (_EDITION, self._seed):
            self.outcomes = outcomes
        else:
            self._remove(list(outcomes.values()))

    def _remove(self, outcomes: Sequence[Outcome]) -> None:
        for outcome in outcomes:
            if not outcome.reason:
                for path in outcome.paths(self._folder):
                    path.unlink(missing_ok=True)

    def _save(self) -> None:
        pieces = {name: asdict(outcome) for name, outcome in sorted(self.outcomes.items())}
        text = json.dumps({"edition": _EDITION, "seed": self._seed, "pieces": pieces}, indent=1) + "\n"
        path = self._folder / MANIFEST
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
        self._saved = time.monotonic()
