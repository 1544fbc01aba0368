"""The columns of the composing dataset: one row is one variant of one track."""

from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from musegen.shards.columns import list_of, rows_of

SCHEMA = pa.schema(
    [
        pa.field("track", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("variant", pa.int32(), nullable=False),
        pa.field("group", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("style", pa.string()),
        pa.field("style_origin", pa.string()),
        pa.field("style_confidence", pa.float64()),
        pa.field("notes_origin", pa.string()),
        pa.field("notes_confidence", pa.float64()),
        pa.field("beats_origin", pa.string()),
        pa.field("beats_confidence", pa.float64()),
        pa.field("tempo_origin", pa.string()),
        pa.field("tempo_confidence", pa.float64()),
        pa.field("tonality_origin", pa.string()),
        pa.field("tonality_confidence", pa.float64()),
        pa.field("bpm", pa.float64()),
        pa.field("key", pa.string()),
        pa.field("meter", pa.string(), nullable=False),
        pa.field("bars", pa.int32(), nullable=False),
        pa.field("notes", pa.int32(), nullable=False),
        pa.field("semitones", pa.int32(), nullable=False),
        pa.field("speed", pa.float64(), nullable=False),
        pa.field("fingerprint", pa.string(), nullable=False),
        pa.field("tokens", list_of(pa.uint16()), nullable=False),
    ]
)
"""Primitive Arrow types only; tokens are the music without its conditions, which stand in columns of their own."""


@dataclass(frozen=True, eq=False)
class Example:
    """One row of `SCHEMA`.

    `track` is the content id, `name` its path in the corpus, `variant` 0 is the track as it is; `semitones` and
    `speed` are the drawn augmentation; `bpm` (quarters a minute), `key`, `meter` and `bars` describe this variant;
    `tokens` uint16 (n,).
    """

    track: str
    name: str
    variant: int
    group: str
    split: str
    style: str | None
    style_origin: str | None
    style_confidence: float | None
    notes_origin: str | None
    notes_confidence: float | None
    beats_origin: str | None
    beats_confidence: float | None
    tempo_origin: str | None
    tempo_confidence: float | None
    tonality_origin: str | None
    tonality_confidence: float | None
    bpm: float | None
    key: str | None
    meter: str
    bars: int
    notes: int
    semitones: int
    speed: float
    fingerprint: str
    tokens: NDArray[np.uint16]


def to_table(examples: list[Example]) -> pa.Table:
    """Rows → Arrow, in `SCHEMA`."""
    columns = {field.name: [getattr(example, field.name) for example in examples] for field in fields(Example)}
    return pa.table(columns, schema=SCHEMA)


def from_table(table: pa.Table) -> list[Example]:
    """Arrow → rows; the tokens are views of the table."""
    return [Example(**row) for row in rows_of(table)]
