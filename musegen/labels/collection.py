"""All labels of one track, moved together."""

from dataclasses import dataclass, fields, replace
from typing import Any, Self

from musegen.change import Change
from musegen.labels.base import Label
from musegen.labels.beats import Beats
from musegen.labels.chords import Chords
from musegen.labels.notes import Notes
from musegen.labels.style import Style
from musegen.labels.tempo import Tempo
from musegen.labels.tonality import Tonality


@dataclass(frozen=True)
class Labels:
    """The labels of one track; what is not known is None."""

    style: Style | None = None
    notes: Notes | None = None
    beats: Beats | None = None
    tempo: Tempo | None = None
    tonality: Tonality | None = None
    chords: Chords | None = None

    def known(self) -> dict[str, Label]:
        """The labels that are there, by kind."""
        everything = {field.name: getattr(self, field.name) for field in fields(self)}
        return {kind: label for kind, label in everything.items() if label is not None}

    def follow(self, change: Change) -> Self:
        """Every label after `change`."""
        moved: dict[str, Any] = {kind: label.follow(change) for kind, label in self.known().items()}
        return replace(self, **moved)
