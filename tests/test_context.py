import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen.context import ECHO_BARS, Follower, context_sizes, contexts, echo_columns
from musegen.score import SCORE_NOTE, Bar, Score
from musegen.theory import Meter
from musegen.tokens import TokenizerSettings
from musegen.vocabulary import Conditions, Vocabulary

VOCABULARY = Vocabulary.create(TokenizerSettings(), ("jig", "reel"))
FOUR = Meter(4, 4)


def piece(rows, bars, meter=FOUR):
    score = Score(
        np.array([(s, t, p, 80, 0, 0) for s, t, p in rows], SCORE_NOTE),
        tuple(Bar(index * meter.ticks, meter) for index in range(bars)),
    )
    conditions = Conditions("jig", 100.0, None, meter, bars)
    return VOCABULARY.sequence(VOCABULARY.tokenizer.encode(score), conditions)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 40 * 4 - 1), st.integers(60, 63), st.sampled_from((480, 240))), max_size=60),
    st.integers(0, 3),
)
def test_token_by_token_or_all_at_once_the_context_is_the_same(notes, missing):
    sequence = piece([(beat * 480, ticks, pitch) for beat, pitch, ticks in notes], 40)
    whole = contexts(VOCABULARY, sequence, 40 - missing)
    follower = Follower(VOCABULARY, sequence[:6], 40 - missing)
    rows = np.concatenate([follower.opening, [follower.advance(int(token)) for token in sequence[6:]]])
    assert rows.tolist() == whole.tolist()


def test_every_column_stays_within_its_size():
    sequence = piece([(beat * 480, 480, 60) for beat in range(160)], 40)
    rows = contexts(VOCABULARY, sequence, 40)
    assert rows.shape == (len(sequence), len(context_sizes(VOCABULARY)))
    assert (rows >= 0).all()
    assert (rows < np.array(context_sizes(VOCABULARY))).all()


def test_in_a_literal_repetition_every_echo_is_the_token_to_come():
    bar = [(0, 480, 60), (480, 480, 64), (960, 960, 67)]
    sequence = piece([(start + k * 1920, ticks, pitch) for k in range(4) for start, ticks, pitch in bar], 4)
    echoes = contexts(VOCABULARY, sequence, 4)[:, echo_columns(VOCABULARY)][:, ECHO_BARS.index(1)]
    third_bar = np.flatnonzero(sequence == VOCABULARY.tokenizer.ids("Bar")[0])[2]
    assert echoes[third_bar : len(sequence) - 2].tolist() == sequence[third_bar + 1 : -1].tolist()


def test_the_countdown_tells_how_many_bars_are_still_to_begin():
    sequence = piece([(0, 480, 60)], 3)
    lines = sequence == VOCABULARY.tokenizer.ids("Bar")[0]
    assert contexts(VOCABULARY, sequence, 3)[lines, 2].tolist() == [3, 2, 1]


@pytest.mark.parametrize("column", [0, 1, 2])
def test_the_prefix_stands_nowhere(column):
    assert not contexts(VOCABULARY, piece([(0, 480, 60)], 3), 3)[:6, column].any()
