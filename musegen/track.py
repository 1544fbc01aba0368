"""One recording of a corpus, or one score without a recording: where its files are, not what is in them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Track:
    """`name` is its path in the corpus without the suffix; `audio` may be None where the notes are enough.

    `files` maps a label kind (`"notes"`, `"beats"`) to the file that holds it; `style` is what the corpus says.
    """

    name: str
    audio: Path | None
    files: Mapping[str, Path] = field(default_factory=dict)
    style: str | None = None

    @property
    def content(self) -> Path:
        """The file whose content is the track's identity: the audio, else the notes."""
        return self.audio if self.audio is not None else self.files["notes"]
