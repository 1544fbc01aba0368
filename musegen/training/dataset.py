"""Rows of the composing dataset as the pieces that models learn from."""

from collections.abc import Iterable

from musegen.shards.schema import Example
from musegen.theory import Key, Meter
from musegen.training.batches import Piece
from musegen.vocabulary import Conditions


def pieces_of(examples: Iterable[Example]) -> list[Piece]:
    """One piece a row, with the conditions that its columns state."""
    return [
        Piece(
            example.tokens,
            Conditions(
                style=example.style,
                bpm=example.bpm,
                key=Key.parse(example.key) if example.key else None,
                meter=Meter.parse(example.meter),
                bars=example.bars,
            ),
            example.notes,
        )
        for example in examples
    ]
