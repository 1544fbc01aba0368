"""Planted copies are found in any key and at any tempo; music of one's own is left in peace."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen.evaluation.originality import Originality
from musegen.labels import DRUMS
from musegen.score import SCORE_NOTE, Score
from musegen.theory import Meter

COMMON_TIME = Meter(4, 4)
BARS, TRACKS = 16, 12


def piece(seed: int, *, voices: int = 3, bars: int = BARS, program: int = 0) -> Score:
    """Lines of quavers and crotchets that wander in D major, one a voice."""
    random = np.random.default_rng([seed, 7])
    scale = np.array([pitch for pitch in range(38, 100) if pitch % 12 in (1, 2, 4, 6, 7, 9, 11)])
    rows = []
    for voice in range(voices):
        start, degree = 0, 8 + 8 * voice
        while start < bars * COMMON_TIME.ticks:
            ticks = int(random.choice([240, 240, 480]))
            degree = int(np.clip(degree + random.integers(-3, 4), 6 * voice, 6 * voice + 16))
            rows.append((start, ticks, scale[degree], 80, program, voice))
            start += ticks
    return Score.steady(np.array(rows, SCORE_NOTE), COMMON_TIME, 100.0)


def drums(seed: int, bars: int = BARS) -> Score:
    random = np.random.default_rng([seed, 9])
    rows = [
        (120 * step, 60, int(random.choice([36, 38, 42, 45, 46, 49])), 90, DRUMS, 0)
        for step in range(16 * bars)
        if random.random() < 0.6
    ]
    return Score.steady(np.array(rows, SCORE_NOTE), COMMON_TIME, 100.0)


PIECES = [piece(seed) for seed in range(TRACKS)]
NAMES = [f"folk/Tune {seed}" for seed in range(TRACKS)]


@pytest.fixture(scope="module")
def learnt() -> Originality:
    return Originality.of(NAMES, [f"id{seed}" for seed in range(TRACKS)], PIECES)


def scaled(score: Score, factor: float) -> Score:
    notes = score.notes.copy()
    notes["start"] = np.rint(notes["start"] * factor)
    notes["ticks"] = np.maximum(1, np.rint(notes["ticks"] * factor))
    return Score.steady(notes, score.meter, score.bpm)


def with_other_pitches(score: Score, share: float, seed: int) -> Score:
    random = np.random.default_rng(seed)
    notes = score.notes.copy()
    notes["pitch"] += np.where(random.random(len(notes)) < share, random.choice([-2, -1, 1, 2], len(notes)), 0).astype(
        np.int16
    )
    return replace(score, notes=notes)


@settings(max_examples=20)
@given(
    track=st.integers(0, TRACKS - 1),
    semitones=st.integers(-6, 6),
    stretch=st.sampled_from([0.5, 0.8, 0.93, 1.0, 1.17, 1.25, 2.0]),
    seed=st.integers(0, 99),
)
def test_a_copy_is_found_in_any_key_at_any_tempo_and_with_notes_changed(
    learnt: Originality, track: int, semitones: int, stretch: float, seed: int
) -> None:
    copy = with_other_pitches(scaled(PIECES[track].transposed(semitones), stretch), 0.2, seed)
    found = learnt.borrowing(copy)
    assert (found.verdict, found.track, found.track_id) == ("copy", NAMES[track], f"id{track}")
    assert found.semitones == semitones
    assert found.stretch == pytest.approx(stretch, rel=0.01)
    assert found.covered > 0.65
    assert found.score < 0.5


@settings(max_examples=10)
@given(track=st.integers(0, TRACKS - 1), semitones=st.integers(-6, 6), bpm=st.floats(40, 240), seed=st.integers(0, 99))
def test_what_is_found_does_not_depend_on_key_tempo_or_the_order_of_parts(
    learnt: Originality, track: int, semitones: int, bpm: float, seed: int
) -> None:
    copy = with_other_pitches(PIECES[track], 0.5, seed)
    there = copy.transposed(semitones)
    notes = there.notes.copy()
    notes["part"] = 5 - notes["part"]
    notes["program"] = 10 + notes["part"]
    found, again = learnt.borrowing(copy), learnt.borrowing(replace(there, notes=notes[::-1], bpm=bpm))
    lifted = found.semitones if found.semitones is None else found.semitones + semitones
    assert replace(found, semitones=lifted) == again


def test_an_exact_copy_shares_every_note_and_scores_nothing(learnt: Originality) -> None:
    found = learnt.borrowing(PIECES[3])
    assert (found.score, found.verdict, found.covered, found.covered_by_all) == (0.0, "copy", 1.0, 1.0)
    assert found.longest_notes == found.notes
    assert found.bars == found.track_bars == (1, BARS)


def test_music_of_ones_own_is_original(learnt: Originality) -> None:
    verdicts = [learnt.borrowing(piece(seed)).verdict for seed in range(100, 120)]
    assert verdicts == ["original"] * 20


def test_a_passage_is_named_by_the_bars_of_both(learnt: Originality) -> None:
    bar = COMMON_TIME.ticks
    theirs = PIECES[5].notes
    passage = theirs[(theirs["start"] >= 6 * bar) & (theirs["start"] < 14 * bar)].copy()
    passage["start"] -= 4 * bar
    passage["pitch"] += 2
    own = piece(300, bars=12).notes
    own = own[(own["start"] < 2 * bar) | (own["start"] >= 10 * bar)]
    found = learnt.borrowing(Score.steady(np.concatenate([own, passage]), COMMON_TIME, 90.0))
    assert (found.verdict, found.track, found.semitones) == ("copy", NAMES[5], 2)
    assert (found.bars, found.track_bars) == ((3, 10), (7, 14))
    assert found.to_text().startswith("copy: bars 3-10 are bars 7-14 of folk/Tune 5, 2 semitones higher, ")


@pytest.mark.parametrize("voices", [[2], [0, 1]], ids=["melody only", "without melody"])
def test_voices_that_are_left_out_do_not_hide_a_copy(learnt: Originality, voices: list[int]) -> None:
    notes = PIECES[7].notes
    found = learnt.borrowing(replace(PIECES[7], notes=notes[np.isin(notes["part"], voices)]))
    assert (found.verdict, found.track) == ("copy", NAMES[7])


def test_ornaments_between_the_notes_do_not_hide_a_copy(learnt: Originality) -> None:
    notes = PIECES[2].notes.copy()
    added = notes[::3].copy()
    notes["ticks"][::3] //= 2
    added["ticks"] //= 2
    added["start"] += added["ticks"]
    added["pitch"] += 1
    found = learnt.borrowing(replace(PIECES[2], notes=np.concatenate([notes, added])))
    assert (found.verdict, found.track) == ("copy", NAMES[2])


def test_drums_are_left_out_where_there_is_anything_else(learnt: Originality) -> None:
    both = np.concatenate([PIECES[1].notes, drums(1).notes])
    assert learnt.borrowing(replace(PIECES[1], notes=both)).covered == 1.0


def test_drums_alone_are_compared_with_drums_and_are_not_transposed() -> None:
    beats = [drums(seed) for seed in range(4)]
    learnt = Originality.of([*NAMES, *"abcd"], [*NAMES, *"abcd"], [*PIECES, *beats])
    assert (learnt.borrowing(beats[2]).verdict, learnt.borrowing(beats[2]).track) == ("copy", "c")
    other = beats[2].notes.copy()
    other["pitch"] += 1
    assert learnt.borrowing(replace(beats[2], notes=other)).verdict == "original"
    as_tune = beats[2].notes.copy()
    as_tune["program"] = 0
    assert learnt.borrowing(replace(beats[2], notes=as_tune)).track != "c"


@pytest.mark.parametrize("count", [0, 1, 15])
def test_a_few_notes_are_nobodys(learnt: Originality, count: int) -> None:
    found = learnt.borrowing(replace(PIECES[0], notes=PIECES[0].notes[:count]))
    assert (found.score, found.verdict, found.notes, found.track, found.bars) == (1.0, "original", count, None, None)


def test_a_huge_piece_is_looked_up_like_any_other(learnt: Originality) -> None:
    long = piece(500, bars=600)
    notes = np.concatenate([long.notes, PIECES[4].notes])
    notes["start"][len(long.notes) :] += 600 * COMMON_TIME.ticks
    found = learnt.borrowing(Score.steady(notes, COMMON_TIME, 120.0))
    assert (found.verdict, found.track, found.bars) == ("copy", NAMES[4], (601, 616))


def test_one_note_repeated_for_ever_matches_nothing_but_itself() -> None:
    drone = Score.steady(
        np.array([(240 * step, 240, 60, 80, 0, 0) for step in range(3000)], SCORE_NOTE), COMMON_TIME, 60
    )
    learnt = Originality.of([*NAMES, "drone"], [*NAMES, "drone"], [*PIECES, drone])
    assert learnt.borrowing(drone.transposed(5)).track == "drone"
    assert learnt.borrowing(PIECES[0]).track == NAMES[0]


def test_nothing_learnt_is_nothing_borrowed() -> None:
    assert Originality.of([], [], []).borrowing(PIECES[0]).verdict == "original"
