"""A training piece laid over a piece, note by note: which coincide, and in what runs."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from musegen.evaluation.originality.alignment import Alignment
from musegen.evaluation.originality.points import Points
from musegen.evaluation.originality.runs import shared_runs

FEWEST_NOTES = 16
"""A run of fewer notes is a turn of phrase, and nobody's."""

# Onsets that lie over each other may be this far apart: half a step of the grid of each, and a little. To begin with,
# while scale and offset are rough, further.
_TOLERANCE_SLOTS, _ROUGHLY = 0.6, (3.0, 1.5)
_FEWEST_TO_FIT = 8
# Longer than any piece: pitch and time as one number.
_FAR = float(1 << 23)


@dataclass(frozen=True)
class Run:
    """A stretch that both have: `notes` shared, from `first` to `last`, onsets in the piece's slots."""

    notes: int
    first: float
    last: float


@dataclass(frozen=True, eq=False)
class Overlap:
    """An alignment, the runs in it, and which notes of the piece (n,) coincide with the track's within them."""

    alignment: Alignment
    shared: NDArray[np.bool_]
    runs: tuple[Run, ...]

    @cached_property
    def longest(self) -> Run:
        """The run of most notes."""
        return max(self.runs, key=lambda run: run.notes, default=Run(0, 0.0, 0.0))


class Table:
    """The notes of a piece, prepared for tracks to be laid over."""

    def __init__(self, piece: Points) -> None:
        self._piece = piece
        keys = piece.pitches * _FAR + piece.slots
        self._order = np.argsort(keys)
        self._keys = keys[self._order]
        self._between = (self._keys[1:] + self._keys[:-1]) / 2

    def overlap(self, track: Points, alignment: Alignment) -> Overlap:
        """What an alignment shows, its scale and offset first fitted to the notes that nearly coincide."""
        for tolerance in _ROUGHLY:
            alignment = self._fitted(track, alignment, tolerance)
        tolerance = _TOLERANCE_SLOTS * (1 + alignment.scale)
        onsets = alignment.scale * track.slots + alignment.offset
        partners = self._partners(onsets, track.pitches + alignment.semitones, tolerance)
        of_track, of_piece = partners >= 0, np.zeros(len(self._piece), bool)
        of_piece[partners[of_track]] = True
        runs = tuple(
            run
            for slots, shared in ((self._piece.slots, of_piece), (onsets, of_track))
            for first, last in shared_runs(shared)
            if last - first >= FEWEST_NOTES and (run := _run(slots, shared, first, last)).notes >= FEWEST_NOTES
        )
        inside = np.zeros(len(self._piece), bool)
        for run in runs:
            inside |= (self._piece.slots >= run.first - tolerance) & (self._piece.slots <= run.last + tolerance)
        return Overlap(alignment, of_piece & inside, runs)

    def _partners(self, onsets: NDArray[np.float64], pitches: NDArray[np.int64], tolerance: float) -> NDArray[np.int64]:
        """For every note of a track the piece's note of its pitch, nearest in time, that it lies over, or -1."""
        wanted = pitches * _FAR + onsets
        nearest = np.searchsorted(self._between, wanted)
        return np.where(np.abs(self._keys[nearest] - wanted) <= tolerance, self._order[nearest], -1)

    def _fitted(self, track: Points, alignment: Alignment, tolerance: float) -> Alignment:
        """The line through the notes that coincide within `tolerance` slots; unchanged where there are few."""
        onsets = alignment.scale * track.slots + alignment.offset
        partners = self._partners(onsets, track.pitches + alignment.semitones, tolerance)
        theirs, ours = track.slots[partners >= 0], self._piece.slots[partners[partners >= 0]]
        if len(theirs) < _FEWEST_TO_FIT:
            return alignment
        spread = theirs - theirs.mean()
        if not spread.any():
            return alignment
        scale = float((spread * ours).sum() / (spread * spread).sum())
        return replace(alignment, scale=scale, offset=float(ours.mean() - scale * theirs.mean()))


def _run(slots: NDArray[np.float64], shared: NDArray[np.bool_], first: int, last: int) -> Run:
    return Run(int(np.count_nonzero(shared[first:last])), float(slots[first]), float(slots[last - 1]))
