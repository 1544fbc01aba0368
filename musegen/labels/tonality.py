"""The key that a track is in."""

from dataclasses import dataclass, field, replace
from typing import Self

from musegen.change import Change
from musegen.labels.base import Label
from musegen.theory import Key


@dataclass(frozen=True)
class Tonality(Label):
    """One key for the whole track."""

    key: Key = field(default_factory=lambda: Key(0))

    def follow(self, change: Change) -> Self:
        return replace(self, key=self.key.transposed(change.semitones))
