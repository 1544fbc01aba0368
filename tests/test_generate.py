"""What is promised of a piece is kept with any model, here one that knows nothing."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from musegen.errors import BadParams
from musegen.generate import Composer, Habits, Request, SamplingSettings
from musegen.models import TransformerSettings, build
from musegen.models.settings import RecurrentSettings, Sizes
from musegen.score import SCORE_NOTE, Score
from musegen.theory import ALL_KEYS, Key, Meter
from musegen.tokens import TokenizerSettings
from musegen.vocabulary import Vocabulary

HABITS = {
    "jig": Habits(bpm=165.0, meter="6/8", keys=("D", "G")),
    "chorale": Habits(bpm=80.0, meter="4/4", keys=("Am",)),
}


def composer_of(model: TransformerSettings | RecurrentSettings) -> Composer:
    vocabulary = Vocabulary.create(TokenizerSettings(), tuple(HABITS))
    torch.manual_seed(1)
    made = build(model, Sizes.of(vocabulary))
    with torch.no_grad():
        made.head.weight.normal_(0, 0.3)
    return Composer(made, vocabulary, HABITS)


@pytest.fixture(scope="module")
def composer() -> Composer:
    return composer_of(TransformerSettings(layers=1, width=32, heads=2, window=96))


requests = st.builds(
    Request,
    style=st.sampled_from([None, *HABITS]),
    bpm=st.one_of(st.none(), st.floats(30, 300)),
    key=st.one_of(st.none(), st.sampled_from(ALL_KEYS)),
    meter=st.sampled_from([None, Meter(4, 4), Meter(9, 8), Meter(3, 4), Meter(2, 2)]),
    bars=st.integers(1, 3),
    seed=st.integers(0, 10_000),
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(request=requests)
def test_tempo_meter_bars_and_key_are_as_asked(composer: Composer, request: Request) -> None:
    piece = composer.compose([request])[0]
    asked, score = piece.request, piece.score
    assert asked.key is not None and asked.meter is not None
    assert score.bpm == asked.bpm
    assert {bar.meter for bar in score.bars} == {asked.meter}
    assert len(score.bars) == asked.bars
    pitched = score.notes[score.notes["program"] != 128]
    strangers = sum(int(pitch) % 12 not in asked.key.scale for pitch in pitched["pitch"])
    assert strangers <= 0.05 * len(pitched)


def test_what_is_left_open_follows_the_habits_of_the_style(composer: Composer) -> None:
    settled = composer.settled(Request(style="jig"))
    assert (settled.bpm, str(settled.meter)) == (165.0, "6/8")
    assert str(settled.key) in HABITS["jig"].keys


def test_the_same_seed_gives_the_same_piece_and_another_seed_another(composer: Composer) -> None:
    first, again, other = (
        composer.compose([Request(style="jig", bars=4, seed=seed)])[0].score.notes for seed in (3, 3, 4)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_strict_keys_have_no_accidentals(composer: Composer) -> None:
    strict = SamplingSettings(accidentals=0.0)
    key = Key.parse("Eb")
    pieces = composer.compose([Request(key=key, bars=4, seed=seed, sampling=strict) for seed in range(3)])
    for piece in pieces:
        pitched = piece.score.notes[piece.score.notes["program"] != 128]["pitch"]
        assert {int(pitch) % 12 for pitch in pitched} <= key.scale


def test_a_prompt_is_kept_note_for_note_and_continued(composer: Composer) -> None:
    notes = np.array([(index * 480, 480, 62 + index % 5, 80, 73, 0) for index in range(8)], SCORE_NOTE)
    prompt = Score.steady(notes, Meter(4, 4), 90.0)
    piece = composer.compose([Request(bars=5, seed=1, prompt=prompt)])[0]
    opening = piece.score.notes[piece.score.notes["start"] < prompt.bars[-1].end]
    assert np.array_equal(opening["pitch"], notes["pitch"]) and np.array_equal(opening["start"], notes["start"])
    assert (len(piece.score.bars), piece.score.bpm, str(piece.request.meter)) == (5, 90.0, "4/4")


def test_a_piece_may_be_longer_than_the_window(composer: Composer) -> None:
    piece = composer.compose([Request(style="chorale", bars=6, seed=2)])[0]
    assert len(piece.score.bars) == 6


def test_a_recurrent_model_keeps_the_same_promises() -> None:
    recurrent = composer_of(RecurrentSettings(kind="lstm", layers=1, width=24, window=64))
    piece = recurrent.compose([Request(style="jig", bars=3, key=Key.parse("G"), seed=5)])[0]
    assert (len(piece.score.bars), str(piece.score.meter)) == (3, "6/8")


def test_progress_is_told_in_bars(composer: Composer) -> None:
    heard: list[tuple[int, int]] = []
    composer.compose([Request(bars=3), Request(bars=2, seed=1)], lambda done, total: heard.append((done, total)))
    assert heard[-1] == (5, 5)
    assert heard == sorted(heard)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (Request(style="polka"), "chorale, jig"),
        (Request(bpm=5), "bpm 5"),
        (Request(bars=0), "bars 0"),
        (Request(meter=Meter(13, 16)), "meter 13/16"),
        (Request(bars=1, prompt=Score.steady(np.zeros(0, SCORE_NOTE), Meter(4, 4), 90.0, bars=2)), "ask for more bars"),
    ],
)
def test_what_can_not_be_made_is_refused_in_words(composer: Composer, request_: Request, words: str) -> None:
    with pytest.raises(BadParams, match=words):
        composer.compose([request_])
