import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from musegen.errors import BadInput
from musegen.evaluation.gate import GateSettings, Verdict, judge, paired_interval

PIECES = [f"piece {number}" for number in range(40)]
NOISE = np.random.default_rng(0).normal(0, 0.05, len(PIECES))


def measured(nats=2.0, noise=0.0, **others):
    per_piece = {name: nats + noise * error for name, error in zip(PIECES, NOISE, strict=True)}
    return {"nll_per_note": nats, "per_piece": per_piece, **others}


def settings(**values):
    return GateSettings.model_validate(values)


BASELINE = measured(2.6)


def test_a_model_below_the_count_model_is_promoted_and_told_by_how_much():
    verdict = judge(measured(2.0), None, settings(), BASELINE)
    assert (verdict.passed, verdict.outcome) == (True, "promoted")
    assert verdict.checks[0].margin == pytest.approx(0.6)
    assert verdict.words == "Promoted: NLL per note 2 is 0.6 below the count model's 2.6; no champion serves yet."


def test_equal_to_the_count_model_is_not_below_it():
    verdict = judge(measured(2.6), None, settings(), BASELINE)
    assert (verdict.passed, verdict.outcome) == (False, "not promoted")
    assert "exactly at the count model's 2.6" in verdict.words


def test_a_share_of_the_count_model_may_be_asked():
    floors = {"nll_per_note": {"below_baseline": 0.7}}
    verdict = judge(measured(2.0), None, settings(floors=floors), BASELINE)
    assert not verdict.passed
    assert verdict.checks[0].needed == pytest.approx(1.82)
    assert verdict.words == "Not promoted: NLL per note 2 is 0.18 above 0.7 × the count model's 1.82."


def test_a_bare_number_is_a_floor_that_may_be_met_exactly():
    floors = {"bars_as_asked": 1.0, "style_accuracy": 0.5}
    assert judge({"bars_as_asked": 1.0, "style_accuracy": 0.5}, None, settings(floors=floors)).passed
    verdict = judge({"bars_as_asked": 0.9, "style_accuracy": 0.7}, None, settings(floors=floors))
    assert [check.passed for check in verdict.checks] == [False, True]
    assert verdict.words == "Not promoted: bars as asked 0.9 is 0.1 below the floor 1."


def test_of_two_bounds_the_missed_one_speaks():
    floors = {"polyphony": {"at_least": 1, "at_most": 3}}
    assert "1 above the ceiling 3" in judge({"polyphony": 4}, None, settings(floors=floors)).words
    assert judge({"polyphony": 2.5}, None, settings(floors=floors)).checks[0].needed == 3


def test_dots_lead_inside():
    floors = {"families.pitch.f1": 0.4}
    assert judge({"families": {"pitch": {"f1": 0.5}}}, None, settings(floors=floors)).passed
    assert "was not measured" in judge({"families": {}}, None, settings(floors=floors)).words


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None, "good", True])
def test_what_is_no_number_never_passes(value):
    for floor in ({"at_least": 0.5}, {"at_most": 0.5}, {"below_baseline": True}):
        verdict = judge({"figure": value}, None, settings(floors={"figure": floor}), {"figure": 3.0})
        assert not verdict.passed
        json.dumps(verdict.to_json(), allow_nan=False)


def test_a_missing_figure_and_a_missing_count_model_fail_by_name():
    assert "NLL per note was not measured" in judge({}, None, settings(), BASELINE).words
    assert "NLL per note of the count model was not measured" in judge(measured(), None, settings()).words


def test_a_better_challenger_replaces_the_champion():
    verdict = judge(measured(2.0, noise=1), measured(2.1), settings(), BASELINE)
    assert verdict.outcome == "promoted"
    assert "0.103 nats a note better than the champion over 40 pieces" in verdict.words


def test_a_worse_challenger_leaves_the_champion_in_place():
    verdict = judge(measured(2.0), measured(1.9), settings(), BASELINE)
    assert (verdict.passed, verdict.outcome) == (False, "kept champion")
    check = verdict.checks[-1]
    assert (check.value, check.needed, check.margin) == pytest.approx((0.1, 0.02, -0.08))
    assert verdict.words.startswith("Kept champion: 0.1 nats a note worse than the champion over 40 pieces")


def test_the_rule_looks_at_the_upper_end_and_not_at_the_mean():
    equal_but_unsure = measured(2.0, noise=6)
    verdict = judge(equal_but_unsure, measured(2.0), settings(comparisons={"nll_per_note": 0.05}), BASELINE)
    interval = paired_interval(equal_but_unsure["per_piece"], measured(2.0)["per_piece"], 0.95, 2000, 0)
    assert interval.mean < 0.05 < interval.high
    assert not verdict.passed
    assert judge(equal_but_unsure, measured(2.0), settings(comparisons={"nll_per_note": 0.5}), BASELINE).passed


def test_an_equal_model_is_not_worse():
    verdict = judge(measured(), measured(), settings(comparisons={"nll_per_note": 0.0}), BASELINE)
    assert verdict.passed
    assert "in nats a note as good as the champion over 40 pieces" in verdict.words


def test_a_floor_missed_keeps_even_a_lesser_champion():
    verdict = judge(measured(2.7), measured(3.0), settings(), BASELINE)
    assert verdict.outcome == "kept champion"
    assert verdict.checks[-1].passed


def test_a_champion_measured_on_other_pieces_is_no_comparison():
    champion = measured(3.0)
    champion["per_piece"] = dict(list(champion["per_piece"].items())[:30])
    verdict = judge(measured(), champion, settings(), BASELINE)
    assert not verdict.passed
    assert "not measured on 10 of 40 test pieces; measure it on this split" in verdict.words
    assert "0 test pieces in common" in judge({"nll_per_note": 2.0}, measured(), settings(), BASELINE).words


def test_a_piece_without_a_number_is_no_comparison():
    broken = measured()
    broken["per_piece"]["piece 3"] = math.nan
    for challenger, champion in ((broken, measured()), (measured(), broken)):
        verdict = judge(challenger, champion, settings(), BASELINE)
        assert not verdict.passed
        assert "piece 3 has no number" in verdict.words


def test_interval_is_the_normal_one_for_many_pieces():
    random = np.random.default_rng(1)
    ours = {str(number): float(value) for number, value in enumerate(random.normal(0.3, 1.0, 400))}
    found = paired_interval(ours, dict.fromkeys(ours, 0.0), 0.95, 4000, 0)
    values = np.array(list(ours.values()))
    half = 1.96 * values.std() / 20
    assert found.mean == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.01)
    assert found == paired_interval(ours, dict.fromkeys(ours, 0.0), 0.95, 4000, 0)


def test_several_figures_are_compared_each_with_its_tolerance():
    right = dict.fromkeys(PIECES, 0.5)
    ours = measured(2.0, per_piece_accuracy=dict.fromkeys(PIECES, 0.49))
    champion = measured(2.0, per_piece_accuracy=right)
    lenient = settings(comparisons={"nll_per_note": 0.02, "accuracy": 0.011})
    assert judge(ours, champion, lenient, BASELINE).passed
    verdict = judge(ours, champion, settings(comparisons={"nll_per_note": 0.02, "accuracy": 0.005}), BASELINE)
    assert [check.passed for check in verdict.checks] == [True, True, False]
    assert verdict.checks[-1].name == "accuracy_not_worse_than_champion"
    assert verdict.checks[-1].interval == pytest.approx((0.01, 0.01))
    assert "0.01 of the tokens worse than the champion over 40 pieces" in verdict.words
    assert not judge(measured(), champion, lenient, BASELINE).passed
    assert "no comparison with the champion by accuracy" in judge(measured(), champion, lenient, BASELINE).words
    assert judge(measured(2.5), measured(2.0), settings(comparisons={}), BASELINE).passed


def test_words_give_the_interval_of_a_figure_where_there_is_one():
    figures = measured(2.0, intervals={"nll_per_note": [1.9, 2.1]})
    verdict = judge(figures, None, settings(), BASELINE)
    assert "NLL per note 2 (interval 1.9 to 2.1) is 0.6 below the count model's 2.6" in verdict.words
    assert verdict.checks[0].interval == (1.9, 2.1)


@pytest.mark.parametrize(
    ("floor", "interval", "passed"),
    [
        ({"at_least": 0.9}, [0.85, 0.99], False),
        ({"at_least": 0.9}, [0.91, 0.99], True),
        ({"at_most": 1.0}, [0.85, 1.1], False),
        ({"at_most": 1.0}, [0.85, 1.0], True),
        ({"below_baseline": True}, [0.85, 1.2], False),
        ({"below_baseline": True}, [0.85, 1.1], True),
    ],
)
def test_a_floor_may_be_held_with_the_unfavourable_end_of_the_interval(floor, interval, passed):
    figures = {"share": 0.95, "intervals": {"share": interval}}
    floors = {"share": {**floor, "surely": True}}
    verdict = judge(figures, None, settings(floors=floors), {"share": 1.2})
    assert verdict.passed == passed
    assert judge(figures, None, settings(floors={"share": floor}), {"share": 1.2}).passed
    assert ("the end of its interval misses by" in verdict.words) != passed
    assert not judge({"share": 0.95}, None, settings(floors=floors), {"share": 1.2}).passed


@given(
    nats=st.lists(st.floats(0.1, 9), min_size=2, max_size=12),
    theirs=st.floats(0.1, 9),
    better=st.lists(st.floats(0, 5), min_size=12, max_size=12),
    floor=st.floats(0.5, 9),
    surely=st.booleans(),
)
def test_a_better_figure_never_turns_yes_into_no(nats, theirs, better, floor, surely):
    def figures(values):
        mean = float(np.mean(values))
        per_piece = {f"piece {number}": value for number, value in enumerate(values)}
        return {"nll_per_note": mean, "per_piece": per_piece, "intervals": {"nll_per_note": [mean - 0.1, mean + 0.1]}}

    asked = settings(floors={"nll_per_note": {"at_most": floor, "below_baseline": True, "surely": surely}}, draws=100)
    champion = figures([theirs] * len(nats))
    improved = [value - less for value, less in zip(nats, better, strict=False)]
    before = judge(figures(nats), champion, asked, {"nll_per_note": 5.0})
    after = judge(figures(improved), champion, asked, {"nll_per_note": 5.0})
    for worse, mended in zip(before.checks, after.checks, strict=True):
        assert mended.passed or not worse.passed
        assert mended.margin >= worse.margin - 1e-9


@given(missing=st.sampled_from(["nll_per_note", "per_piece", "intervals"]), nats=st.floats(-5, 5))
def test_what_was_not_measured_never_passes(missing, nats):
    figures = measured(nats, intervals={"nll_per_note": [nats, nats]})
    del figures[missing]
    asked = settings(floors={"nll_per_note": {"at_most": 9, "surely": True}}, draws=100)
    assert not judge(figures, measured(9.0), asked).passed


def test_a_verdict_of_before_there_were_intervals_is_read():
    old = judge(measured(), measured(), settings(), BASELINE).to_json()
    for check in old["checks"]:
        del check["interval"]
    assert Verdict.from_json(old).passed


def test_verdict_survives_json():
    verdict = judge(measured(noise=1), measured(), settings(floors={"nll_per_note": 9.0, "absent": 1}), BASELINE)
    assert Verdict.from_json(json.loads(json.dumps(verdict.to_json(), allow_nan=False))) == verdict
    with pytest.raises(BadInput, match="no verdict"):
        Verdict.from_json({"passed": True})


@pytest.mark.parametrize(
    "bad",
    [
        {"floors": {"a": {}}},
        {"floors": {"a": {"below_baseline": False}}},
        {"floors": {"a": {"atleast": 1}}},
        {"floors": {"a": math.nan}},
        {"floors": {"a": "high"}},
        {"tolerance": 0.02},
        {"comparisons": {"nll_per_note": -0.1}},
        {"comparisons": {"nll_per_note": math.nan}},
        {"comparisons": {"f1": 0.1}},
        {"confidence": 1.0},
        {"unknown": 1},
    ],
)
def test_settings_that_ask_nothing_or_the_impossible_are_refused(bad):
    with pytest.raises(ValidationError):
        settings(**bad)


def test_settings_written_out_are_read_back():
    given = settings(floors={"a": 1.0, "nll_per_note": {"below_baseline": True}})
    assert GateSettings.model_validate(given.model_dump(mode="json")) == given
