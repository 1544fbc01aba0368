"""The beats of a track, in seconds of its audio."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from musegen.change import Change
from musegen.errors import BadInput
from musegen.labels.base import Label


@dataclass(frozen=True, eq=False)
class Beats(Label):
    """Beat times and where each lies in its bar.

    `seconds`: float64 (n,), strictly increasing. `positions`: int16 (n,), 1 = downbeat, 0 = unknown.
    `quarters_per_beat`: how long a beat is written (1.5 in 6/8, where two beats make the bar). `tempo_known`: False
    where a file gave no tempo, so that the seconds only follow a player's default.
    """

    seconds: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    positions: NDArray[np.int16] = field(default_factory=lambda: np.empty(0, np.int16))
    quarters_per_beat: float = 1.0
    tempo_known: bool = True

    COLUMNS: ClassVar[Mapping[str, str]] = {
        "seconds": "list<float64>", "positions": "list<int16>", "quarters_per_beat": "float64", "tempo_known": "bool",
    }  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        seconds = np.array(self.seconds, np.float64)
        positions = np.array(self.positions, np.int16)
        if len(seconds) != len(positions):
            raise BadInput(f"{len(seconds)} beats but {len(positions)} positions; correct the beat file", "bad beats")
        if not np.isfinite(seconds).all():
            raise BadInput("a beat has a time that is no number; correct the beat file", "bad beats")
        backward = np.flatnonzero(np.diff(seconds) <= 0)
        if len(backward):
            row = int(backward[0]) + 2
            raise BadInput(f"beat {row} does not come after the one before it; sort the beat file", "bad beats")
        if not self.quarters_per_beat > 0:
            raise BadInput(f"a beat of {self.quarters_per_beat} quarters is no beat; correct the meter", "bad beats")
        for name, array in (("seconds", seconds), ("positions", positions)):
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        return len(self.seconds)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Beats)
            and (self.origin, self.confidence, self.quarters_per_beat, self.tempo_known)
            == (other.origin, other.confidence, other.quarters_per_beat, other.tempo_known)
            and np.array_equal(self.seconds, other.seconds)
            and np.array_equal(self.positions, other.positions)
        )

    __hash__: Any = None

    @property
    def has_downbeats(self) -> bool:
        """True if at least two downbeats are known, so that bars can be drawn."""
        return int(np.count_nonzero(self.positions == 1)) >= 2

    @property
    def bpm(self) -> float | None:
        """Quarter notes a minute, from the median beat; None with fewer than two beats."""
        if len(self) < 2:
            return None
        return float(60.0 * self.quarters_per_beat / np.median(np.diff(self.seconds)))

    def follow(self, change: Change) -> Self:
        seconds = change.moved(self.seconds)
        kept = change.sounds(seconds)
        return replace(self, seconds=seconds[kept], positions=self.positions[kept])
