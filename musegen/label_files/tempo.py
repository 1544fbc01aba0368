"""Tempo files: one number, or the three of MIREX (slower tempo, faster tempo, salience of the slower)."""

from pathlib import Path

from musegen.errors import BadInput
from musegen.label_files import text
from musegen.labels import FILE, Tempo

SUFFIXES = frozenset({".bpm", ".tempo"})


def read(path: Path) -> Tempo:
    """The tempo of a file; of MIREX's two the more salient one, the salience being its confidence.

    `120`, `120,5`, `120 bpm` and `bpm: 120` are read alike. Raises `BadInput`: "empty", "not text", "bad tempo".
    """
    found = text.lines(path)
    words = [word for _, line in found for word in line.replace(";", " ").replace("=", " ").split()]
    words = [word.rstrip(":") for word in words]
    numbers = [text.number(word) for word in words if word.lower() not in ("bpm", "tempo")]
    values = [value for value in numbers if value is not None]
    if len(values) != len(numbers) or len(values) not in (1, 2, 3) or len(found) > 1:
        raise BadInput("it holds other things than one tempo; write one number", "bad tempo")
    if len(values) == 1:
        return Tempo.stated(values[0], FILE)
    salience = values[2] if len(values) == 3 else 1.0
    if not 0 <= salience <= 1:
        raise BadInput(f"its third number {salience:g} is no salience in 0..1; write one tempo", "bad tempo")
    return Tempo.stated(values[0] if salience >= 0.5 else values[1], FILE, max(salience, 1 - salience))
