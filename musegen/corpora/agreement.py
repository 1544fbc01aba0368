"""Whether two sources say the same, as a musician would see it: spelling, octaves of a tempo and versions aside."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.corpora import names
from musegen.errors import MusegenError
from musegen.label_files import licences
from musegen.labels import Beats, Style
from musegen.theory import Key, Meter

_BPM_TOLERANCE = 0.03
_OCTAVES = (1.0, 2.0, 0.5, 4.0, 0.25)
# A beat may be a dotted note, of which a beat file says nothing.
_DOTTED = (*_OCTAVES, 1.5, 2 / 3, 3.0, 1 / 3)
# The tolerance of the F-measure in beat tracking (Dixon, 2007).
_BEAT_WINDOW_SECONDS = 0.07
_FEWEST_COMMON_BEATS = 0.5
_SPLITS = {
    "training": "train", "validation": "valid", "val": "valid", "dev": "valid", "testing": "test", "eval": "test",
}  # fmt: skip


def agree(field: str, one: Any, other: Any) -> bool:
    """Whether two values of a field of `Said` mean the same."""
    try:
        return _COMPARISONS[field](one, other)
    except MusegenError:
        return bool(one == other)


def same_tempo(one: float, other: float, dotted: bool = False) -> bool:
    """Within 3 % of each other or of an octave; `dotted` where one counts beats that may not be quarters."""
    return any(abs(one / (other * ratio) - 1) <= _BPM_TOLERANCE for ratio in (_DOTTED if dotted else _OCTAVES))


def same_beats(one: Beats, other: Beats) -> bool:
    """False where, over the time that both cover, less than half of either's beats are within 70 ms of the other's.

    So beats at twice the tempo agree, and beats that begin or end earlier.
    """
    start = max(one.seconds[0], other.seconds[0]) - _BEAT_WINDOW_SECONDS
    end = min(one.seconds[-1], other.seconds[-1]) + _BEAT_WINDOW_SECONDS
    first, second = (beats.seconds[(beats.seconds >= start) & (beats.seconds <= end)] for beats in (one, other))
    if not len(first) or not len(second):
        return False
    return max(_share_near(first, second), _share_near(second, first)) >= _FEWEST_COMMON_BEATS


def _share_near(times: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """The share of `times` that has one of `others` (sorted, not empty) within the window."""
    after = np.searchsorted(others, times)
    later, earlier = others[np.minimum(after, len(others) - 1)], others[np.maximum(after - 1, 0)]
    nearest = np.minimum(np.abs(later - times), np.abs(earlier - times))
    return float(np.mean(nearest <= _BEAT_WINDOW_SECONDS))


def _same_style(one: str, other: str) -> bool:
    """`Rock/Pop` and `rock` agree: tags often name several."""
    first, second = (
        {Style.named(part).name for part in re.split(r"[/,;|]", words) if part.strip()} for words in (one, other)
    )
    return bool(first & second)


def _same_words(one: str, other: str) -> bool:
    """Letters and digits alone count, and one may say more than the other (`Song (live)`)."""
    first, second = (re.sub(r"[\W_]+", "", names.folded(words)) for words in (one, other))
    return first in second or second in first


def _same_licence(one: str, other: str) -> bool:
    first, second = (licences.name_of(words) or " ".join(words.lower().split()) for words in (one, other))
    # A text that gives no version doesn't contradict one that does.
    return first == second or first.startswith(f"{second} ") or second.startswith(f"{first} ")


def _same_split(one: str, other: str) -> bool:
    first, second = (_SPLITS.get(words.strip().lower(), words.strip().lower()) for words in (one, other))
    return first == second


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "style": _same_style,
    "title": _same_words,
    "artist": _same_words,
    "licence": _same_licence,
    "consent": lambda one, other: one is other,
    "split": _same_split,
    "bpm": same_tempo,
    "key": lambda one, other: Key.parse(one) == Key.parse(other),
    "meter": lambda one, other: Meter.parse(one) == Meter.parse(other),
}
