import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musegen.errors import BadInput
from musegen.labels import Beats, Notes
from musegen.score import SCORE_NOTE, Score
from musegen.theory import Key, Meter

METERS = [Meter(4, 4), Meter(3, 4), Meter(6, 8), Meter(9, 8), Meter(2, 2), Meter(5, 4)]


@st.composite
def scores(draw: st.DrawFn) -> Score:
    meter = draw(st.sampled_from(METERS))
    bars = draw(st.integers(2, 6))
    step = st.tuples(st.integers(0, bars * meter.ticks // 120 - 1), st.integers(1, 8), st.integers(40, 90))
    steps = draw(st.lists(step, min_size=1, max_size=20, unique_by=lambda drawn: drawn[0]))
    rows = [(0, 60, 60, 80, 0, 0)]
    rows += [((start * 120), length * 120, pitch, 80, 0, 0) for start, length, pitch in steps if start]
    rows += [((bars - 1) * meter.ticks + 60, 60, 50, 80, 0, 0)]
    return Score.steady(np.array(rows, SCORE_NOTE), meter, draw(st.integers(40, 240)))


@given(scores())
def test_a_score_comes_back_from_its_labels(score: Score) -> None:
    labels = score.to_labels()
    assert labels.notes is not None and labels.beats is not None
    again = Score.from_labels(labels.notes, labels.beats)
    assert again.meter == score.meter
    assert again.bpm == pytest.approx(score.bpm)
    assert np.array_equal(again.notes, score.notes)


def beats_of(times: list[float], positions: list[int], quarters: float = 1.0) -> Beats:
    return Beats(seconds=np.array(times), positions=np.array(positions), quarters_per_beat=quarters)


def test_a_pickup_stands_at_the_end_of_a_full_first_bar() -> None:
    notes = Notes.of([(0.5, 0.5, 60, 80, 0, 0), (1.0, 0.5, 62, 80, 0, 0)])
    beats = beats_of([0.5, 1.0, 1.5, 2.0, 2.5, 3.0], [4, 1, 2, 3, 4, 1])
    score = Score.from_labels(notes, beats)
    assert list(score.notes["start"]) == [3 * 480, 4 * 480]


def test_bars_follow_the_beats_when_the_tempo_drifts() -> None:
    times = np.cumsum([0.0, *np.linspace(0.5, 0.8, 12)])
    notes = Notes.of([(float(time), 0.1, 60 + index, 80, 0, 0) for index, time in enumerate(times[:12])])
    score = Score.from_labels(notes, beats_of(times.tolist(), [index % 4 + 1 for index in range(13)]))
    assert list(score.notes["start"]) == [480 * index for index in range(12)]
    assert [bar.start for bar in score.bars] == [0, 1920, 3840]


def test_two_dotted_beats_make_six_eight() -> None:
    notes = Notes.of([(0.0, 0.1, 60, 80, 0, 0), (2.0, 0.1, 60, 80, 0, 0)])
    assert Score.from_labels(notes, beats_of([0, 1, 2, 3, 4], [1, 2, 1, 2, 1], 1.5)).meter == Meter(6, 8)


def test_a_bar_of_another_length_has_its_own_meter() -> None:
    notes = Notes.of([(0.0, 0.1, 60, 80, 0, 0), (8.0, 0.1, 60, 80, 0, 0)])
    score = Score.from_labels(notes, beats_of([float(i) for i in range(11)], [1, 2, 3, 4, 1, 2, 1, 2, 3, 4, 1]))
    assert [str(bar.meter) for bar in score.bars] == ["4/4", "2/4", "4/4"]
    assert score.meter == Meter(4, 4)


def test_bars_without_notes_at_either_end_are_left_out() -> None:
    notes = Notes.of([(8.0, 1.0, 60, 80, 0, 0)])
    score = Score.from_labels(notes, beats_of([float(i) for i in range(33)], [i % 4 + 1 for i in range(33)]))
    assert (len(score.bars), list(score.notes["start"])) == (1, [0])


def test_an_unknown_tempo_stays_unknown() -> None:
    beats = Beats(seconds=np.arange(9) * 0.5, positions=np.arange(9) % 4 + 1, tempo_known=False)
    assert Score.from_labels(Notes.of([(0, 1, 60, 80, 0, 0)]), beats).bpm is None


@pytest.mark.parametrize(
    ("notes", "beats", "reason"),
    [
        (Notes(), beats_of([0, 1, 2, 3, 4], [1, 2, 3, 4, 1]), "no notes"),
        (Notes.of([(0, 1, 60, 80, 0, 0)]), beats_of([0, 1, 2], [0, 0, 0]), "no downbeats"),
        (Notes.of([(0, 1, 60, 80, 0, 0)]), beats_of([float(i) for i in range(42)], [1, *[0] * 40, 1]), "bad beats"),
        (Notes.of([(9e7, 1, 60, 80, 0, 0)]), beats_of([0, 1, 2, 3, 4], [1, 2, 3, 4, 1]), "bad notes"),
    ],
)  # fmt: skip
def test_what_can_not_be_placed_is_refused_with_a_reason(notes: Notes, beats: Beats, reason: str) -> None:
    with pytest.raises(BadInput) as caught:
        Score.from_labels(notes, beats)
    assert caught.value.reason == reason


def test_the_opening_cuts_notes_at_its_end() -> None:
    notes = np.array([(0, 5000, 60, 80, 0, 0), (1920, 10, 62, 80, 0, 0)], SCORE_NOTE)
    opening = Score.steady(notes, Meter(4, 4), 120).opening(1)
    assert (len(opening.bars), opening.notes["ticks"].tolist()) == (1, [1920])


def test_polyphony_counts_voices_while_they_sound() -> None:
    chord = np.array([(0, 480, pitch, 80, 0, 0) for pitch in (48, 55, 60, 64)], SCORE_NOTE)
    line = np.array([(index * 480, 480, 60, 80, 0, 0) for index in range(4)], SCORE_NOTE)
    assert Score.steady(chord, Meter(4, 4), 120).polyphony == 4
    assert Score.steady(line, Meter(4, 4), 120).polyphony == 1
    assert Score.steady(line[:0], Meter(4, 4), 120).polyphony == 0


def test_transposition_moves_the_key_with_the_notes() -> None:
    notes = np.array(
        [(i * 480, 480, 60 + step, 80, 0, 0) for i, step in enumerate((0, 4, 7, 0, 5, 7, 11, 0))], SCORE_NOTE
    )
    score = Score.steady(notes, Meter(4, 4), 120)
    assert score.key == Key.parse("C")
    assert score.transposed(2).key == Key.parse("D")
