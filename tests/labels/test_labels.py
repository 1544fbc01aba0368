"""One contract for every label kind: labels follow the sound."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musegen.change import Change
from musegen.errors import BadInput, BadParams
from musegen.labels import DRUMS, Beats, Chords, Label, Labels, Notes, Style, Tempo, Tonality
from musegen.labels.chords import transposed
from musegen.theory import ALL_KEYS

changes = st.builds(
    Change,
    speed=st.floats(0.5, 2.0),
    cents=st.integers(-400, 400),
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
tempi = st.floats(10, 1000).map(Tempo.stated)
tonalities = st.sampled_from(ALL_KEYS).map(lambda key: Tonality(key=key))
symbols = st.sampled_from(
    ["N", "X", "C", "D#:sus2(7)/1", "Gb:maj/b3", "A:min7", "Fb:hdim7", "C/Bb", "B#:(1,*5)", "Am7"]
)
chords = st.tuples(
    st.lists(st.floats(0, 60), min_size=2, max_size=12, unique=True).map(sorted), st.lists(symbols, min_size=12)
).map(lambda drawn: Chords(starts=drawn[0][:-1], ends=drawn[0][1:], names=tuple(drawn[1][: len(drawn[0]) - 1])))
labels: st.SearchStrategy[Label] = st.one_of(notes, beats, styles, tempi, tonalities, chords)


def close(first: Label, second: Label) -> bool:
    if isinstance(first, Notes) and isinstance(second, Notes):
        return len(first) == len(second) and all(
            np.allclose(np.sort(first.table[name]), np.sort(second.table[name])) for name in first.table.dtype.names
        )
    if isinstance(first, Beats) and isinstance(second, Beats):
        return np.allclose(first.seconds, second.seconds) and np.array_equal(first.positions, second.positions)
    if isinstance(first, Chords) and isinstance(second, Chords):
        return first.names == second.names and np.allclose([first.starts, first.ends], [second.starts, second.ends])
    if isinstance(first, Tempo) and isinstance(second, Tempo):
        return first.bpm == pytest.approx(second.bpm)
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


@given(notes, beats, styles, tempi, tonalities, chords, changes)
def test_all_labels_of_a_track_move_together(
    n: Notes, b: Beats, s: Style, t: Tempo, k: Tonality, c: Chords, change: Change
) -> None:
    everything = Labels(s, n, b, t, k, c)
    moved = everything.follow(change).known()
    assert list(moved) == ["style", "notes", "beats", "tempo", "tonality", "chords"]
    assert all(moved[kind] == label.follow(change) for kind, label in everything.known().items())


def test_what_is_not_known_stays_unknown() -> None:
    assert Labels().follow(Change(speed=2)) == Labels()


def test_a_faster_performance_has_earlier_and_shorter_notes() -> None:
    moved = Notes.of([(2.0, 1.0, 60, 80, 0, 0)]).follow(Change(speed=2.0, cents=300))
    assert moved == Notes.of([(1.0, 0.5, 63, 80, 0, 0)])


def test_drums_keep_their_pitch_under_transposition() -> None:
    moved = Notes.of([(0, 1, 36, 80, DRUMS, 0), (0, 1, 60, 80, 0, 1)]).follow(Change(cents=200))
    assert sorted(moved.table["pitch"]) == [36, 62]


def test_notes_that_leave_the_keyboard_are_dropped_and_counted() -> None:
    label = Notes.of([(0, 1, 108, 80, 0, 0), (1, 1, 60, 80, 0, 0)])
    assert label.outside(2) == 1
    assert len(label.follow(Change(cents=200))) == 1


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


def test_chords_move_in_time_and_pitch_and_a_bass_that_is_a_degree_stays() -> None:
    label = Chords(starts=[1.0, 2.0], ends=[2.0, 4.0], names=("D#:maj/3", "N"))
    moved = label.follow(Change(speed=2.0, cents=-200, offset_seconds=1.0))
    assert moved == Chords(starts=[1.5, 2.0], ends=[2.0, 3.0], names=("C#:maj/3", "N"))
    assert len(moved) == 2 and moved != label


@pytest.mark.parametrize(
    ("symbol", "semitones", "expected"),
    [
        ("C:maj", 2, "D:maj"), ("B:min7/b3", 1, "C:min7/b3"), ("Bb", 0, "Bb"), ("Bbb:7", 0, "A:7"), ("Fx", 0, None),
        ("Cb", 1, "C"), ("C/G", 2, "D/A"), ("A:sus4(b7)/5", 3, "C:sus4(b7)/5"), ("E#:dim", 0, "F:dim"), ("N", 5, "N"),
        ("X", 5, "X"), ("Am7", 3, "Cm7"), ("G:maj(*3,9)", 12, "G:maj(*3,9)"), ("H:maj", 0, None), ("", 0, None),
        ("verse", 0, None), ("A:verse", 0, None), ("C:maj/", 0, None), ("C:(3", 0, None), ("C" + "1" * 99, 0, None),
    ],
)  # fmt: skip
def test_a_chord_is_spelled_in_one_way(symbol: str, semitones: int, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(BadInput, match="no chord"):
            transposed(symbol, semitones)
    else:
        assert transposed(symbol, semitones) == expected


@pytest.mark.parametrize(
    ("starts", "ends", "names", "words"),
    [
        ([0.0], [1.0], (), "0 names"),
        ([0.0, 1.0], [1.0], ("C", "D"), "1 ends"),
        ([0.0, 0.5], [1.0, 2.0], ("C", "D"), "chord 2 begins before"),
        ([1.0, 0.0], [2.0, 1.0], ("C", "D"), "chord 2 begins before"),
        ([0.0, 2.0], [1.0, 1.5], ("C", "D"), "chord 2 ends before"),
        ([0.0], [float("inf")], ("C",), "no number"),
        ([0.0], [1.0], ("H",), "no chord"),
    ],
)
def test_chords_that_can_not_be_are_refused(
    starts: list[float], ends: list[float], names: tuple[str, ...], words: str
) -> None:
    with pytest.raises(BadInput, match=words):
        Chords(starts=np.array(starts), ends=np.array(ends), names=names)


@pytest.mark.parametrize("bpm", [0.0, -1.0, float("nan"), float("inf")])
def test_a_tempo_that_can_not_be_is_refused(bpm: float) -> None:
    with pytest.raises(BadInput, match="bpm"):
        Tempo(bpm=bpm)
    with pytest.raises(BadInput, match="bpm"):
        Tempo.stated(bpm)


def test_a_key_is_transposed_and_keeps_its_mode() -> None:
    for key in ALL_KEYS:
        moved = Tonality(key=key).follow(Change(cents=300, speed=1.1)).key
        assert (moved.tonic, moved.minor) == ((key.tonic + 3) % 12, key.minor)
