"""What every kind of label can do."""

from dataclasses import dataclass, replace
from typing import Self

from musegen.change import Change
from musegen.errors import BadInput

HUMAN = "human"
FILE = "file"


@dataclass(frozen=True, eq=False)
class Label:
    """Something that is said of a recording.

    `origin` is who says so: `"human"`, `"file"` or `"model@version"`; `confidence` is in [0, 1].
    """

    origin: str = FILE
    confidence: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.confidence <= 1.0:
            raise BadInput(f"confidence {self.confidence} is outside 0..1; correct the label file", "bad label")

    def follow(self, change: Change) -> Self:
        """The same label after `change` was applied to the sound; the default is that nothing moves."""
        return self

    def said_by(self, origin: str, confidence: float = 1.0) -> Self:
        """The same label with another origin and confidence."""
        return replace(self, origin=origin, confidence=confidence)
