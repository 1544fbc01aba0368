"""What people borrow from each other: the measure by which a piece is original, close or a copy."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.errors import BadInput
from musegen.evaluation.originality.borrowing import Borrowing, Verdict

FEWEST_PEOPLE = 20
"""A style with fewer held-out pieces is judged by those of all styles together."""

HALF = 0.5
"""A piece that has this share of its notes from one other is a version of it, whoever wrote it."""

# Lengths of what is shared by chance fall off exponentially (Karlin and Altschul, PNAS 1990): how far the highest two
# hundredth lies beyond the median, in distances of the highest tenth.
_CLOSE, _COPY = 0.9, float(np.log(0.5 / 0.005) / np.log(0.5 / 0.1))
_LEAST_CLOSE_NOTES, _LEAST_COPY_NOTES = 24, 48
_LEAST_CLOSE_COVERED, _LEAST_COPY_COVERED = 0.15, 0.4


@dataclass(frozen=True)
class Shared:
    """What one held-out piece of a person shares with the training pieces; as in `Borrowing`."""

    style: str | None
    drums: bool
    notes: int
    longest_notes: int
    longest_quarters: float
    covered: float
    covered_by_all: float

    @classmethod
    def of(cls, borrowing: Borrowing, style: str | None, drums: bool) -> "Shared":
        """The figures of a borrowing."""
        return cls(
            style,
            drums,
            borrowing.notes,
            borrowing.longest_notes,
            borrowing.longest_quarters,
            borrowing.covered,
            borrowing.covered_by_all,
        )


@dataclass(frozen=True)
class Limits:
    """From where on a piece is close, and a copy: notes of the longest passage, share covered by one track."""

    close_notes: float = 32.0
    copy_notes: float = 64.0
    close_covered: float = 0.25
    copy_covered: float = HALF

    def excess(self, longest_notes: int, covered: float) -> float:
        """1 at the edge of a copy."""
        return max(longest_notes / self.copy_notes, covered / self.copy_covered)

    def verdict(self, longest_notes: int, covered: float) -> Verdict:
        """A copy is beyond what one in two hundred people does, close beyond what one in ten does."""
        if self.excess(longest_notes, covered) >= 1:
            return "copy"
        return "close" if longest_notes >= self.close_notes or covered >= self.close_covered else "original"


@dataclass(frozen=True)
class People:
    """All held-out pieces, and the limits that they set."""

    pieces: tuple[Shared, ...] = ()

    def of_style(self, style: str | None, drums: bool = False) -> tuple[Shared, ...]:
        """The pieces of a style, or all of the kind (drums or not) where they are too few."""
        kind = tuple(piece for piece in self.pieces if piece.drums == drums)
        same = tuple(piece for piece in kind if style is not None and piece.style == style)
        return same if len(same) >= FEWEST_PEOPLE else kind

    def strangers(self, style: str | None, drums: bool = False) -> tuple[Shared, ...]:
        """The pieces of a style, or all of the kind where they are too few, but for versions of training pieces.

        A held-out piece of which half stands in one training piece is a version of it: it tells nothing of what people
        borrow between songs, and is left out.
        """
        same = tuple(piece for piece in self.of_style(style, drums) if piece.covered < HALF)
        return same or tuple(piece for piece in self.pieces if piece.drums == drums and piece.covered < HALF)

    def limits(self, style: str | None, drums: bool = False) -> Limits:
        """Of a style where it has 20 pieces, else of all; fixed ones where there are too few altogether.

        Of the `strangers` the highest tenth are close; a copy is beyond the median plus 2.86 times the distance from
        there to the highest tenth, which is one in two hundred where chance rules.
        """
        return self._known.get((style, drums)) or self._learnt(style, drums)

    @cached_property
    def _known(self) -> dict[tuple[str | None, bool], Limits]:
        return {key: self._learnt(*key) for key in {(piece.style, piece.drums) for piece in self.pieces}}

    def _learnt(self, style: str | None, drums: bool) -> Limits:
        others = self.strangers(style, drums)
        if len(others) < FEWEST_PEOPLE:
            return Limits()
        close_notes, copy_notes = _beyond(np.array([piece.longest_notes for piece in others], float))
        close_covered, copy_covered = _beyond(np.array([piece.covered for piece in others], float))
        return Limits(
            max(close_notes, _LEAST_CLOSE_NOTES),
            max(copy_notes, _LEAST_COPY_NOTES),
            float(np.clip(close_covered, _LEAST_CLOSE_COVERED, HALF)),
            float(np.clip(copy_covered, _LEAST_COPY_COVERED, HALF)),
        )

    def to_json(self) -> list[dict[str, Any]]:
        """One object a piece."""
        return [asdict(piece) for piece in self.pieces]

    @classmethod
    def from_json(cls, rows: Iterable[Any]) -> "People":
        """As `to_json` made them; raises `BadInput` for anything else."""
        names = {field.name for field in fields(Shared)}
        rows = list(rows)
        if not all(isinstance(row, dict) and set(row) == names for row in rows):
            raise BadInput("what people share can't be read", "bad model")
        return cls(tuple(Shared(**row) for row in rows))


def _beyond(values: NDArray[np.float64]) -> tuple[float, float]:
    """The highest tenth and the highest two hundredth, the latter as an exponential tail has it."""
    middle, high = np.quantile(values, [0.5, _CLOSE])
    return float(high), float(middle + _COPY * (high - middle))


def values_of(pieces: Sequence[Shared], name: str) -> NDArray[np.float64]:
    """One figure of all pieces."""
    return np.array([getattr(piece, name) for piece in pieces], np.float64)
