from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest

from musegen.errors import BadInput
from musegen.evaluation.counts import CountModel, CountSettings, _discounts
from musegen.score import SCORE_NOTE, Score
from musegen.theory import Meter
from musegen.tokens import TokenizerSettings
from musegen.training import Piece
from musegen.vocabulary import Conditions, Vocabulary

VOCABULARY = Vocabulary.create(TokenizerSettings(), ("walk",))


def pieces(count, seed):
    random = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        pitches = 60 + np.cumsum(random.integers(-1, 2, 16))
        rows = [(index * 480, 480, int(pitch), 80, 0, 0) for index, pitch in enumerate(pitches)]
        score = Score.steady(np.array(rows, SCORE_NOTE), Meter(4, 4), 100.0)
        made.append(
            Piece(VOCABULARY.tokenizer.encode(score), Conditions("walk", None, None, Meter(4, 4), len(score.bars)), 16)
        )
    return made


TRAIN, TEST = pieces(20, 1), pieces(3, 2)


def nats(model, piece):
    targets = np.append(piece.tokens.astype(int), VOCABULARY.end)
    return -np.log(model.probabilities(piece)[np.arange(len(targets)), targets])


@pytest.mark.parametrize("order", [0, 1, 5])
def test_probabilities_are_positive_and_sum_to_one(order):
    probabilities = CountModel.fit(TRAIN, VOCABULARY, CountSettings(order=order, transpose=0)).probabilities(TEST[0])
    assert probabilities.shape == (len(TEST[0].tokens) + 1, len(VOCABULARY))
    assert (probabilities > 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-12)


def test_it_foretells_better_than_chance_and_longer_contexts_help():
    short, long = (CountModel.fit(TRAIN, VOCABULARY, CountSettings(order=order, transpose=0)) for order in (0, 4))
    for piece in TEST:
        assert nats(long, piece).mean() < nats(short, piece).mean() < np.log(len(VOCABULARY))


def test_discounts_are_those_of_chen_and_goodman():
    # Three tokens seen once, two twice, one three and one four times: Y = 3 / (3 + 2 * 2).
    expected = [0.0, 1 - 2 * (3 / 7) * (2 / 3), 2 - 3 * (3 / 7) * (1 / 2), 3 - 4 * (3 / 7) * (1 / 1)]
    np.testing.assert_allclose(_discounts(np.array([1, 1, 1, 2, 2, 3, 4])), expected)


def slot_before(tokens, index):
    """The slot that holds before a token: 0 at a bar line, else one more than the last position's."""
    for token in tokens[:index][::-1]:
        kind, value = VOCABULARY.names[token].split("_")
        if kind in ("Bar", "Position"):
            return 0 if kind == "Bar" else int(value) + 1
    return 0


def test_the_figures_are_those_of_a_plain_dictionary_of_counts():
    order = 2

    def contexts(tokens, index):
        begun = [VOCABULARY.begin] * (order + 1) + list(tokens[:index])
        found = []
        for length in range(order + 1):
            words = tuple(begun[len(begun) - length :])
            found += [(length, words), (length, words, slot_before(tokens, index))]
        return found

    def sequence(piece):
        return [*piece.tokens.tolist(), VOCABULARY.end]

    seen = [set() for _ in range(2 * order + 2)]
    tables = [defaultdict(Counter) for _ in seen]
    for piece in TRAIN:
        tokens = sequence(piece)
        for index, token in enumerate(tokens):
            chain = contexts(tokens, index)
            for level, context in enumerate(chain):
                above = chain[level + 1] if level + 1 < len(chain) else None
                if above is None:
                    tables[level][context][token] += 1
                elif (context, above, token) not in seen[level]:
                    seen[level].add((context, above, token))
                    tables[level][context][token] += 1
    model = CountModel.fit(TRAIN, VOCABULARY, CountSettings(order=order, transpose=0))
    tokens = sequence(TEST[0])
    expected = []
    for index, token in enumerate(tokens):
        probability = 1 / len(VOCABULARY)
        for level, context in enumerate(contexts(tokens, index)):
            counts = tables[level].get(context)
            if counts:
                taken = _discounts(np.array([count for table in tables[level].values() for count in table.values()]))
                total = sum(counts.values())
                rest = sum(taken[min(count, 3)] for count in counts.values()) / total
                own = max(counts[token] - taken[min(counts[token], 3)], 0) / total
                probability = own + rest * probability
        expected.append(-np.log(probability))
    np.testing.assert_allclose(nats(model, TEST[0]), expected, rtol=1e-4)


def test_without_pieces_there_is_an_error():
    with pytest.raises(BadInput, match="no pieces"):
        CountModel.fit([], VOCABULARY)


def transposed(piece, semitones):
    return replace(piece, tokens=VOCABULARY.tokenizer.transposed(piece.tokens, semitones))


def test_transposed_copies_are_counted_as_if_they_were_pieces():
    by_itself = CountModel.fit(TRAIN, VOCABULARY, CountSettings(order=3, transpose=2))
    copies = [transposed(piece, by) for piece in TRAIN for by in range(-2, 3)]
    by_hand = CountModel.fit(copies, VOCABULARY, CountSettings(order=3, transpose=0))
    np.testing.assert_allclose(by_itself.probabilities(TEST[0]), by_hand.probabilities(TEST[0]), rtol=1e-6)
    assert (by_itself.pieces, by_itself.semitones) == (len(TRAIN), 2)
    assert "up to 2 semitones" in by_itself.words


def test_what_was_learnt_in_one_key_is_known_in_another():
    plain, moved = (CountModel.fit(TRAIN, VOCABULARY, CountSettings(transpose=by)) for by in (0, 6))
    other_key = transposed(TRAIN[0], 5)
    assert nats(moved, other_key).mean() < 0.5 * nats(plain, other_key).mean()


def test_a_copy_that_leaves_the_range_of_pitches_is_left_out():
    high = transposed(TRAIN[0], 120 - 60)
    CountModel.fit([high], VOCABULARY, CountSettings(transpose=12)).probabilities(high)


def test_of_a_large_corpus_less_far_copies_are_counted_and_at_last_fewer_pieces():
    tokens = sum(len(piece.tokens) + 1 for piece in TRAIN)
    some = CountModel.fit(TRAIN, VOCABULARY, CountSettings(order=1, most_tokens=4 * tokens))
    assert (some.pieces, some.semitones) == (len(TRAIN), 1)
    few = CountModel.fit(TRAIN * 20, VOCABULARY, CountSettings(order=1, most_tokens=1000))
    assert few.semitones == 0
    assert 0 < few.pieces < len(TRAIN) * 20
