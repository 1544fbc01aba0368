import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen.errors import BadInput
from musegen.grammar import Grammar
from musegen.score import SCORE_NOTE, Bar, Score
from musegen.theory import Meter
from musegen.tokens import TokenizerSettings
from musegen.vocabulary import Conditions, Vocabulary

PLAIN = Vocabulary.create(TokenizerSettings(), ("jig",))
LOUD = Vocabulary.create(TokenizerSettings(velocity_bins=8), ("jig",))


def conditions(meter, bars):
    return Conditions("jig", None, None, meter, bars)


@pytest.mark.parametrize("vocabulary", [PLAIN, LOUD], ids=["without velocities", "with velocities"])
@settings(deadline=None, max_examples=40)
@given(st.sampled_from(sorted(PLAIN.tokenizer.meters)), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_whatever_is_sampled_has_the_bars_and_the_meter_asked_for(vocabulary, meter, bars, seed):
    random = np.random.default_rng(seed)
    state = Grammar(vocabulary).start(conditions(meter, bars))
    # Bar lines get a bonus, or random pieces would fill every slot of every bar.
    bonus = np.zeros(len(vocabulary))
    bonus[[vocabulary.tokenizer.ids("Bar")[0], vocabulary.end]] = 5.0
    written = []
    while not state.done:
        mask = state.mask()
        assert mask.any()
        written.append(int(np.where(mask, random.gumbel(size=len(vocabulary)) + bonus, -np.inf).argmax()))
        state.advance(written[-1])
    score = vocabulary.tokenizer.decode(np.array(written[:-1]), bpm=90.0)
    assert [bar.meter for bar in score.bars] == [meter] * bars
    assert ((score.notes["start"] + score.notes["ticks"]) <= score.bars[-1].end).all()
    assert vocabulary.tokenizer.encode(score).tolist() == written[:-1]
    assert not state.mask().any()


def test_a_prompt_with_several_meters_and_instruments_is_taken():
    rows = [(0, 480, 60, 80, 0, 0), (0, 480, 48, 80, 40, 1), (0, 240, 36, 80, 128, 2), (960, 9600, 64, 80, 0, 0)]
    score = Score(np.array(rows, SCORE_NOTE), (Bar(0, Meter(2, 4)), Bar(960, Meter(6, 8)), Bar(2400, Meter(6, 8))))
    state = Grammar(PLAIN).start(conditions(Meter(2, 4), 3))
    for index in (*PLAIN.tokenizer.encode(score), PLAIN.end):
        state.advance(int(index))
    assert state.done


@pytest.mark.parametrize(
    ("names", "wrong"),
    [
        ([], "TimeSig_4/4"),
        (["Bar_None"], "Position_0"),
        (["Bar_None", "TimeSig_4/4"], "Position_48"),
        (["Bar_None", "TimeSig_4/4"], "Pitch_60"),
        (["Bar_None", "TimeSig_4/4", "Position_0"], "Pitch_60"),
        (["Bar_None", "TimeSig_4/4", "Position_0", "Program_0"], "PitchDrum_36"),
        (["Bar_None", "TimeSig_4/4", "Position_0", "Program_0", "Pitch_60"], "Bar_None"),
        (["Bar_None", "TimeSig_4/4", "Position_0", "Program_0", "Pitch_60", "Duration_1.0.12"], "Pitch_60"),
        (["Bar_None", "TimeSig_4/4", "Position_0", "Program_9", "Pitch_60", "Duration_1.0.12"], "Program_8"),
        (["Bar_None", "TimeSig_4/4", "Position_9", "Program_0", "Pitch_60", "Duration_1.0.12"], "Position_9"),
        (["Bar_None", "TimeSig_4/4"], "End"),
        (["Bar_None", "TimeSig_4/4", "Bar_None", "Bar_None"], "Bar_None"),
        (["Bar_None"], "Begin"),
    ],
)
def test_what_is_no_piece_is_refused(names, wrong):
    state = Grammar(PLAIN).start(conditions(Meter(4, 4), 3))
    for name in names:
        state.advance(PLAIN.names.index(name))
    assert not state.mask()[PLAIN.names.index(wrong)]
    with pytest.raises(BadInput, match="can't follow"):
        state.advance(PLAIN.names.index(wrong))
