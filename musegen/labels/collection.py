"""All labels of one track, moved together."""

from collections.abc import Mapping
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

    def cells(self) -> dict[str, Any]:
        """The cells of a row that hold these labels, `None` where a kind is not known (see `KINDS`)."""
        known = self.known()
        row: dict[str, Any] = {}
        for kind, label_type in KINDS.items():
            label = known.get(kind)
            cells = label.cells() if label is not None else dict.fromkeys(label_type.COLUMNS)
            row[f"{kind}_origin"] = label.origin if label is not None else None
            row[f"{kind}_confidence"] = label.confidence if label is not None else None
            row |= {f"{kind}_{name}": value for name, value in cells.items()}
        return row

    @classmethod
    def of_cells(cls, row: Mapping[str, Any]) -> Self:
        """The labels that gave these cells; other columns of the row do not matter."""
        known: dict[str, Any] = {
            kind: label_type.of_cells(
                {name: row[f"{kind}_{name}"] for name in label_type.COLUMNS},
                row[f"{kind}_origin"],
                row[f"{kind}_confidence"],
            )
            for kind, label_type in KINDS.items()
            if row[f"{kind}_origin"] is not None
        }
        return cls(**known)

    def follow(self, change: Change) -> Self:
        """Every label after `change`."""
        moved: dict[str, Any] = {kind: label.follow(change) for kind, label in self.known().items()}
        return replace(self, **moved)


KINDS: Mapping[str, type[Label]] = {
    "style": Style, "notes": Notes, "beats": Beats, "tempo": Tempo, "tonality": Tonality, "chords": Chords,
}  # fmt: skip
"""Field of `Labels` → its type."""
