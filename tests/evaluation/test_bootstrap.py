import time

import numpy as np
import pytest

from musegen.evaluation import bootstrap


def test_every_draw_holds_as_many_pieces_as_there_are_and_repeats_with_the_seed():
    weights = bootstrap.draw_weights(7, draws=50, seed=3)
    assert weights.shape == (50, 7)
    assert set(weights.sum(axis=1)) == {7.0}
    assert (weights == bootstrap.draw_weights(7, draws=50, seed=3)).all()
    assert (weights != bootstrap.draw_weights(7, draws=50, seed=4)).any()


def test_the_interval_is_that_of_the_quantiles_and_of_nothing_there_is_none():
    assert bootstrap.interval(np.arange(1001.0), 0.9) == pytest.approx([50.0, 950.0])
    assert bootstrap.interval(np.array([np.nan, 2.0, np.inf])) == [2.0, 2.0]
    assert bootstrap.interval(np.array([np.nan])) is None


def test_intervals_of_a_ratio_of_sums_hold_the_truth_about_as_often_as_they_say():
    # Pieces of very different length, whose nats a note scatter around 2: nats over notes is 2 in the long run.
    random = np.random.default_rng(0)
    weights = bootstrap.draw_weights(40, draws=600, seed=1)
    held = 0
    for _ in range(400):
        notes = random.lognormal(4, 0.7, 40)
        nats = notes * random.gamma(16, 2 / 16, 40)
        low, high = bootstrap.interval((weights @ nats) / (weights @ notes))
        held += low <= 2 <= high
    assert 0.88 < held / 400 < 0.98


def test_a_thousand_pieces_are_drawn_two_thousand_times_within_a_second():
    begun = time.process_time()
    weights = bootstrap.draw_weights(1000)
    bootstrap.interval((weights @ np.ones((1000, 30)))[:, 0])
    assert time.process_time() - begun < 1
