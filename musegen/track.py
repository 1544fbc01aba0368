"""One recording of a corpus, or one score without a recording: where its files are, and what is said of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

CONTENT_ROLES = ("midi", "score")
"""Roles of the files that make a track without a recording, the better one first."""


@dataclass(frozen=True)
class Said:
    """What one source says of a track in words; None where it says nothing.

    `source` names it to people: `"metadata.csv"`, `"folder"`, `".jams"`, `"tags"`, `"human"`. `split` is train, valid
    or test as the source spells it; `bpm` counts quarters a minute; `key` and `meter` as `theory` parses them. A
    `licence` of "" says that there is none.
    """

    source: str
    style: str | None = None
    title: str | None = None
    artist: str | None = None
    licence: str | None = None
    consent: bool | None = None
    split: str | None = None
    bpm: float | None = None
    key: str | None = None
    meter: str | None = None

    def known(self) -> dict[str, str | float | bool]:
        """What it does say, by field."""
        everything = {name: getattr(self, name) for name in SAID_FIELDS}
        return {name: value for name, value in everything.items() if value is not None}


SAID_FIELDS = tuple(field.name for field in fields(Said) if field.name != "source")


@dataclass(frozen=True)
class Track:
    """`name` is its path in the corpus without the suffix; `audio` may be None where the notes are enough.

    `files` maps a role (`"midi"`, `"score"`, `"beats"`, `"chords"`, `"jams"`, `"tempo"`, `"facts"`, `"licence"`, …) to
    the label file that plays it. `said` is what was said of the track before any of its files was opened (by a table,
    by the folder's name), the best source first.
    """

    name: str
    audio: Path | None
    files: Mapping[str, Path] = field(default_factory=dict)
    said: tuple[Said, ...] = ()

    @property
    def content(self) -> Path:
        """The file whose content is the track's identity: the audio, else the notes."""
        if self.audio is not None:
            return self.audio
        return next(self.files[role] for role in CONTENT_ROLES if role in self.files)
