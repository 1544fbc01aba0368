"""One contract for every label kind: labels follow the sound."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musegen.change import Change
from musegen.errors import BadInput, BadParams
from musegen.labels import DRUMS, Beats, Label, Labels, Notes, Style

changes = st.builds(
    Change,
    speed=st.floats(0.5, 2.0),
    semitones=st.integers(-4, 4),
    offset_seconds=st.floats(-1.0, 5.0),
)
notes = st.lists(
    st.tuples(st.floats(1, 60), st.floats(0, 4), st.integers(40, 90), st.integers(1, 127), st.integers(0, DRUMS),
              st.integers(0, 3)),
    max_size=12,
).map(Notes.of)  # fmt: skip
beats = st.lists(st.floats(1, 60), min_size=1, max_size=12, unique=True).map(
    lambda times: Beats(seconds=np.array(sorted(times)), positions=np.arange(len(times)) % 4 + 1)
)
styles = st.sampled_from(["jig", "Slip Jig", "bossa-nova"]).map(Style.named)
labels: st.SearchStrategy[Label] = st.one_of(notes, beats, styles)


def close(first: Label, second: Label) -> bool:
    if isinstance(first, Notes) and isinstance(second, Notes):
        return len(first) == len(second) and all(
            np.allclose(np.sort(first.table[name]), np.sort(second.table[name])) for name in first.table.dtype.names
        )
    if isinstance(first, Beats) and isinstance(second, Beats):
        return np.allclose(first.seconds, second.seconds) and np.array_equal(first.positions, second.positions)
    return first == second


@given(labels, changes, changes)
def test_following_two_changes_is_following_their_composition(label: Label, first: Change, second: Change) -> None:
    assert close(label.follow(first).follow(second), label.follow(first.then(second)))


@given(labels)
def test_no_change_moves_nothing(label: Label) -> None:
    assert label.follow(Change()) == label


@given(labels, changes)
def test_origin_and_confidence_stay_with_the_label(label: Label, change: Change) -> None:
    guessed = label.said_by("crnn@3", 0.5).follow(change)
    assert (guessed.origin, guessed.confidence) == ("crnn@3", 0.5)


@given(notes, beats, styles, changes)
def test_all_labels_of_a_track_move_together(n: Notes, b: Beats, s: Style, change: Change) -> None:
    moved = Labels(s, n, b).follow(change)
    assert (moved.style, moved.notes, moved.beats) == (s.follow(change), n.follow(change), b.follow(change))


def test_what_is_not_known_stays_unknown() -> None:
    assert Labels().follow(Change(speed=2)) == Labels()


def test_a_faster_performance_has_earlier_and_shorter_notes() -> None:
    moved = Notes.of([(2.0, 1.0, 60, 80, 0, 0)]).follow(Change(speed=2.0, semitones=3))
    assert moved == Notes.of([(1.0, 0.5, 63, 80, 0, 0)])


def test_drums_keep_their_pitch_under_transposition() -> None:
    moved = Notes.of([(0, 1, 36, 80, DRUMS, 0), (0, 1, 60, 80, 0, 1)]).follow(Change(semitones=2))
    assert sorted(moved.table["pitch"]) == [36, 62]


def test_notes_that_leave_the_keyboard_are_dropped_and_counted() -> None:
    label = Notes.of([(0, 1, 108, 80, 0, 0), (1, 1, 60, 80, 0, 0)])
    assert label.outside(2) == 1
    assert len(label.follow(Change(semitones=2))) == 1


def test_the_tempo_follows_the_speed() -> None:
    label = Beats(seconds=np.arange(8) * 0.5, positions=np.arange(8) % 4 + 1)
    assert label.bpm == pytest.approx(120)
    assert label.follow(Change(speed=1.5)).bpm == pytest.approx(180)


def test_a_style_is_the_same_in_any_spelling() -> None:
    assert {Style.named(name).name for name in ("Slip Jig", "slip-jig", " SLIP_JIG ")} == {"slip_jig"}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ((0, -1, 60, 80, 0, 0), "ends before it begins"),
        ((float("nan"), 1, 60, 80, 0, 0), "no number"),
        ((0, 1, 128, 80, 0, 0), "pitch 128"),
        ((0, 1, 60, 0, 0, 0), "velocity 0"),
        ((0, 1, 60, 80, 129, 0), "program 129"),
    ],
)
def test_a_note_that_can_not_be_is_refused(row: tuple[float, float, int, int, int, int], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        Notes.of([row])


def test_beats_that_run_backward_are_refused_with_their_row() -> None:
    with pytest.raises(BadInput, match="beat 3"):
        Beats(seconds=np.array([0.0, 1.0, 0.5]), positions=np.array([1, 2, 3]))


def test_a_style_without_a_name_and_a_confidence_beyond_one_are_refused() -> None:
    with pytest.raises(BadInput):
        Style.named(" - ")
    with pytest.raises(BadInput):
        Style.named("jig", confidence=1.5)


def test_a_change_that_stops_time_is_refused() -> None:
    with pytest.raises(BadParams, match="speed"):
        Change(speed=0)
