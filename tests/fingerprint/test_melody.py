"""Versions of a piece find each other in any key, tempo and order; strangers stay strangers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musegen.change import Change
from musegen.fingerprint import melody, melody_links
from musegen.fingerprint.components import Components
from musegen.labels import DRUMS, Notes


def tune(seed: int, length: int = 64, program: int = 0) -> Notes:
    pitches = np.random.default_rng(seed).integers(50, 80, length)
    return Notes.of([(0.25 * index, 0.25, int(pitch), 80, program, 0) for index, pitch in enumerate(pitches)])


def joined(*parts: Notes) -> Notes:
    return Notes(table=np.concatenate([part.table for part in parts]))


def groups(melodies: list[np.ndarray]) -> list[int]:
    return Components(len(melodies), melody_links(melodies)).all()


@given(st.integers(0, 1000), st.integers(-12, 12), st.floats(0.5, 2.0), st.floats(0, 5))
def test_key_tempo_and_silence_in_front_do_not_matter(seed: int, semitones: int, speed: float, later: float) -> None:
    moved = tune(seed).follow(Change(speed, 100 * semitones, later))
    assert np.array_equal(melody(moved), melody(tune(seed)))


@given(st.integers(0, 1000), st.floats(0.3, 3.0))
def test_chords_whose_notes_are_not_quite_together_are_chords_at_any_tempo(seed: int, speed: float) -> None:
    random = np.random.default_rng(seed)
    rows = [
        (0.25 * index + random.uniform(0, 0.02), 0.25, int(pitch), 80, 0, 0)
        for index, chord in enumerate(random.integers(50, 80, (64, 3)))
        for pitch in chord
    ]
    highest = [max(pitch for _, _, pitch, *_ in rows[start : start + 3]) for start in range(0, len(rows), 3)]
    top = Notes.of([(0.25 * index, 0.25, pitch, 80, 0, 0) for index, pitch in enumerate(highest)])
    assert np.array_equal(melody(Notes.of(rows).follow(Change(speed))), melody(top))


@pytest.mark.parametrize("ticks_a_quarter", [24, 96, 480, 1024])
def test_the_resolution_of_the_file_does_not_matter(ticks_a_quarter: int) -> None:
    tick = 0.5 / ticks_a_quarter
    table = tune(3).table.copy()
    table["onset_seconds"] = np.floor((table["onset_seconds"] * 1.013 + 0.003) / tick) * tick
    assert np.array_equal(melody(Notes(table=table)), melody(tune(3)))


def test_accompaniment_below_drums_and_the_order_of_parts_do_not_matter() -> None:
    bass = Notes.of([(0.25 * index, 0.25, 30, 80, 32, 1) for index in range(64)])
    whole = joined(tune(1), bass, tune(2, program=DRUMS))
    assert np.array_equal(melody(whole), melody(tune(1)))
    other_order = whole.table.copy()
    other_order["part"] = 5 - other_order["part"]
    assert np.array_equal(melody(Notes(table=other_order)), melody(tune(1)))


@pytest.mark.parametrize("length", [0, 1, 5])
def test_too_few_notes_have_no_fingerprint(length: int) -> None:
    assert len(melody(tune(1, length))) == 0
    assert groups([melody(tune(1, length))] * 2) == [0, 1]


def test_one_pitch_again_and_again_has_no_fingerprint_while_it_is_short() -> None:
    same = Notes.of([(0.25 * index, 0.25, 60, 80, 0, 0) for index in range(10)])
    assert len(melody(same)) == 0


@pytest.mark.parametrize("length", [6, 9, 12])
def test_a_short_tune_is_known_as_a_whole_with_its_rhythm(length: int) -> None:
    short = tune(1, length)
    assert np.array_equal(melody(short.follow(Change(1.3, -4, 1.0))), melody(short))
    assert len(melody(short)) == 1
    other_rhythm = short.table.copy()
    other_rhythm["onset_seconds"][-1] += 0.5
    assert not np.array_equal(melody(Notes(table=other_rhythm)), melody(short))
    assert groups([melody(short), melody(tune(1, length - 1)), melody(tune(1)), melody(short)]) == [0, 1, 2, 0]


def test_thirteen_notes_have_one_shingle() -> None:
    assert len(melody(tune(1, 13))) == 1


def test_half_of_the_shorter_one_makes_a_version_and_less_does_not() -> None:
    whole = np.arange(100, dtype=np.uint64)
    assert groups([whole, np.arange(50, 150, dtype=np.uint64)]) == [0, 0]
    assert groups([whole, np.arange(51, 151, dtype=np.uint64)]) == [0, 1]
    assert groups([whole, np.arange(95, 105, dtype=np.uint64)]) == [0, 0]


def test_versions_of_versions_are_one_group() -> None:
    chain = [np.arange(start, start + 100, dtype=np.uint64) for start in (100, 0, 50)]
    assert groups([*chain, np.arange(900, 1000, dtype=np.uint64)]) == [0, 0, 0, 3]


def test_a_hundred_copies_are_one_group() -> None:
    copies = [melody(tune(1).follow(Change(cents=100 * (index % 12)))) for index in range(100)]
    assert set(groups([*copies, melody(tune(2))])) == {0, 100}


def test_a_hundred_varied_versions_are_one_group() -> None:
    random = np.random.default_rng(0)
    phrases = [tune(seed, 32).table["pitch"] for seed in range(6)]
    versions = []
    for seed in range(100):
        played = [*phrases]
        played[random.integers(6)] = tune(1000 + seed, 32).table["pitch"]
        pitches = np.concatenate(played)
        versions.append(melody(Notes.of([(0.25 * n, 0.25, int(pitch), 80, 0, 0) for n, pitch in enumerate(pitches)])))
    assert set(groups([*versions, melody(tune(7, 200))])) == {0, 100}


def test_an_idiom_that_a_whole_style_plays_joins_nobody() -> None:
    idiom = np.arange(10, dtype=np.uint64)
    tracks = [
        np.concatenate([idiom, np.arange(1000 * index, 1000 * index + 8, dtype=np.uint64)]) for index in range(1, 60)
    ]
    assert groups(tracks) == list(range(59))


@given(st.lists(st.integers(0, 5), max_size=12))
def test_groups_do_not_depend_on_the_order(seeds: list[int]) -> None:
    assert [seeds[index] for index in groups([melody(tune(seed)) for seed in seeds])] == seeds


def test_no_tracks_have_no_groups() -> None:
    assert melody_links([]) == []


def drummed(seed: int, bars: int, again: int, speed: float = 1.0) -> Notes:
    """Sixteenths of three drums, a bar of chance repeated as often as `again` says."""
    random = np.random.default_rng(seed)
    played = np.repeat(random.random((bars // again, 16, 3)) < (0.3, 0.2, 0.6), again, axis=0).reshape(-1, 3)
    rows = [(0.1 * step / speed, 0.1, 36 + 2 * int(drum), 80, DRUMS, 0) for step, drum in np.argwhere(played)]
    return Notes.of(rows)


def test_a_drum_performance_is_known_at_another_tempo() -> None:
    prints = [melody(drummed(seed, 32, 1, speed)) for seed in (1, 2) for speed in (1.0, 1.21)]
    assert groups(prints) == [0, 0, 2, 2]


def test_a_looped_drum_pattern_is_everybodys() -> None:
    assert len(melody(drummed(1, 32, 32))) == 0
