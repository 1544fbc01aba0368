import json
from dataclasses import asdict

import numpy as np
import pytest

from musegen.evaluation.music import as_asked, kept_shares, lead_line, measure
from musegen.score import SCORE_NOTE, Bar, Score
from musegen.theory import Key, Meter

QUARTER = 480
FOUR = Meter(4, 4)


def score(*rows, bars=None, meter=FOUR, bpm=100.0, program=0):
    """A score from rows (start in quarters, length in quarters, pitch)."""
    notes = [(round(start * QUARTER), round(length * QUARTER), pitch, 80, program, 0) for start, length, pitch in rows]
    return Score.steady(np.array(notes, SCORE_NOTE), meter, bpm, bars)


def scale(*pitches, **options):
    return score(*((place, 1, pitch) for place, pitch in enumerate(pitches)), **options)


# The last note is longer, so that the key is not a tie of all.
CHROMATIC = tuple((place, 1 + (place == 11), 60 + place) for place in range(12))
C_MAJOR = (60, 62, 64, 65, 67, 69, 71, 72)


def test_facts_of_a_scale_are_those_on_paper():
    found = measure(scale(*C_MAJOR))
    assert (found.bpm, found.meter, found.bars, found.key, found.notes) == (100.0, "4/4", 2, "C", 8)
    assert (found.lowest, found.highest, found.pitch_range) == (60, 72, 12)
    assert (found.notes_per_bar, found.polyphony, found.monophonic, found.empty_bar_share) == (4.0, 1.0, True, 0.0)
    assert found.mean_quarters == 1.0
    assert found.mean_interval == pytest.approx(12 / 7)


def test_truth_scores_one_in_the_scale_it_is_made_of():
    found = measure(scale(*C_MAJOR), Key.parse("C"))
    assert found.share_in_key == 1.0
    assert found.scale_consistency == 1.0


def test_share_in_key_is_of_the_asked_key_not_of_the_heard_one():
    found = measure(scale(*C_MAJOR), Key.parse("G"))
    assert found.key == "C"
    assert found.share_in_key == 7 / 8  # F is not in G major


def test_pitch_class_entropy_has_the_published_extremes():
    assert measure(scale(60, 72, 48, 60)).pitch_class_entropy == 0.0
    assert measure(scale(60, 62, 64, 65)).pitch_class_entropy == pytest.approx(2.0)
    assert measure(score(*CHROMATIC)).pitch_class_entropy == pytest.approx(np.log2(12))


def test_scale_consistency_of_the_chromatic_scale_is_seven_twelfths():
    assert measure(score(*CHROMATIC)).scale_consistency == pytest.approx(7 / 12)


def test_groove_of_equal_bars_is_one_and_of_two_moved_onsets_is_60_of_64():
    same = score((0, 1, 60), (2, 1, 60), (4, 1, 67), (6, 1, 67))
    moved = score((0, 1, 60), (2, 1, 60), (4.5, 1, 60), (7, 1, 60))
    assert measure(same).groove_consistency == 1.0
    assert measure(moved).groove_consistency == 60 / 64


def test_groove_counts_an_onset_once_and_compares_only_bars_of_one_meter():
    chord = score((0, 1, 60), (0, 1, 64), (4, 1, 60))
    assert measure(chord).groove_consistency == 1.0
    mixed = Score(chord.notes, (Bar(0, FOUR), Bar(1920, Meter(3, 4))), None)
    assert measure(mixed).groove_consistency is None


def test_repeated_bars_and_similarity_by_hand():
    first, variant = ((0, 1, 60), (1, 1, 62)), ((0, 1, 60), (1, 1, 64))
    bars = [first, first, variant, first]
    piece = score(*((start + 4 * bar, length, pitch) for bar, rows in enumerate(bars) for start, length, pitch in rows))
    found = measure(piece)
    assert found.repeated_bar_share == 0.5
    assert found.bar_similarity == pytest.approx((1 + 1 / 3 + 1) / 3)


def test_a_note_slightly_ahead_of_the_bar_line_belongs_behind_it():
    early = score((0, 1, 60), (4, 1, 60))
    notes = early.notes.copy()
    notes["start"][1] -= 15
    assert measure(Score(notes, early.bars, None)).repeated_bar_share == 0.5


def test_empty_bars_are_those_in_which_nothing_sounds():
    assert measure(score((0, 1, 60), (12, 1, 60))).empty_bar_share == 0.5
    assert measure(score((0, 8, 60), (12, 1, 60))).empty_bar_share == 0.25


def test_polyphony_of_a_chorale_is_four_and_it_is_not_monophonic():
    chord = score(*((place, 1, pitch) for place in range(4) for pitch in (48, 55, 64, 72)))
    assert (measure(chord).polyphony, measure(chord).monophonic) == (4.0, False)


def test_lead_line_takes_the_top_and_leaves_what_sounds_below_a_held_note():
    piece = score((0, 2, 72), (0, 1, 60), (1, 1, 64), (2, 1, 67), (3, 1, 48))
    assert lead_line(piece)["pitch"].tolist() == [72, 67, 48]


def test_silence_scores_zero_or_nothing_and_is_plain():
    for silent in (score(bars=4), Score(np.empty(0, SCORE_NOTE), (), None)):
        found = measure(silent, Key.parse("D"))
        assert (found.notes, found.share_in_key, found.polyphony, found.monophonic) == (0, 0.0, 0.0, False)
        assert (found.key, found.pitch_class_entropy, found.repeated_bar_share) == (None, None, 0.0)
        json.dumps(asdict(found), allow_nan=False)
    assert measure(score(bars=4)).empty_bar_share == 1.0


def test_drums_have_a_groove_but_no_key():
    found = measure(score((0, 1, 36), (2, 1, 38), (4, 1, 36), (6, 1, 38), program=128), Key.parse("C"))
    assert (found.key, found.share_in_key, found.lowest, found.scale_consistency) == (None, None, None, None)
    assert (found.groove_consistency, found.repeated_bar_share, found.notes_per_bar) == (1.0, 0.5, 2.0)


def test_what_was_asked_is_compared_with_what_is_there():
    found = measure(scale(*C_MAJOR), Key.parse("C"))
    asked = {"bpm": 100, "meter": Meter(4, 4), "bars": 2, "key": "C", "style": "jig"}
    assert as_asked(found, asked) == {"bpm": True, "meter": True, "bars": True, "key": True}
    assert as_asked(found, {"bpm": 110, "meter": "6/8", "bars": 3}) == {"bpm": False, "meter": False, "bars": False}
    assert as_asked(found, {"bpm": None}) == {}


def test_kept_shares_are_over_the_pieces_that_were_asked():
    found, silent = measure(scale(*C_MAJOR), Key.parse("C")), measure(score(bars=2), Key.parse("C"))
    shares = kept_shares([(found, {"bars": 2, "key": "C"}), (silent, {"bars": 3, "key": "C"}), (found, {})])
    assert shares == {"bars_as_asked": 0.5, "key_as_asked": 0.5, "share_in_key": pytest.approx(2 / 3)}
