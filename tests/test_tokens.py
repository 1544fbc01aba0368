import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen.errors import BadInput
from musegen.score import SCORE_NOTE, Bar, Score
from musegen.theory import Meter
from musegen.tokens import METERS, SLOTS_PER_QUARTER, TICKS_PER_SLOT, Tokenizer, TokenizerSettings

TOKENIZER = Tokenizer.create(TokenizerSettings())
LOUD = Tokenizer.create(TokenizerSettings(velocity_bins=32))
# Lengths that the vocabulary says exactly: every twelfth up to four quarters, then every quarter of a quarter.
SLOTS = (*range(1, 49), *range(51, 145, 3))


def remi(velocity_bins=0):
    """MidiTok's own tokenizer with our settings."""
    from miditok import REMI, TokenizerConfig  # takes seconds

    return REMI(
        TokenizerConfig(
            pitch_range=(0, 127),
            beat_res={(0, 4): SLOTS_PER_QUARTER, (4, 12): 4},
            num_velocities=max(velocity_bins, 1),
            use_velocities=velocity_bins > 0,
            use_time_signatures=True,
            time_signature_range={unit: list(counts) for unit, counts in METERS.items()},
            use_programs=True,
            program_changes=True,
            one_token_stream_for_programs=True,
            use_pitchdrum_tokens=True,
            drums_pitch_range=(0, 127),
            special_tokens=["PAD"],
        )
    )


@st.composite
def scores(draw, meters=tuple(TOKENIZER.meters)):
    bars = []
    for meter in draw(st.lists(st.sampled_from(meters), min_size=1, max_size=4)):
        bars.append(Bar(bars[-1].end if bars else 0, meter))
    notes = {}
    for _ in range(draw(st.integers(0, 12))):
        bar = draw(st.sampled_from(bars))
        start = bar.start + draw(st.integers(0, bar.meter.ticks // TICKS_PER_SLOT - 1)) * TICKS_PER_SLOT
        program, pitch = draw(st.sampled_from((0, 40, 128))), draw(st.integers(0, 127))
        notes[start, program, pitch] = draw(st.sampled_from(SLOTS)) * TICKS_PER_SLOT
    programs = sorted({program for _, program, _ in notes})
    rows = [(s, ticks, pitch, 80, program, programs.index(program)) for (s, program, pitch), ticks in notes.items()]
    return Score(np.array(rows, SCORE_NOTE), tuple(bars), 87.5)


def assert_equal_music(one, other, columns=("start", "ticks", "pitch", "program", "part")):
    assert one.bars == other.bars
    assert one.bpm == other.bpm
    for column in columns:
        order_one = np.lexsort((one.notes["pitch"], one.notes["program"], one.notes["start"]))
        order_other = np.lexsort((other.notes["pitch"], other.notes["program"], other.notes["start"]))
        assert one.notes[column][order_one].tolist() == other.notes[column][order_other].tolist()


@settings(deadline=None, max_examples=150)
@given(scores())
def test_music_on_the_grid_comes_back_as_it_was_with_its_bars_and_tempo(score):
    assert_equal_music(TOKENIZER.decode(TOKENIZER.encode(score), bpm=87.5), score)


@settings(deadline=None, max_examples=50)
@given(scores(), st.integers(-12, 12))
def test_tokens_transpose_as_the_score_does_and_drums_stay(score, semitones):
    try:
        expected = TOKENIZER.encode(score.transposed(semitones))
    except BadInput:
        with pytest.raises(BadInput):
            TOKENIZER.transposed(TOKENIZER.encode(score), semitones)
        return
    assert TOKENIZER.transposed(TOKENIZER.encode(score), semitones).tolist() == expected.tolist()


@pytest.mark.parametrize("velocity_bins", range(65))
def test_the_vocabulary_is_miditoks(velocity_bins):
    theirs = remi(velocity_bins).vocab
    names = Tokenizer.create(TokenizerSettings(velocity_bins=velocity_bins)).names
    assert dict(zip(names, range(len(names)), strict=True)) == theirs


def test_a_tokenizer_does_not_wait_for_miditok():
    code = (
        "import sys; from musegen.tokens import Tokenizer, TokenizerSettings; Tokenizer.create(TokenizerSettings()); "
        "sys.exit('miditok' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@settings(deadline=None, max_examples=30)
@given(scores(meters=(Meter(3, 4), Meter(4, 4))))
def test_miditok_itself_reads_our_ids(score):
    read = remi().decode(TOKENIZER.encode(score).astype(int).tolist()).resample(480)
    theirs = sorted(
        (note.start, 128 if track.is_drum else track.program, note.pitch, note.duration)
        for track in read.tracks
        for note in track.notes
    )
    ours = sorted(
        zip(*(score.notes[column].tolist() for column in ("start", "program", "pitch", "ticks")), strict=True)
    )
    assert theirs == ours


def test_miditok_writes_the_same_ids_but_for_repeated_meters():
    import symusic

    rows = [(0, 480, 60, 80, 0, 0), (0, 240, 64, 80, 0, 0), (480, 160, 38, 80, 128, 2), (2400, 960, 55, 80, 40, 1)]
    score = Score.steady(np.array(rows, SCORE_NOTE), Meter(4, 4), 120.0)
    theirs = symusic.Score(480)
    theirs.time_signatures.append(symusic.TimeSignature(0, 4, 4))
    for program in (0, 40, 128):
        track = symusic.Track(program=program % 128, is_drum=program == 128)
        for note in score.notes[score.notes["program"] == program]:
            track.notes.append(symusic.Note(*(int(note[name]) for name in ("start", "ticks", "pitch", "velocity"))))
        theirs.tracks.append(track)
    written = remi().encode(theirs).ids
    repeated = [index for index, token in enumerate(written) if token == TOKENIZER.meters[Meter(4, 4)]][1:]
    assert TOKENIZER.encode(score).tolist() == [token for index, token in enumerate(written) if index not in repeated]


def test_a_monophonic_tune_costs_three_tokens_a_note_and_one_a_bar():
    rows = [(index * 240, 240, 60 + index % 5, 80, 73, 0) for index in range(32)]
    score = Score.steady(np.array(rows, SCORE_NOTE), Meter(4, 4), 120.0)
    assert len(TOKENIZER.encode(score)) == 32 * 3 + 4 + 1 + 1


def test_velocities_come_from_the_metre_or_if_asked_from_tokens():
    rows = [(0, 240, 60, 31, 0, 0), (480, 240, 62, 127, 0, 0), (720, 240, 64, 64, 0, 0)]
    score = Score.steady(np.array(rows, SCORE_NOTE), Meter(4, 4), 120.0)
    metric = TOKENIZER.decode(TOKENIZER.encode(score)).notes["velocity"]
    assert metric[0] > metric[1] > metric[2]
    assert np.abs(LOUD.decode(LOUD.encode(score)).notes["velocity"] - score.notes["velocity"]).max() <= 2


def test_onsets_off_the_grid_go_to_the_nearest_point_even_over_the_bar_line():
    score = Score.steady(np.array([(1, 478, 60, 80, 0, 0), (1915, 5, 62, 80, 0, 0)], SCORE_NOTE), Meter(4, 4), 120.0, 2)
    assert TOKENIZER.decode(TOKENIZER.encode(score)).notes[["start", "ticks"]].tolist() == [(0, 480), (1920, 40)]


def test_of_two_equal_notes_at_once_the_longer_stays():
    score = Score.steady(np.array([(0, 240, 60, 80, 0, 0), (0, 960, 60, 80, 0, 1)], SCORE_NOTE), Meter(4, 4), 120.0)
    assert TOKENIZER.decode(TOKENIZER.encode(score)).notes["ticks"].tolist() == [960]


def test_a_meter_that_cannot_be_written_is_refused():
    with pytest.raises(BadInput, match="meter 15/16") as caught:
        TOKENIZER.encode(Score.steady(np.zeros(0, SCORE_NOTE), Meter(15, 16), 120.0, 1))
    assert caught.value.reason == "meter"


@pytest.mark.parametrize("cut", ["bar", "meter", "position", "program", "duration"])
def test_broken_sequences_are_refused(cut):
    score = Score.steady(np.array([(0, 240, 60, 80, 0, 0)], SCORE_NOTE), Meter(4, 4), 120.0)
    tokens = TOKENIZER.encode(score)
    from musegen.tokens import FAMILIES

    kept = tokens[[FAMILIES[TOKENIZER.families[token]] != cut for token in tokens]]
    with pytest.raises(BadInput):
        TOKENIZER.decode(kept)
