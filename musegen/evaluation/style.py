"""An independent judge of style: does a new piece sound like the style it was asked to be?

The judge sees no tokens and nothing of the generator. It learns from the human training pieces alone, on features that
a transposition, another tempo or another instrument leave as they are. Its worth is what it scores on human pieces it
has not seen; report that beside what it says of generated ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from musegen.errors import BadInput
from musegen.evaluation.music import lead_line, repeated_bar_share
from musegen.evaluation.style_figures import StyleFigures, compare
from musegen.labels import DRUMS
from musegen.score import SCORE_NOTE, Score
from musegen.theory import TICKS_PER_QUARTER, Key

_POSITIONS_PER_BAR = 24
_LARGEST_INTERVAL = 12
# Lengths in quarters, a note goes to the nearest by ratio; triplets and dotted values have their own place.
_LENGTHS = np.array([1 / 8, 1 / 6, 1 / 4, 1 / 3, 3 / 8, 1 / 2, 2 / 3, 3 / 4, 1, 3 / 2, 2, 3, 4])
# How much longer one note of the line is than the one before: even, dotted, double, triple and their inverses.
_RATIO_EDGES = np.log2([0.4, 0.6, 0.9, 1.1, 1.7, 2.5])
# General MIDI kit pieces by sound: kick, snare, hi-hat, toms, crash and china, ride; all else is "other".
_KIT = ({35, 36}, {37, 38, 39, 40}, {42, 44, 46, 22, 26}, {41, 43, 45, 47, 48, 50, 58}, {49, 52, 55, 57}, {51, 53, 59})
_METER_BLOCKS = frozenset({"meter", "position", "bar_density"})
_TREES = 200


def features(score: Score) -> NDArray[np.float64]:
    """What a style shows in: float64 (F,), in the order of `FEATURES`; all finite, also for a score without notes.

    Shares, ratios and semitones only. Left out on purpose: pitch height, tempo, instrument, dynamics and length,
    which a caller may ask for in any style.
    """
    return np.concatenate([np.asarray(values, np.float64) for values in _blocks(score).values()])


@dataclass(frozen=True, eq=False)
class StyleJudge:
    """A forest of decision trees over `features`, each style weighted alike; `styles` are those it knows, sorted.

    With one style there is nothing to learn: it answers with that style always, and its figures say so.
    """

    styles: tuple[str, ...]
    without_meter: bool
    _forest: Any

    @classmethod
    def fit(cls, scores: Sequence[Score], styles: Sequence[str], seed: int, without_meter: bool = False) -> Self:
        """Learn from human pieces and their styles; equal input and seed give an equal judge.

        `without_meter` hides what names the meter (time signature, place of notes in the bar, notes a bar): a
        generator keeps the meter by construction, so that a slip jig is easily told by its 9/8 alone.
        Raises `BadInput` without pieces and ValueError if the two sequences differ in length.
        """
        if not scores:
            raise BadInput("the style judge has no pieces to learn from; label the style of some", "no style")
        known = tuple(sorted(set(styles)))
        table = _table(scores, styles, without_meter)
        if len(known) == 1:
            return cls(known, without_meter, None)
        from sklearn.ensemble import ExtraTreesClassifier

        forest = ExtraTreesClassifier(
            n_estimators=_TREES,
            min_samples_leaf=2,
            max_features=0.3,
            class_weight="balanced",
            random_state=seed,
            n_jobs=1,
        )
        return cls(known, without_meter, forest.fit(table, list(styles)))

    def predict(self, scores: Sequence[Score]) -> list[str]:
        """The style each piece sounds like most."""
        if not scores:
            return []
        if self._forest is None:
            return [self.styles[0]] * len(scores)
        table = _table(scores, [""] * len(scores), self.without_meter)
        return [str(style) for style in self._forest.predict(table)]

    def judge(self, scores: Sequence[Score], styles: Sequence[str]) -> StyleFigures:
        """Compare what each piece sounds like with the style it was asked to be.

        A style that the judge does not know counts as missed. Raises ValueError without pieces or if the two
        sequences differ in length.
        """
        if len(scores) != len(styles) or not scores:
            raise ValueError(f"{len(scores)} scores and {len(styles)} styles: give one style a score, and at least one")
        notes = []
        if len(self.styles) == 1:
            notes.append(f"only one style ({self.styles[0]}) in the training pieces: there is nothing to tell apart")
        unknown = sorted(set(styles) - set(self.styles))
        if unknown:
            notes.append(f"not in the training pieces, so always missed: {', '.join(unknown)}")
        return compare(self.predict(scores), list(styles), self.styles, self.without_meter, "; ".join(notes))


def _table(scores: Sequence[Score], styles: Sequence[str], without_meter: bool) -> NDArray[np.float64]:
    """One row a score: float64 (n, F)."""
    if len(scores) != len(styles):
        raise ValueError(f"{len(scores)} scores but {len(styles)} styles: give one style a score")
    table = np.stack([features(score) for score in scores])
    return table[:, ~_NAMES_THE_METER] if without_meter else table


def _blocks(score: Score) -> dict[str, Any]:
    pitched = score.notes[score.notes["program"] != DRUMS]
    line, key = lead_line(score), score.key
    steps = np.diff(line["pitch"].astype(int))
    gaps = np.diff(line["start"]) / TICKS_PER_QUARTER
    ratios = np.log2(gaps[1:] / gaps[:-1]) if len(gaps) > 1 else np.empty(0)
    bar_quarters = score.meter.ticks / TICKS_PER_QUARTER if score.bars else 4.0
    count = max(len(score.notes), 1)
    return {
        "meter": _meter(score),
        "position": _shares(_positions(score), _POSITIONS_PER_BAR),
        "bar_density": [len(line) / max(len(score.bars), 1)],
        "interval": _shares(np.clip(steps, -_LARGEST_INTERVAL, _LARGEST_INTERVAL) + _LARGEST_INTERVAL, 25),
        "motion": [_mean(np.abs(steps)), _mean(steps == 0), _mean(np.abs(steps) > 4), _mean(steps > 0), _turns(steps)],
        "degree": _degrees(key, pitched),
        "line_degree": _degrees(key, line),
        "chord": _chord_intervals(pitched),
        "length": _shares(_nearest_length(pitched["ticks"] / TICKS_PER_QUARTER), len(_LENGTHS)),
        "gap": _shares(_nearest_length(gaps), len(_LENGTHS)),
        "ratio": _shares(np.digitize(ratios, _RATIO_EDGES), len(_RATIO_EDGES) + 1),
        "density": [len(line) / max(len(score.bars), 1) / bar_quarters, len(pitched) / max(len(line), 1)],
        "texture": [score.polyphony, float(np.ptp(pitched["pitch"])) if len(pitched) else 0.0, _line_range(line)],
        "form": [repeated_bar_share(score), float(key is not None and key.minor)],
        "drums": [1 - len(pitched) / count, *_kit(score)],
    }


def _meter(score: Score) -> list[float]:
    meter = score.meter if score.bars else None
    beats = meter.beats if meter else 0
    return [
        *(float(beats == known) for known in (2, 3, 4)),
        float(meter.compound) if meter else 0.0,
        meter.ticks / TICKS_PER_QUARTER if meter else 0.0,
    ]


def _positions(score: Score) -> NDArray[np.int64]:
    """Where in its bar each note begins, in 24ths of the bar."""
    if not score.bars:
        return np.empty(0, np.int64)
    starts = np.array([bar.start for bar in score.bars])
    ticks = np.array([bar.meter.ticks for bar in score.bars])
    bar = np.clip(np.searchsorted(starts, score.notes["start"], side="right") - 1, 0, None)
    share = (score.notes["start"] - starts[bar]) / ticks[bar]
    places: NDArray[np.int64] = np.round(share * _POSITIONS_PER_BAR).astype(np.int64)
    return np.clip(places, 0, _POSITIONS_PER_BAR - 1)


def _degrees(key: Key | None, notes: NDArray[Any]) -> NDArray[np.float64]:
    """Share of the sounding time by semitones above the tonic, float64 (12,)."""
    if key is None or not len(notes):
        return np.zeros(12)
    return _shares((notes["pitch"] - key.tonic) % 12, 12, notes["ticks"])


def _chord_intervals(pitched: NDArray[Any]) -> NDArray[np.float64]:
    """Share of semitones (modulo 12) above the lowest of the notes that begin together, float64 (12,)."""
    starts, first = np.unique(pitched["start"], return_index=True)
    # Within an onset, notes are sorted by pitch, so the first is the lowest.
    lowest = pitched["pitch"][first][np.searchsorted(starts, pitched["start"])]
    above = np.ones(len(pitched), bool)
    above[first] = False
    return _shares((pitched["pitch"] - lowest)[above] % 12, 12)


def _kit(score: Score) -> NDArray[np.float64]:
    drums = score.notes["pitch"][score.notes["program"] == DRUMS]
    place = {pitch: row for row, pitches in enumerate(_KIT) for pitch in pitches}
    return _shares(np.array([place.get(int(pitch), len(_KIT)) for pitch in drums], np.int64), len(_KIT) + 1)


def _turns(steps: NDArray[Any]) -> float:
    """Share of the line's moves that go against the one before."""
    moves = np.sign(steps[steps != 0])
    return _mean(moves[1:] != moves[:-1])


def _line_range(line: NDArray[Any]) -> float:
    return float(np.ptp(line["pitch"])) if len(line) else 0.0


def _nearest_length(quarters: NDArray[Any]) -> NDArray[np.int64]:
    edges = np.sqrt(_LENGTHS[1:] * _LENGTHS[:-1])
    return np.asarray(np.digitize(quarters, edges), np.int64)


def _shares(places: NDArray[Any], size: int, weights: NDArray[Any] | None = None) -> NDArray[np.float64]:
    counts = np.bincount(np.asarray(places, np.int64), weights=weights, minlength=size).astype(np.float64)
    total = counts.sum()
    return counts / total if total else counts


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else 0.0


_SILENCE = _blocks(Score(np.empty(0, SCORE_NOTE), ()))

FEATURES = tuple(f"{block}_{place}" for block, values in _SILENCE.items() for place in range(len(values)))
"""The names of what `features` gives, in its order."""

_NAMES_THE_METER = np.repeat([block in _METER_BLOCKS for block in _SILENCE], [len(v) for v in _SILENCE.values()])
