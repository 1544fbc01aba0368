"""What a piece shares with the training piece that it shares most with."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

Verdict = Literal["original", "close", "copy"]


@dataclass(frozen=True)
class Borrowing:
    """The longest passage that a piece shares with a training piece, and what people would say to it.

    `score` is 1 where nothing is shared, 0.5 at the edge of a copy, 0 at twice as much. `covered`: share of the piece's
    notes that stand in passages shared with `track`, `covered_by_all`: with any training piece. `longest_notes` and
    `longest_quarters`: the longest passage, in notes shared and in quarters of the piece. `bars` of the piece, first
    and last counted from 1, are `track_bars` of the track, `semitones` higher and `stretch` times as slow.
    Without a shared passage `track` and what is said of it are None.
    """

    score: float
    verdict: Verdict
    covered: float
    covered_by_all: float
    notes: int
    longest_notes: int
    longest_quarters: float
    track: str | None = None
    track_id: str | None = None
    bars: tuple[int, int] | None = None
    track_bars: tuple[int, int] | None = None
    semitones: int | None = None
    stretch: float | None = None

    def to_json(self) -> dict[str, Any]:
        """In plain values; bars as lists."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    def to_text(self) -> str:
        """In words, as a musician reads it."""
        if self.track is None or self.bars is None or self.track_bars is None:
            return f"{self.verdict}: shares no passage with a training piece"
        return (
            f"{self.verdict}: {_bars(self.bars)} are {_bars(self.track_bars)} of {self.track}"
            f"{_key(self.semitones or 0)}{_tempo(self.stretch or 1.0)}, {self.longest_notes} notes in a row; "
            f"{self.covered:.0%} of its notes are from there"
        )


def _bars(bars: tuple[int, int]) -> str:
    return f"bars {bars[0]}-{bars[1]}" if bars[1] > bars[0] else f"bar {bars[0]}"


def _key(semitones: int) -> str:
    if not semitones:
        return ""
    return f", {abs(semitones)} semitone{'s' if abs(semitones) > 1 else ''} {'higher' if semitones > 0 else 'lower'}"


def _tempo(stretch: float) -> str:
    return "" if abs(stretch - 1) < 0.02 else f", notes {stretch:.3g} times as long"
