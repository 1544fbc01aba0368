"""Looking a piece up among the training pieces."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np

from musegen.evaluation.originality.alignment import alignments
from musegen.evaluation.originality.borrowing import Borrowing
from musegen.evaluation.originality.collection import Collection, bars_between
from musegen.evaluation.originality.index import LandmarkIndex
from musegen.evaluation.originality.landmarks import tolerant
from musegen.evaluation.originality.overlap import FEWEST_NOTES, Overlap, Table
from musegen.evaluation.originality.people import Limits, People, Shared
from musegen.evaluation.originality.points import Points
from musegen.evaluation.originality.study import compared
from musegen.score import Score
from musegen.tokens import SLOTS_PER_QUARTER, TICKS_PER_SLOT


@dataclass(frozen=True)
class Originality:
    """The training pieces of a model, and what people share with them.

    The index is made when a piece is looked up first, and stays.
    """

    collection: Collection
    people: People

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        ids: Sequence[str],
        scores: Sequence[Score],
        held_out: Sequence[tuple[Score, str | None]] = (),
    ) -> Self:
        """Training pieces on the grid of the tokens, and what people's other pieces (with styles) share with them."""
        alone = cls(Collection.of(names, ids, scores), People())
        people = tuple(Shared.of(alone.borrowing(score), style, Points.of(score).drums) for score, style in held_out)
        return replace(alone, people=People(people))

    @cached_property
    def index(self) -> LandmarkIndex:
        """Landmarks of all training pieces."""
        return LandmarkIndex(self.collection)

    def borrowing(self, score: Score, style: str | None = None) -> Borrowing:
        """What a piece shares with the training pieces, judged by people of its style; drums only beside drums."""
        piece = Points.of(score)
        limits = self.people.limits(style, piece.drums)
        overlaps = self._overlaps(piece)
        if not overlaps:
            return Borrowing(1.0, "original", 0.0, 0.0, len(piece), 0, 0.0)
        best = max(overlaps, key=lambda overlap: (overlap.longest.notes, int(overlap.shared.sum())))
        mine = [overlap.shared for overlap in overlaps if overlap.alignment.track == best.alignment.track]
        covered = float(np.logical_or.reduce(mine).mean())
        by_all = float(np.logical_or.reduce([overlap.shared for overlap in overlaps]).mean())
        return self._told(score, len(piece), best, covered, by_all, limits)

    def study(self, generated: Sequence[Score], styles: Sequence[str | None]) -> dict[str, Any]:
        """Whether these pieces borrow more than people of the same styles do.

        `copied_share`, `borrowed_beyond_people` (above 0: surely more), means of `generated` and `people`, 95 %
        `intervals` of their differences, and `pieces`: the borrowing of each.
        """
        found = [self.borrowing(score, style) for score, style in zip(generated, styles, strict=True)]
        shared = [
            Shared.of(borrowing, style, Points.of(score).drums)
            for borrowing, style, score in zip(found, styles, generated, strict=True)
        ]
        figures = compared(shared, self.people, [borrowing.verdict == "copy" for borrowing in found])
        return {**figures, "pieces": [borrowing.to_json() for borrowing in found]}

    def _overlaps(self, piece: Points) -> list[Overlap]:
        if len(piece) < FEWEST_NOTES or not len(self.collection):
            return []
        hits = self.index.hits(tolerant(piece.slots, piece.pitches, piece.drums))
        table = Table(piece)
        found = (
            table.overlap(self.collection.points(alignment.track), alignment)
            for alignment in alignments(hits, piece, self.collection)
        )
        return [overlap for overlap in found if overlap.runs]

    def _told(
        self, score: Score, notes: int, best: Overlap, covered: float, by_all: float, limits: Limits
    ) -> Borrowing:
        run, alignment = best.longest, best.alignment
        lines = np.array([bar.start for bar in score.bars], np.float64) / TICKS_PER_SLOT
        there = [(moment - alignment.offset) / alignment.scale for moment in (run.first, run.last)]
        return Borrowing(
            score=round(1 - min(1.0, limits.excess(run.notes, covered) / 2), 4),
            verdict=limits.verdict(run.notes, covered),
            covered=covered,
            covered_by_all=by_all,
            notes=notes,
            longest_notes=run.notes,
            longest_quarters=round((run.last - run.first) / SLOTS_PER_QUARTER, 3),
            track=self.collection.names[alignment.track],
            track_id=self.collection.ids[alignment.track],
            bars=bars_between(lines, run.first, run.last),
            track_bars=self.collection.bars_of(alignment.track, there[0], there[1]),
            semitones=alignment.semitones,
            stretch=round(alignment.scale, 4),
        )
