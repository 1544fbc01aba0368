"""Any MIDI files beside the training pieces of a registered model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from musegen import midi
from musegen.errors import BadInput, about
from musegen.evaluation import originality
from musegen.evaluation.originality import Borrowing
from musegen.registry import GENERATOR, Registry
from musegen.score import Score
from musegen.workspace import Workspace


@dataclass(frozen=True)
class LookedUp:
    """What every file shares with the training pieces of version `version`, or why it could not be read."""

    version: int
    files: tuple[tuple[Path, Borrowing | BadInput], ...]

    @property
    def broken(self) -> int:
        """How many files could not be read."""
        return sum(isinstance(found, BadInput) for _, found in self.files)

    def to_json(self) -> dict[str, Any]:
        """One object a file, in order: a borrowing's fields, or `error` and `reason`."""
        rows = [
            {"file": str(path), "error": str(found), "reason": found.reason}
            if isinstance(found, BadInput)
            else {"file": str(path), **found.to_json()}
            for path, found in self.files
        ]
        return {"model": {"name": GENERATOR, "version": self.version}, "files": rows}

    def to_text(self) -> str:
        """One line a file."""
        return "\n".join(
            f"{path}: cannot be read: {found}" if isinstance(found, BadInput) else f"{path}: {found.to_text()}"
            for path, found in self.files
        )


def look_up(
    workspace: Workspace,
    paths: Sequence[Path],
    style: str | None = None,
    which: str = "champion",
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> LookedUp:
    """Every MIDI file among `paths` (folders are searched) beside the training pieces of a version.

    A file that can't be read says why, and the rest goes on. Raises `BadInput` where there is no file at all, or where
    the version carries no training pieces.
    """
    listed = _midi_files(paths)
    registry = Registry(workspace)
    version = registry.version(GENERATOR, which)
    learnt = originality.load(registry.fetch(version) / "generator")
    if learnt is None:
        raise BadInput(
            f"version {version.number}: it carries no training pieces to compare with; train and register anew",
            "no data",
        )
    found: list[tuple[Path, Borrowing | BadInput]] = []
    for path in listed:
        try:
            found.append((path, learnt.borrowing(_score(path), style)))
        except BadInput as error:
            found.append((path, error))
        on_progress(len(found), len(listed))
    return LookedUp(version.number, tuple(found))


def _midi_files(paths: Sequence[Path]) -> list[Path]:
    """Files as they are named, folders by the MIDI files in them."""
    listed: list[Path] = []
    for path in paths:
        inside = sorted(file for file in path.rglob("*") if file.suffix.lower() in midi.SUFFIXES)
        listed += inside if path.is_dir() else [path]
    if not listed:
        raise BadInput(f"{', '.join(map(str, paths))}: no MIDI file in there; name files or another folder", "no file")
    return listed


def _score(path: Path) -> Score:
    with about(path):
        if not path.is_file():
            raise BadInput("there is no such file; check its name", "no file")
        labels = midi.read(path)
        if labels.notes is None or labels.beats is None:
            raise BadInput("it has no notes; give a MIDI file with music", "no notes")
        return Score.from_labels(labels.notes, labels.beats)
