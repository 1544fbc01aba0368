"""Versions of a piece find each other in any key, tempo and order; strangers stay strangers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musegen import fingerprint
from musegen.change import Change
from musegen.labels import DRUMS, Notes


def melody(seed: int, length: int = 64, program: int = 0) -> Notes:
    pitches = np.random.default_rng(seed).integers(50, 80, length)
    return Notes.of([(0.25 * index, 0.25, int(pitch), 80, program, 0) for index, pitch in enumerate(pitches)])


def joined(*parts: Notes) -> Notes:
    return Notes(table=np.concatenate([part.table for part in parts]))


@given(st.integers(0, 1000), st.integers(-12, 12), st.floats(0.5, 2.0), st.floats(0, 5))
def test_key_tempo_and_silence_in_front_do_not_matter(seed: int, semitones: int, speed: float, later: float) -> None:
    moved = melody(seed).follow(Change(speed, semitones, later))
    assert np.array_equal(fingerprint.shingles(moved), fingerprint.shingles(melody(seed)))


def test_accompaniment_below_and_drums_do_not_matter() -> None:
    bass = Notes.of([(0.25 * index, 0.25, 30, 80, 32, 1) for index in range(64)])
    assert np.array_equal(
        fingerprint.shingles(joined(melody(1), bass, melody(2, program=DRUMS))), fingerprint.shingles(melody(1))
    )


@pytest.mark.parametrize("length", [0, 1, 12])
def test_too_few_notes_have_no_fingerprint(length: int) -> None:
    assert len(fingerprint.shingles(melody(1, length))) == 0
    assert fingerprint.groups([fingerprint.shingles(melody(1, length))] * 2) == [0, 1]


def test_thirteen_notes_have_one_shingle() -> None:
    assert len(fingerprint.shingles(melody(1, 13))) == 1


def test_half_of_the_shorter_one_makes_a_version_and_less_does_not() -> None:
    whole = np.arange(100, dtype=np.uint64)
    assert fingerprint.groups([whole, np.arange(50, 150, dtype=np.uint64)]) == [0, 0]
    assert fingerprint.groups([whole, np.arange(51, 151, dtype=np.uint64)]) == [0, 1]
    assert fingerprint.groups([whole, np.arange(95, 105, dtype=np.uint64)]) == [0, 0]


def test_versions_of_versions_are_one_group() -> None:
    chain = [np.arange(start, start + 100, dtype=np.uint64) for start in (100, 0, 50)]
    assert fingerprint.groups([*chain, np.arange(900, 1000, dtype=np.uint64)]) == [0, 0, 0, 3]


def test_a_hundred_copies_are_one_group() -> None:
    copies = [fingerprint.shingles(melody(1).follow(Change(semitones=index % 12))) for index in range(100)]
    assert set(fingerprint.groups([*copies, fingerprint.shingles(melody(2))])) == {0, 100}


def test_an_idiom_that_a_whole_style_plays_joins_nobody() -> None:
    idiom = np.arange(10, dtype=np.uint64)
    tracks = [
        np.concatenate([idiom, np.arange(1000 * index, 1000 * index + 8, dtype=np.uint64)]) for index in range(1, 60)
    ]
    assert fingerprint.groups(tracks) == list(range(59))


@given(st.lists(st.integers(0, 5), max_size=12), st.randoms())
def test_groups_do_not_depend_on_the_order(seeds: list[int], chance: object) -> None:
    tracks = [fingerprint.shingles(melody(seed)) for seed in seeds]
    assert [seeds[index] for index in fingerprint.groups(tracks)] == seeds


def test_no_tracks_have_no_groups() -> None:
    assert fingerprint.groups([]) == []
