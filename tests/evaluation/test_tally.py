from dataclasses import replace

import numpy as np
import pytest

from musegen.evaluation.tally import Tally, beats_in, by_style
from musegen.score import SCORE_NOTE, Bar, Score
from musegen.theory import Meter
from musegen.tokens import FAMILIES, TokenizerSettings
from musegen.training import Piece
from musegen.vocabulary import Conditions, Vocabulary

VOCABULARY = Vocabulary.create(TokenizerSettings(), ())


def tally(nats, notes, right=None):
    """Sums of pieces of which each note is one token of the family pitch, in bars of four notes, two to a beat."""
    notes, right = np.array(notes, float), np.array(right if right is not None else notes, float)
    table = np.zeros((len(notes), len(FAMILIES)))
    column = FAMILIES.index("pitch")
    hits, meant = table.copy(), table.copy()
    hits[:, column], meant[:, column] = right, notes
    spent = table.copy()
    spent[:, column] = nats
    return Tally(np.array(nats, float), notes, notes / 2, notes / 4, notes, right, hits, meant, meant, spent)


def test_figures_are_ratios_of_sums_so_a_long_piece_weighs_as_its_notes():
    found = tally([20.0, 10.0], [4, 16], [4, 6]).values()
    assert found["nll_per_note"] == 30 / 20
    assert found["nll_per_beat"] == 30 / 10
    assert found["nll_per_bar"] == 30 / 5
    assert found["accuracy"] == found["families.pitch.recall"] == 10 / 20


def test_pieces_that_are_all_alike_have_an_interval_of_no_width_and_one_piece_has_none():
    assert tally([2.0] * 5, [4] * 5).intervals()["nll_per_note"] == [0.5, 0.5]
    assert tally([2.0], [4]).intervals() == {}


def test_the_interval_holds_the_figure():
    random = np.random.default_rng(0)
    some = tally(random.gamma(4, 10, 50), random.integers(5, 50, 50))
    low, high = some.intervals()["nll_per_note"]
    assert low < some.values()["nll_per_note"] < high


def test_what_is_hard_for_both_models_does_not_blur_their_difference():
    random = np.random.default_rng(0)
    notes = random.integers(10, 50, 60)
    hard = random.gamma(4, 0.5, 60)
    one, other = tally(notes * hard, notes), tally(notes * (hard + 0.1), notes)
    found = one.beside(other)["nll_per_note"]
    assert found["difference"] == pytest.approx(-0.1)
    assert found["high"] - found["low"] < 1e-6 < np.ptp(one.intervals()["nll_per_note"])


def test_other_pieces_are_no_comparison():
    with pytest.raises(ValueError, match="same pieces"):
        tally([1.0], [4]).beside(tally([1.0], [5]))


def test_silence_scores_zero_and_truth_one():
    nothing, all_ = tally([9.0] * 3, [4] * 3, [0] * 3).values(), tally([0.0] * 3, [4] * 3).values()
    assert (nothing["accuracy"], nothing["f1"], nothing["families.pitch.precision"]) == (0, 0, 0)
    assert (all_["nll_per_note"], all_["accuracy"], all_["f1"]) == (0, 1, 1)


def test_styles_are_told_apart_with_the_interval_of_the_first_side():
    ours, theirs = tally([4.0, 8.0, 6.0], [4, 4, 4]), tally([8.0, 8.0, 8.0], [4, 4, 4])
    found = by_style({"ours": ours, "theirs": theirs}, ["jig", "reel", "jig"])
    assert found["reel"] == {"pieces": 1, "ours": 2.0, "theirs": 2.0}
    assert found["jig"] == {"pieces": 2, "ours": 1.25, "theirs": 2.0, "low": 1.0, "high": 1.5}


def test_beats_are_counted_by_the_meter_of_every_bar():
    meters = [Meter(4, 4), Meter(4, 4), Meter(6, 8), Meter(3, 4)]
    starts = np.cumsum([0, *(meter.ticks for meter in meters)])
    bars = tuple(Bar(int(start), meter) for start, meter in zip(starts, meters, strict=False))
    score = Score(np.array([(0, 480, 60, 80, 0, 0)], SCORE_NOTE), bars, 100.0)
    piece = Piece(VOCABULARY.tokenizer.encode(score), Conditions(None, None, None, Meter(4, 4), 4), 1)
    assert beats_in(piece, VOCABULARY) == 4 + 4 + 2 + 3
    assert beats_in(replace(piece, tokens=piece.tokens[:0]), VOCABULARY) == 0


def test_without_a_family_neither_its_nats_nor_its_tokens_count():
    notes, size = np.array([4.0, 2.0]), len(FAMILIES)
    pitch, velocity = FAMILIES.index("pitch"), FAMILIES.index("velocity")
    hits, meant, spent = np.zeros((2, size)), np.zeros((2, size)), np.zeros((2, size))
    meant[:, pitch] = meant[:, velocity] = notes
    hits[:, pitch], hits[:, velocity] = [1, 1], [4, 0]
    spent[:, pitch], spent[:, velocity] = [8, 3], [20, 10]
    both = Tally(spent.sum(1), notes, notes / 2, notes / 4, meant.sum(1), hits.sum(1), hits, meant, meant.copy(), spent)
    found = both.without("velocity")
    assert found.by_piece()["per_piece"].tolist() == [2.0, 1.5]
    assert found.by_piece()["per_piece_accuracy"].tolist() == [0.25, 0.5]
    assert found.values()["nll_per_note"] == 11 / 6
    assert "families.velocity.f1" not in found.values()
    assert both.values()["nll_per_note"] == 41 / 6
