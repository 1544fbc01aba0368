"""Where a piece and training pieces may lie over each other: landmarks vote."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musegen.evaluation.originality.collection import Collection
from musegen.evaluation.originality.index import Hits
from musegen.evaluation.originality.points import Points
from musegen.fingerprint.hashing import mixed

MOST_ALIGNMENTS = 24
"""How many of the best places are looked at note by note."""

_BALLOT_BITS, _MOST_BALLOTS = 18, 96
_SCALES_PER_OCTAVE, _MOST_TIMES = 6, 8
_OFFSET_SLOTS = 24.0
# People double, halve and dot note values; a scale this near to one of theirs is theirs.
_USUAL_SCALES = np.array([1 / 4, 1 / 3, 1 / 2, 2 / 3, 3 / 4, 1, 4 / 3, 3 / 2, 2, 3, 4])
_BETWEEN_USUAL = np.sqrt(_USUAL_SCALES[1:] * _USUAL_SCALES[:-1])
_NEAR_USUAL = 0.03


@dataclass(frozen=True)
class Alignment:
    """A track laid over a piece: slot = `scale` x its slot + `offset`, pitch = its pitch + `semitones`."""

    track: int
    semitones: int
    scale: float
    offset: float


@dataclass(frozen=True, eq=False)
class _Votes:
    """One row a hit: what it says of track, transposition, scale and offset, and what its word weighs."""

    tracks: NDArray[np.int64]
    semitones: NDArray[np.int64]
    scales: NDArray[np.float64]
    offsets: NDArray[np.float64]
    weights: NDArray[np.float64]

    def only(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> "_Votes":
        return _Votes(
            self.tracks[chosen],
            self.semitones[chosen],
            self.scales[chosen],
            self.offsets[chosen],
            self.weights[chosen],
        )


def alignments(hits: Hits, piece: Points, collection: Collection) -> list[Alignment]:
    """The places that most landmarks speak for, best first.

    First they elect tracks with a transposition and a rough scale, then, among the votes for those, offsets.
    """
    votes = _votes(hits, piece, collection)
    if not len(votes.tracks):
        return []
    scale_bins = np.rint(np.log2(votes.scales) * _SCALES_PER_OCTAVE).astype(np.int64)
    votes_for = (votes.tracks << 20) | ((votes.semitones + 128) << 8) | (scale_bins + 128)
    ballots = (mixed(votes_for.astype(np.uint64)) >> np.uint64(64 - _BALLOT_BITS)).astype(np.int64)
    totals = np.bincount(ballots, votes.weights, minlength=1 << _BALLOT_BITS)
    named = np.flatnonzero(totals)
    elected = np.zeros(len(totals), bool)
    elected[named[np.argsort(-totals[named])[:_MOST_BALLOTS]]] = True
    chosen = elected[ballots]
    return _placed(votes.only(chosen), scale_bins[chosen])


def _votes(hits: Hits, piece: Points, collection: Collection) -> _Votes:
    semitones = piece.pitches[hits.anchors] - collection.pitches[hits.notes].astype(np.int64)
    tracks = collection.owners[hits.notes].astype(np.int64)
    usual = _USUAL_SCALES[np.searchsorted(_BETWEEN_USUAL, hits.scales)]
    scales = np.where(np.abs(hits.scales / usual - 1) < _NEAR_USUAL, usual, hits.scales)
    offsets = piece.slots[hits.anchors] - scales * collection.slots[hits.notes]
    votes = _Votes(tracks, semitones, scales, offsets, hits.weights)
    possible = (collection.drums[tracks] == piece.drums) & (scales < _MOST_TIMES) & (scales > 1 / _MOST_TIMES)
    return votes.only(possible & ((semitones == 0) | (not piece.drums)))


def _placed(votes: _Votes, scale_bins: NDArray[np.int64]) -> list[Alignment]:
    """Half-overlapping bins of offsets; of the best ones the middle of what their votes say."""
    halves = np.floor(votes.offsets / (_OFFSET_SLOTS / 2)).astype(np.int64)
    keys = (votes.tracks << 40) | ((votes.semitones + 128) << 32) | ((scale_bins + 128) << 24)
    both = np.concatenate([keys + halves + (1 << 23), keys + halves + 1 + (1 << 23)])
    rows = np.tile(np.arange(len(keys)), 2)
    order = np.argsort(both, kind="stable")
    rows, both = rows[order], both[order]
    starts = np.flatnonzero(np.diff(both, prepend=-1))
    totals = np.add.reduceat(votes.weights[rows], starts)
    ends = np.append(starts[1:], len(rows))
    found: dict[tuple[int, int, float, float], Alignment] = {}
    for best in np.argsort(-totals, kind="stable")[: 2 * MOST_ALIGNMENTS].tolist():
        mine = rows[starts[best] : ends[best]]
        scale, offset = _middle(votes.scales[mine]), _middle(votes.offsets[mine])
        alignment = Alignment(int(votes.tracks[mine[0]]), int(votes.semitones[mine[0]]), scale, offset)
        same = (alignment.track, alignment.semitones, round(scale, 2), round(alignment.offset / 12))
        found.setdefault(same, alignment)
        if len(found) == MOST_ALIGNMENTS:
            break
    return list(found.values())


def _middle(values: NDArray[np.float64]) -> float:
    return float(np.partition(values, len(values) // 2)[len(values) // 2])
