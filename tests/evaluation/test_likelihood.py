import json

import numpy as np
import pytest
import torch

from musegen.errors import BadInput
from musegen.evaluation.counts import CountModel, CountSettings
from musegen.evaluation.likelihood import Foretold, counting, generating, judge
from musegen.evaluation.tally import by_style
from musegen.models import Sizes, TransformerSettings, build
from musegen.score import SCORE_NOTE, Score
from musegen.theory import Meter
from musegen.tokens import TokenizerSettings
from musegen.training import Piece
from musegen.vocabulary import Conditions, Vocabulary

VOCABULARY = Vocabulary.create(TokenizerSettings(), ("one", "two"))


def piece(style, notes):
    rows = [(index * 480, 480, 60 + index % 7, 80, 0, 0) for index in range(notes)]
    score = Score.steady(np.array(rows, SCORE_NOTE), Meter(4, 4), 100.0)
    conditions = Conditions(style, None, None, Meter(4, 4), len(score.bars))
    return Piece(VOCABULARY.tokenizer.encode(score), conditions, notes)


PIECES = [piece("one", 8), piece("two", 40), piece("two", 5)]


def targets(piece):
    return np.append(piece.tokens.astype(np.int64), VOCABULARY.end)


def knowing(pieces):
    return [Foretold(np.zeros(len(targets(piece))), targets(piece)) for piece in pieces]


def chance(pieces):
    return [
        Foretold(np.full(len(targets(piece)), np.log(len(VOCABULARY))), np.zeros(len(targets(piece)), np.int64))
        for piece in pieces
    ]


def test_who_knows_the_music_is_perfect():
    figures = judge(knowing, PIECES, VOCABULARY)
    assert (figures.nll_per_note, figures.accuracy, figures.precision, figures.recall, figures.f1) == (0, 1, 1, 1, 1)


def test_who_knows_nothing_needs_the_logarithm_of_the_vocabulary_a_token():
    figures = judge(chance, PIECES, VOCABULARY)
    assert figures.nll_per_token == pytest.approx(np.log(len(VOCABULARY)))
    assert figures.nll_per_note == pytest.approx(figures.nll_per_token * figures.tokens / 53)
    assert figures.nll_per_bar == pytest.approx(figures.nll_per_token * figures.tokens / (2 + 10 + 2))
    assert figures.nll_per_beat == pytest.approx(figures.nll_per_bar / 4)
    assert (figures.accuracy, figures.f1) == (0, 0)


def test_figures_by_style_and_piece_are_parts_of_the_whole():
    figures = judge(chance, PIECES, VOCABULARY)
    assert sum(share * piece.notes for share, piece in zip(figures.by_piece, PIECES, strict=True)) == pytest.approx(
        figures.nll_per_note * 53
    )
    assert by_style({"ours": figures.tally}, ["one", "two", "two"])["one"]["ours"] == pytest.approx(figures.by_piece[0])


def test_a_family_counts_only_the_very_token():
    def one_pitch(pieces):
        always = VOCABULARY.names.index("Pitch_60")
        return [Foretold(np.ones(len(targets(piece))), np.full(len(targets(piece)), always)) for piece in pieces]

    pitch = judge(one_pitch, [PIECES[0]], VOCABULARY).families["pitch"]
    # Two of eight notes are C, and all 29 tokens (2 bars, 1 meter, 1 program, 3 a note, 1 end) were guessed a C.
    assert (pitch.recall, pitch.precision) == (2 / 8, 2 / 29)
    assert pitch.f1 == pytest.approx(2 * (2 / 8) * (2 / 29) / (2 / 8 + 2 / 29))


def test_counts_and_generators_are_judged_by_the_same_figures():
    model = build(TransformerSettings(layers=1, width=16, heads=1, window=64), Sizes.of(VOCABULARY)).eval()
    counts = CountModel.fit(PIECES, VOCABULARY, CountSettings(order=4))
    scored = [judge(scorer, PIECES, VOCABULARY) for scorer in (generating(model, VOCABULARY, 64), counting(counts))]
    told = [found.to_report(["a", "b", "c"]) for found in scored]
    assert told[0].keys() == told[1].keys()
    assert told[0]["per_piece"].keys() == told[0]["per_piece_accuracy"].keys() == {"a", "b", "c"}
    assert json.loads(json.dumps(told[1])) == told[1]
    # Fresh weights say nothing, in whichever window a token stands.
    assert scored[0].nll_per_token == pytest.approx(np.log(len(VOCABULARY)))
    assert scored[1].nll_per_note < scored[0].nll_per_note


def test_in_windows_or_at_once_a_token_is_scored_once_and_alike_where_the_context_is_whole():
    torch.manual_seed(1)
    model = build(TransformerSettings(layers=1, width=16, heads=1, window=256), Sizes.of(VOCABULARY)).eval()
    torch.nn.init.normal_(model.head.weight)
    whole = generating(model, VOCABULARY, 256)(PIECES)
    cut = generating(model, VOCABULARY, 40)(PIECES)
    for one, other in zip(whole, cut, strict=True):
        assert (other.nats > 0).all()
        np.testing.assert_allclose(one.nats[:30], other.nats[:30], rtol=1e-4)


def test_without_notes_there_is_nothing_to_judge():
    with pytest.raises(BadInput, match="no notes"):
        judge(knowing, [], VOCABULARY)
