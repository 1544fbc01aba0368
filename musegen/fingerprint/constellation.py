"""Whether two sounds are one: does the pattern of landmarks of the one, moved and stretched, lie on the other's?"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.ear import LANDMARK_FRAMES_A_SECOND
from musegen.fingerprint.sound import STEPS_A_SEMITONE, times_of

_TOLERANCE_FRAMES = 2
_MOST_POINTS = 320
_FIRST_REACH_FRAMES = 4.0 * LANDMARK_FRAMES_A_SECOND
# Of moves that are equally good the first one is taken, that differs least.
_FIRST_SPEEDS = 1 + 0.01 * np.array([0, 1, -1, 2, -2, 3, -3, 4, -4, 5, -5, 6, -6])
_LATER_SPEEDS = np.array([0, 1, -1, 2, -2, 3, -3])
_OFFSETS = np.array([0.0, 2.0, -2.0])
_HOPELESS_SHARE = 0.22
_RICH_POINTS_A_FRAME, _POOREST, _SAMPLED = 4.0 / LANDMARK_FRAMES_A_SECOND, 0.1, 600
# By how many frames a pattern is shifted to see what agrees by chance: no beats of music lie so.
_SHIFTS = np.array([-211, -157, -97, -41, 43, 101, 151, 223])
_REPETITIONS = np.concatenate([np.arange(-250, -24), np.arange(25, 251)])[::2]


@dataclass(frozen=True)
class Move:
    """frame · speed + offset is the frame in the other sound; pitches lie `steps` quarter semitones higher there."""

    speed: float
    offset: float
    steps: int


@dataclass(frozen=True)
class Agreement:
    """Of `points` landmarks `share` lie on one of the other sound; of the same ones shifted in time, `by_chance`, and
    `by_repetition` at that shift between half a second and five that fits best.

    `all_points`: how many the one with fewer has altogether, within the other one's time or not. `richness`: 1 where
    the other sound's landmarks are nearly all known, less where a long one is known by a sample of them.
    """

    points: int = 0
    all_points: int = 0
    share: float = 0.0
    by_chance: float = 0.0
    by_repetition: float = 0.0
    richness: float = 1.0


class Constellation:
    """The landmarks of one sound: as points, and as a map of where one may lie, a bit a semitone."""

    def __init__(self, groups: NDArray[Any]) -> None:
        frames = (groups["frame"].astype(np.int64)[:, None] + times_of(groups)).ravel()
        points = np.sort(frames * 256 + groups["pitches"].ravel())
        points = points[np.diff(points, prepend=-1) > 0]
        self.frames, self.pitches = points >> 8, points & 255
        density = len(points) / (self.frames[-1] - self.frames[0] + 1)
        # Few points of a loop are not a sample: it has no others but repetitions of these.
        self.richness = float(np.clip(density / _RICH_POINTS_A_FRAME, _POOREST, 1)) if len(points) > _SAMPLED else 1.0
        # One empty frame at either end, for all that lies beyond.
        self._first = int(self.frames[0]) - _TOLERANCE_FRAMES - 1
        self._map = np.zeros(int(self.frames[-1]) - self._first + _TOLERANCE_FRAMES + 2, np.uint64)
        for nudge in (-2, 1):
            bits = np.uint64(1) << _semitones(self.pitches + nudge)
            np.bitwise_or.at(self._map, self.frames - self._first, bits)
        exact = self._map.copy()
        for late in range(1, _TOLERANCE_FRAMES + 1):
            self._map[late:] |= exact[:-late]
            self._map[:-late] |= exact[late:]

    def hits(self, frames: NDArray[Any], semitones: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """1 for each point that lies on a landmark, else 0."""
        places = np.minimum(np.maximum((frames + (0.5 - self._first)).astype(np.int64), 0), len(self._map) - 1)
        found: NDArray[np.uint64] = (self._map[places] >> semitones) & np.uint64(1)
        return found


def agreement(one: Constellation, other: Constellation, start: Move, anchor: float) -> Agreement:
    """How well `one` lies on `other`, starting from a guess of the move that holds near frame `anchor`.

    The reach in which the move is improved is doubled until it covers all, or until next to nothing agrees.
    """
    reach, move = _FIRST_REACH_FRAMES, start
    speeds: NDArray[Any] = _FIRST_SPEEDS
    pitches = one.pitches + move.steps
    semitones = _semitones(pitches)
    farthest = max(one.frames[-1] - anchor, anchor - one.frames[0])
    while True:
        first, end = np.searchsorted(one.frames, [anchor - reach, anchor + reach + 1])
        part = slice(first, end, 1 + (end - first - 1) // _MOST_POINTS)
        move, share = _improved(one.frames[part] - anchor, semitones[part], other, move, anchor, speeds)
        if share < _HOPELESS_SHARE * other.richness:
            return Agreement()
        if reach > farthest:
            break
        reach *= 2
        speeds = 1 + _LATER_SPEEDS * 0.5 * _TOLERANCE_FRAMES / reach / move.speed
    fewest = min(len(semitones[part]), len(other.frames))
    return _judged(one.frames[part] * move.speed + move.offset, pitches[part], other, fewest)


def _improved(
    frames: NDArray[Any],
    semitones: NDArray[np.uint64],
    other: Constellation,
    move: Move,
    anchor: float,
    speeds: NDArray[Any],
) -> tuple[Move, float]:
    """The best of some moves that differ little from `move` at `anchor`, from which `frames` count; what share hits."""
    there = anchor * move.speed + move.offset
    tried = move.speed * speeds
    counts = other.hits((frames * tried[:, None])[:, None] + (there + _OFFSETS)[:, None], semitones).sum(axis=2)
    best = int(counts.argmax())
    speed, offset = tried[best // len(_OFFSETS)], there + _OFFSETS[best % len(_OFFSETS)]
    return Move(float(speed), float(offset - anchor * speed), move.steps), int(counts.flat[best]) / max(1, len(frames))


def _judged(frames: NDArray[Any], pitches: NDArray[np.int64], other: Constellation, fewest: int) -> Agreement:
    """Only what falls within the other sound, and within its range of pitches, can agree."""
    can = (frames >= other.frames[0]) & (frames <= other.frames[-1]) & (pitches >= 4) & (pitches < 220)
    frames, semitones = frames[can], _semitones(pitches[can])
    if not len(frames):
        return Agreement()
    share = float(other.hits(frames, semitones).mean())
    by_chance = float(other.hits(frames + _SHIFTS[:, None], semitones).mean())
    by_repetition = float(other.hits(frames + _REPETITIONS[:, None], semitones).mean(axis=1).max())
    return Agreement(len(frames), fewest, share, by_chance, by_repetition, other.richness)


def _semitones(steps: NDArray[np.int64]) -> NDArray[np.uint64]:
    """The nearest bit of the map; pitches beyond it fall on its rim."""
    return np.minimum(np.maximum((steps + 2) // STEPS_A_SEMITONE, 0), 63).astype(np.uint64)
