import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from musegen.evaluation.distance import READINGS, distances, wasserstein
from musegen.score import SCORE_NOTE, Score
from musegen.theory import Meter

QUARTER = 480
FOUR = Meter(4, 4)


def score(*rows, bars=None, meter=FOUR, bpm=100.0, program=0):
    """A score from rows (start in quarters, length in quarters, pitch)."""
    notes = [(round(start * QUARTER), round(length * QUARTER), pitch, 80, program, 0) for start, length, pitch in rows]
    return Score.steady(np.array(notes, SCORE_NOTE), meter, bpm, bars)


def scale(*pitches, **options):
    return score(*((place, 1, pitch) for place, pitch in enumerate(pitches)), **options)


C_MAJOR = (60, 62, 64, 65, 67, 69, 71, 72)


def test_wasserstein_is_the_published_one():
    assert wasserstein(np.array([0.0, 1.0, 3.0]), np.array([5.0, 6.0, 8.0])) == 5.0
    random = np.random.default_rng(0)
    first, second = random.normal(size=17), random.exponential(size=30)
    assert wasserstein(first, second) == pytest.approx(wasserstein_distance(first, second))


def test_distance_of_a_set_from_itself_is_zero_and_within_chance():
    pieces = [scale(*(60 + pitch for pitch in range(0, 8 * step, step))) for step in (1, 2, 3, 4, 5)]
    for name, found in distances(pieces, pieces, draws=50).items():
        assert found.distance == 0.0 == found.low, name
        assert found.chance >= 0.0


def test_distance_is_in_units_of_the_mean_human_difference():
    human = [scale(*(60 + pitch for pitch in range(0, 4 * step, step))) for step in (1, 2, 3)]  # mean steps 1, 2, 3
    far = [scale(60, 65, 70, 75)] * 4  # mean step 5
    found = distances(far, human, draws=50)["mean_interval"]
    assert (found.generated_mean, found.human_mean) == (5.0, 2.0)
    assert found.distance == pytest.approx(3 / (4 / 3))
    assert found.low <= found.distance <= found.high
    assert found.distance > found.chance


def test_distance_to_human_pieces_that_all_agree_is_finite():
    found = distances([score((0, 1, 60), (0, 1, 64))], [scale(60, 62, 64, 65)] * 3, draws=50)
    assert np.isfinite([found["polyphony"].distance, found["polyphony"].high]).all()
    assert found["polyphony"].distance == pytest.approx(1 / 0.05)


def test_distances_repeat_with_the_seed_and_refuse_an_empty_set():
    some, other = [scale(*C_MAJOR), scale(60, 67)], [scale(60, 61, 66), scale(*C_MAJOR[:5])]
    assert distances(some, other, seed=3, draws=50) == distances(some, other, seed=3, draws=50)
    with pytest.raises(ValueError, match="0 generated"):
        distances([], other)


def test_a_measure_that_applies_to_nobody_is_left_out():
    drums = score((0, 1, 36), program=128)
    assert "pitch_range" not in distances([drums], [drums], draws=10)


def test_every_measure_that_is_compared_has_a_name_and_a_reading():
    found = distances([scale(*C_MAJOR)] * 2, [scale(*C_MAJOR)] * 3)
    assert {"pitch_class_entropy", "scale_consistency", "groove_consistency", "polyphony", "notes_per_bar"} <= set(
        found
    )
    assert {"bar_similarity", "repeated_bar_share"} <= set(found) <= set(READINGS)
