"""Rows of the composing dataset as the pieces that models learn from."""

from collections.abc import Iterable, Mapping
from typing import Any

import pyarrow as pa

from musegen.shards.columns import rows_of
from musegen.shards.schema import Example
from musegen.theory import Key, Meter
from musegen.training.batches import Piece
from musegen.vocabulary import Conditions

COLUMNS = ("style", "bpm", "key", "meter", "bars", "notes", "tokens")
"""What a piece is made of."""


def pieces_of(examples: Iterable[Example]) -> list[Piece]:
    """One piece a row, with the conditions that its columns state."""
    return [_piece(vars(example)) for example in examples]


def pieces_in(table: pa.Table) -> list[Piece]:
    """The same of the rows of an Arrow table that has `COLUMNS`; the tokens are views of it."""
    return [_piece(row) for row in rows_of(table)]


def _piece(row: Mapping[str, Any]) -> Piece:
    key = Key.parse(row["key"]) if row["key"] else None
    said = Conditions(row["style"], row["bpm"], key, Meter.parse(row["meter"]), row["bars"])
    return Piece(row["tokens"], said, row["notes"])
