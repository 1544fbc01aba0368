"""The columns of the listening dataset: one row is one variant of one passage of one recording."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from musegen.errors import BadInput
from musegen.labels import KINDS, Labels
from musegen.settings import Settings
from musegen.shards.columns import label_fields, rows_of

FEATURES = b"musegen.features"
"""Metadata of the schema: the settings of the features as JSON, which say what the stored numbers mean."""

LISTENING = pa.schema(
    [
        pa.field("track", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("passage", pa.int32(), nullable=False),
        pa.field("variant", pa.int32(), nullable=False),
        pa.field("group", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("start_seconds", pa.float64(), nullable=False),
        pa.field("seconds", pa.float64(), nullable=False),
        pa.field("speed", pa.float64(), nullable=False),
        pa.field("cents", pa.int32(), nullable=False),
        pa.field("effects", pa.string(), nullable=False),
        pa.field("dropped_notes", pa.int32(), nullable=False),
        *label_fields(KINDS),
        pa.field("frames", pa.int32(), nullable=False),
        pa.field("bins", pa.int32(), nullable=False),
        pa.field("features", pa.binary(), nullable=False),
        pa.field("fingerprint", pa.string(), nullable=False),
    ]
)
"""Primitive Arrow types only; `features` are the frames one after the other, as the metadata say."""

_STORED: dict[int, np.dtype[Any]] = {1: np.dtype(np.uint8), 2: np.dtype(np.float16)}


@dataclass(frozen=True, eq=False)
class Passage:
    """One row of `LISTENING`.

    `track` is the content id, `name` its path in the corpus; `passage` counts from 0 in the recording, where it begins
    at `start_seconds`; `variant` 0 is the passage as it is. `seconds` is how long this variant lasts; `speed`, `cents`
    and `effects` (JSON) are what was drawn; `dropped_notes` left the keyboard. `labels` are those of this variant.
    `features` uint8 or float16 (frames, bins).
    """

    track: str
    name: str
    passage: int
    variant: int
    group: str
    split: str
    start_seconds: float
    seconds: float
    speed: float
    cents: int
    effects: str
    dropped_notes: int
    labels: Labels
    features: NDArray[Any]
    fingerprint: str


_PLAIN = tuple(field.name for field in fields(Passage) if field.name not in ("labels", "features"))


def listening_schema(features: Settings) -> pa.Schema:
    """`LISTENING`, which says how its features were made."""
    return LISTENING.with_metadata({FEATURES: features.model_dump_json().encode()})


def passage_table(rows: Sequence[Passage], schema: pa.Schema = LISTENING) -> pa.Table:
    """Rows → Arrow, in `LISTENING` or what `listening_schema` made of it."""
    cells = [_cells(row) for row in rows]
    return pa.table({name: [row[name] for row in cells] for name in schema.names}, schema=schema)


def from_table(table: pa.Table) -> list[Passage]:
    """Arrow → rows; the features are read-only views of the table. Raises `BadInput` where they do not fit."""
    return [
        Passage(**{name: row[name] for name in _PLAIN}, labels=Labels.of_cells(row), features=_features(row))
        for row in rows_of(table)
    ]


def _cells(row: Passage) -> dict[str, Any]:
    frames, bins = row.features.shape
    plain = {name: getattr(row, name) for name in _PLAIN}
    return plain | row.labels.cells() | {"frames": frames, "bins": bins, "features": row.features.tobytes()}


def _features(row: dict[str, Any]) -> NDArray[Any]:
    stored, frames, bins = row["features"], row["frames"], row["bins"]
    width, left = divmod(len(stored), frames * bins) if frames * bins else (1, len(stored))
    if left or width not in _STORED:
        words = f"{row['name']}: {len(stored)} bytes are no features of {frames} × {bins}; run `musegen prepare`"
        raise BadInput(words, "damaged")
    return np.frombuffer(stored, dtype=_STORED[width]).reshape(frames, bins)
