"""How far a set of pieces is from human music, measure by measure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from musegen.evaluation.music import measure
from musegen.score import Score

# What `distances` compares, with the least spread each counts as having: human pieces that all agree must not make
# every difference infinite.
_COMPARED = {
    "pitch_class_entropy": 0.05,
    "scale_consistency": 0.01,
    "groove_consistency": 0.005,
    "polyphony": 0.05,
    "notes_per_bar": 0.25,
    "bar_similarity": 0.02,
    "repeated_bar_share": 0.02,
    "empty_bar_share": 0.01,
    "pitch_range": 1.0,
    "mean_interval": 0.1,
    "mean_quarters": 0.05,
}
READINGS = {
    "pitch_class_entropy": ("pitch-class entropy", "bits; how evenly the twelve notes are used"),
    "scale_consistency": ("scale consistency", "share of notes in the one scale that fits best"),
    "groove_consistency": ("groove consistency", "1: every bar begins its notes where the bar before did"),
    "polyphony": ("polyphony", "notes that sound at once"),
    "notes_per_bar": ("note density", "notes that begin in a bar"),
    "bar_similarity": ("structure: self-similarity", "how much of a bar is in the most alike of the 16 before"),
    "repeated_bar_share": ("structure: repetition", "share of bars that are an earlier bar, note for note"),
    "empty_bar_share": ("empty bars", "share of bars in which nothing sounds"),
    "pitch_range": ("pitch range", "semitones from the lowest to the highest note"),
    "mean_interval": ("steps of the upper line", "semitones; large: it leaps"),
    "mean_quarters": ("note length", "quarters"),
}
"""What `distances` compares: measure → its name for a person, and what it says of a piece."""


@dataclass(frozen=True)
class Distance:
    """How far the generated pieces lie from the human ones in one measure.

    `distance`: Wasserstein-1 distance of the two distributions over the human spread, which is the mean absolute
    difference of two human pieces (Gini's): 0 is the same, 1 is a shift by as much as two human pieces differ.
    `low`, `high`: 95% bootstrap interval; as the distance can't be negative, resampling can only add to a small one.
    `chance`: what 95% of draws of as many *human* pieces stay below; a distance up to it says nothing.
    """

    distance: float
    low: float
    high: float
    chance: float
    generated_mean: float
    human_mean: float


def distances(
    generated: Sequence[Score], human: Sequence[Score], seed: int = 0, draws: int = 200
) -> dict[str, Distance]:
    """How far generated music is from human music, by measure; one that applies to no piece of either is left out.

    Equal input and seed give equal figures. Raises ValueError if either set is empty.
    """
    if not generated or not human:
        raise ValueError(f"{len(generated)} generated and {len(human)} human pieces: a distance needs both")
    tables = [[measure(score) for score in scores] for scores in (generated, human)]
    found = {}
    for name, finest in _COMPARED.items():
        ours, theirs = (
            np.array([value for row in rows if (value := getattr(row, name)) is not None], np.float64)
            for rows in tables
        )
        if len(ours) and len(theirs):
            found[name] = _distance(ours, theirs, finest, np.random.default_rng(seed), draws)
    return found


def wasserstein(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Wasserstein-1 distance of two samples: the area between their cumulative distributions, in their unit."""
    values = np.sort(np.concatenate([first, second]))
    below_first = np.searchsorted(np.sort(first), values[:-1], side="right") / len(first)
    below_second = np.searchsorted(np.sort(second), values[:-1], side="right") / len(second)
    return float(np.sum(np.abs(below_first - below_second) * np.diff(values)))


def _distance(
    ours: NDArray[Any], theirs: NDArray[Any], finest: float, random: np.random.Generator, draws: int
) -> Distance:
    count = len(theirs)
    ranks = 2 * np.arange(count) - count + 1
    gini = 2 * float(np.sum(ranks * np.sort(theirs))) / max(count * (count - 1), 1)
    spread = max(gini, finest)

    def drawn(first: NDArray[Any]) -> list[float]:
        pairs = ((random.choice(first, len(ours)), random.choice(theirs, count)) for _ in range(draws))
        return [wasserstein(*pair) / spread for pair in pairs]

    low, high = np.quantile(drawn(ours), (0.025, 0.975)).tolist()
    chance = float(np.quantile(drawn(theirs), 0.95))
    value = wasserstein(ours, theirs) / spread
    return Distance(value, min(low, value), max(high, value), chance, float(ours.mean()), float(theirs.mean()))
