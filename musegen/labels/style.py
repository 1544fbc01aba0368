"""The style of a track: a word."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from musegen.errors import BadInput
from musegen.labels.base import FILE, Label


@dataclass(frozen=True)
class Style(Label):
    """A style by its name, lower case, words joined by `_`; no change of the sound alters it."""

    name: str = ""

    COLUMNS: ClassVar[Mapping[str, str]] = {"name": "string"}

    @classmethod
    def named(cls, name: str, origin: str = FILE, confidence: float = 1.0) -> Self:
        """A style from any spelling of its name (`"Slip Jig"` → `slip_jig`)."""
        words = unicodedata.normalize("NFC", name).strip().lower().replace("-", " ").replace("_", " ").split()
        if not words:
            raise BadInput("the style has no name; give the folder or the column a word", "bad label")
        return cls(name="_".join(words), origin=origin, confidence=confidence)
