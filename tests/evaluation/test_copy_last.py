import numpy as np
import pytest

from musegen.errors import BadInput
from musegen.evaluation.copy_last import CopyLast
from musegen.evaluation.likelihood import copying, judge
from musegen.score import SCORE_NOTE, Score
from musegen.theory import Meter
from musegen.tokens import TokenizerSettings
from musegen.training import Piece
from musegen.vocabulary import Conditions, Vocabulary

VOCABULARY = Vocabulary.create(TokenizerSettings(), ())


def piece(seed, period, bars=16):
    """Four notes a bar that come again every `period` bars; none do with a period beyond the piece."""
    random = np.random.default_rng(seed)
    pitches = np.resize(random.integers(48, 84, 4 * period), 4 * bars)
    rows = [(index * 480, 480, int(pitch), 80, 0, 0) for index, pitch in enumerate(pitches)]
    score = Score.steady(np.array(rows, SCORE_NOTE), Meter(4, 4), 100.0)
    conditions = Conditions(None, None, None, Meter(4, 4), len(score.bars))
    return Piece(VOCABULARY.tokenizer.encode(score), conditions, len(rows))


def pieces(period, count=6, first=0):
    return [piece(seed, period) for seed in range(first, first + count)]


def test_probabilities_are_positive_and_sum_to_one():
    model = CopyLast.fit(pieces(2), VOCABULARY)
    for asked in (piece(9, 2), piece(9, 99)):
        shares = model.probabilities(asked)
        assert shares.shape == (len(asked.tokens) + 1, len(VOCABULARY))
        assert (shares > 0).all()
        np.testing.assert_allclose(shares.sum(axis=1), 1.0)


@pytest.mark.parametrize("period", [1, 2, 4])
def test_it_finds_out_at_what_distance_music_comes_again(period):
    model = CopyLast.fit(pieces(period), VOCABULARY)
    # A lag that is a multiple of the period copies as well, where the piece is long enough for it.
    lags = np.array([1, 2, 4, 8, 16])
    assert model.weights[1:][lags % period == 0].sum() > 0.9
    assert model.weights.sum() == pytest.approx(1)
    assert "repeats what stood" in model.words


def test_of_music_that_comes_again_it_foretells_nearly_all_and_of_other_music_little():
    model = CopyLast.fit(pieces(1), VOCABULARY)
    again = judge(copying(model), pieces(1, first=50), VOCABULARY)
    new = judge(copying(model), pieces(99, first=50), VOCABULARY)
    assert again.families["pitch"].recall > 0.9 > 0.2 > new.families["pitch"].recall
    assert again.nll_per_note < 1 < new.nll_per_note


def test_where_nothing_comes_again_echoes_weigh_little():
    weights = [CopyLast.fit(pieces(period), VOCABULARY).weights[0] for period in (1, 99)]
    assert weights[0] < 0.1 < weights[1]


def test_without_pieces_there_is_an_error():
    with pytest.raises(BadInput, match="no pieces"):
        CopyLast.fit([], VOCABULARY)
