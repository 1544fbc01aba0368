"""What is said of labels that don't fit."""

from dataclasses import dataclass

# What an ear and soft attacks add to an onset, and what human tapping takes away.
EARLIEST_SECONDS, LATEST_SECONDS = -0.05, 0.065


@dataclass(frozen=True)
class Misfit:
    """`kind` is beats, notes or chords; `reason` a short stable word for tables; `words` are for people.

    `blocks`: the labels must not be trained on blindly.
    """

    kind: str
    reason: str
    words: str
    blocks: bool


def time_of(seconds: float) -> str:
    """A place in a recording as players show it."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def lateness(seconds: float) -> str:
    """How much too late (or, below 0, too early)."""
    size = abs(seconds)
    amount = f"{size:.1f} s" if size >= 1 else f"{round(100 * size) * 10} ms"
    return f"{amount} {'late' if seconds > 0 else 'early'}"
