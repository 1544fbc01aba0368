import json
import time

import numpy as np
import pytest

from musegen.errors import BadInput
from musegen.evaluation.style import FEATURES, StyleJudge, features
from musegen.evaluation.style_figures import StyleFigures, compare
from musegen.score import SCORE_NOTE, Score
from musegen.theory import Meter

MAJOR = np.array([0, 2, 4, 5, 7, 9, 11])


def tune(style, seed, bars=16, meter=None):
    """A random tune that walks by step in even notes (`walk`), or leaps in dotted ones (`leap`)."""
    random = np.random.default_rng(seed)
    meter = meter or (Meter(6, 8) if style == "walk" else Meter(4, 4))
    lengths = {"walk": [240], "leap": [360, 120]}[style]
    start, rows, degree, tonic = 0, [], 7, int(random.integers(50, 62))
    while start < bars * meter.ticks:
        degree = int(np.clip(degree + random.choice([-1, 1] if style == "walk" else [-4, 3, 4, -3]), 0, 13))
        ticks = lengths[len(rows) % len(lengths)]
        rows.append((start, ticks, tonic + 12 * (degree // 7) + MAJOR[degree % 7], 80, 73, 0))
        start += ticks
    return Score.steady(np.array(rows, SCORE_NOTE), meter, 100.0)


def corpus(count, first=0, **options):
    styles = ["walk", "leap"] * count
    return [tune(style, first + place, **options) for place, style in enumerate(styles)], styles


@pytest.fixture(scope="module")
def judge():
    return StyleJudge.fit(*corpus(8), seed=0)


def feature(score, name):
    return features(score)[FEATURES.index(name)]


def test_features_do_not_hear_a_transposition_a_tempo_or_an_instrument():
    piece = tune("leap", 1)
    notes = piece.notes.copy()
    notes["program"], notes["velocity"], notes["part"] = 40, 33, 5
    other = Score(notes, piece.bars, 63.0).transposed(5)
    np.testing.assert_allclose(features(other), features(piece))


def test_features_of_a_small_phrase_are_those_on_paper():
    rows = [(0, 480, 60), (480, 480, 62), (960, 480, 62), (1440, 480, 67)]
    piece = Score.steady(np.array([(*row, 80, 0, 0) for row in rows], SCORE_NOTE), Meter(4, 4), None)
    assert feature(piece, "interval_14") == pytest.approx(1 / 3)  # two semitones up
    assert feature(piece, "interval_12") == pytest.approx(1 / 3)  # the same note again
    assert feature(piece, "interval_17") == pytest.approx(1 / 3)  # a fourth up
    assert feature(piece, "position_6") == 0.25
    assert feature(piece, "gap_8") == 1.0  # all a quarter apart
    assert feature(piece, "ratio_3") == 1.0  # and even
    assert feature(piece, "bar_density_0") == 4.0


def test_features_are_finite_for_silence_drums_one_note_and_no_bars():
    one = Score.steady(np.array([(0, 480, 60, 80, 0, 0)], SCORE_NOTE), Meter(3, 4), None)
    drums = Score.steady(
        np.array([(0, 480, 36, 80, 128, 0), (480, 480, 39, 80, 128, 0)], SCORE_NOTE), Meter(4, 4), None
    )
    for score in (one, drums, Score(np.empty(0, SCORE_NOTE), (), None)):
        assert features(score).shape == (len(FEATURES),)
        assert np.isfinite(features(score)).all()
    assert feature(drums, "drums_0") == 1.0


def test_features_of_a_piece_take_less_than_five_milliseconds():
    piece = tune("walk", 0, bars=64)
    features(piece)
    taken = []
    for _ in range(20):
        began = time.process_time()
        features(piece)
        taken.append(time.process_time() - began)
    assert min(taken) < 0.005


@pytest.mark.parametrize("without_meter", [False, True])
def test_judge_tells_new_human_pieces_apart_with_and_without_the_meter(without_meter):
    judge = StyleJudge.fit(*corpus(12), seed=0, without_meter=without_meter)
    found = judge.judge(*corpus(6, first=100))
    assert found.accuracy == found.macro_recall == found.macro_f1 == found.macro_precision == 1.0
    assert (found.labels, found.confusion, found.n) == (("leap", "walk"), ((6, 0), (0, 6)), 12)
    assert found.without_meter == without_meter


def test_judge_without_meter_is_not_led_by_the_time_signature():
    judge = StyleJudge.fit(*corpus(12), seed=0, without_meter=True)
    disguised = [tune("leap", 200 + seed, meter=Meter(6, 8)) for seed in range(4)]
    assert judge.predict(disguised) == ["leap"] * 4


def test_judge_learns_from_four_pieces_and_hears_eight_bars():
    judge = StyleJudge.fit(*corpus(2), seed=0)
    assert judge.judge(*corpus(4, first=50, bars=8)).accuracy == 1.0


def test_equal_seeds_make_equal_judges():
    pieces, styles = corpus(6)
    new, _ = corpus(5, first=77, bars=4)
    assert StyleJudge.fit(pieces, styles, 4).predict(new) == StyleJudge.fit(pieces, styles, 4).predict(new)


def test_figures_are_those_counted_by_hand(judge):
    pieces, _ = corpus(2, first=300)  # heard as walk, leap, walk, leap
    found = judge.judge(pieces, ["walk", "walk", "walk", "leap"])
    assert found.confusion == ((1, 0), (1, 2))
    assert found.accuracy == 0.75
    assert found.majority == 0.75
    assert found.macro_recall == pytest.approx((1 + 2 / 3) / 2)
    assert found.macro_precision == pytest.approx((0.5 + 1) / 2)
    assert found.macro_f1 == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert found.per_style["walk"] == {"precision": 1.0, "recall": pytest.approx(2 / 3), "f1": 0.8, "n": 3}


def test_with_one_style_it_says_that_there_is_nothing_to_tell_apart():
    pieces = [tune("walk", seed) for seed in range(3)]
    judge = StyleJudge.fit(pieces, ["walk"] * 3, seed=0)
    found = judge.judge(pieces, ["walk"] * 3)
    assert found.accuracy == 1.0
    assert "only one style (walk)" in found.note


def test_a_style_it_never_heard_counts_as_missed_and_is_named(judge):
    found = judge.judge([tune("walk", 9), tune("walk", 10)], ["walk", "tango"])
    assert found.accuracy == 0.5
    assert found.per_style["tango"]["recall"] == 0.0
    assert "tango" in found.note


def test_silence_is_judged_and_not_refused(judge):
    assert judge.predict([Score.steady(np.empty(0, SCORE_NOTE), Meter(4, 4), None, bars=2)])[0] in judge.styles
    assert judge.predict([]) == []


def test_figures_survive_json(judge):
    found = judge.judge(*corpus(2, first=20))
    assert StyleFigures.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False))) == found


def test_malformed_requests_are_refused(judge):
    pieces, styles = corpus(2)
    with pytest.raises(BadInput, match="no pieces to learn from"):
        StyleJudge.fit([], [], seed=0)
    with pytest.raises(ValueError, match="4 scores but 3 styles"):
        StyleJudge.fit(pieces, styles[:3], seed=0)
    with pytest.raises(ValueError, match="give one style a score"):
        judge.judge(pieces, styles[:1])
    with pytest.raises(ValueError, match="at least one"):
        judge.judge([], [])


def test_a_judge_that_is_always_right_is_surely_so_and_one_that_never_is_surely_not():
    right = compare(["a", "b"] * 5, ["a", "b"] * 5, ("a", "b"))
    assert right.intervals.keys() == {"accuracy", "macro_precision", "macro_recall", "macro_f1"}
    assert set(map(tuple, right.intervals.values())) == {(1.0, 1.0)}
    wrong = compare(["b", "a"] * 5, ["a", "b"] * 5, ("a", "b"))
    assert set(map(tuple, wrong.intervals.values())) == {(0.0, 0.0)}


def test_intervals_hold_the_figure_and_narrow_with_more_pieces():
    heard, asked = ["a", "a", "b", "b", "a", "b"], ["a", "a", "a", "b", "b", "b"]
    few, many = (compare(heard * times, asked * times, ("a", "b")) for times in (1, 20))
    for found in (few, many):
        low, high = found.intervals["macro_f1"]
        assert low < found.macro_f1 < high
    assert np.ptp(many.intervals["macro_f1"]) < 0.5 * np.ptp(few.intervals["macro_f1"])
