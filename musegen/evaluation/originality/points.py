"""Music as points: when a note begins and how high it is; what is left when key, tempo and instruments don't count."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.labels import DRUMS
from musegen.score import Score
from musegen.tokens import TICKS_PER_SLOT

TOGETHER_SLOTS = 0.5
"""Notes that begin within this of the one before sound as one: half a step of the grid on which training pieces lie."""


@dataclass(frozen=True, eq=False)
class Points:
    """Notes in order of time, then pitch: `slots` float64 (n,), 12 a quarter; `pitches` int64 (n,).

    Drums are left out unless there is nothing else; then `drums` is true and pitches name drums.
    """

    slots: NDArray[np.float64]
    pitches: NDArray[np.int64]
    drums: bool = False

    def __len__(self) -> int:
        return len(self.slots)

    @classmethod
    def of(cls, score: Score) -> "Points":
        """The points of a score; a note that is doubled in unison counts once."""
        pitched = score.notes["program"] != DRUMS
        drums = not pitched.any() and len(pitched) > 0
        notes: NDArray[Any] = score.notes if drums else score.notes[pitched]
        places = np.unique(np.stack([notes["start"], notes["pitch"]], axis=1).astype(np.int64), axis=0)
        return cls(places[:, 0] / TICKS_PER_SLOT, places[:, 1], drums)


def moments(slots: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
    """The number of the onset that each of the notes (in order of time) belongs to; a spread chord is one onset."""
    return np.cumsum(np.diff(slots, prepend=slots[:1]) > TOGETHER_SLOTS)
