import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musegen import instruments

lines = st.lists(st.tuples(st.sampled_from([0, 12, 40, 58, 72, 73, 127]), st.integers(0, 127)), min_size=1, max_size=8)


def test_there_is_a_name_for_every_program() -> None:
    assert len(instruments.NAMES) == len(set(instruments.NAMES)) == 128


@pytest.mark.parametrize("program", range(128))
def test_every_instrument_has_a_compass_of_more_than_an_octave_on_the_keyboard(program: int) -> None:
    low, high = instruments.keyboard_of(program)
    assert low >= 21 and low + 12 < high <= 108


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("Violin", 55, 100), ("Cello", 36, 81), ("Flute", 59, 98), ("Acoustic Grand Piano", 21, 108)],
)
def test_well_known_compasses_are_right(name: str, low: int, high: int) -> None:
    assert instruments.keyboard_of(instruments.NAMES.index(name)) == (low, high)


@given(lines)
def test_within_the_room_no_note_leaves_its_instrument_that_was_inside(line: list[tuple[int, int]]) -> None:
    programs, pitches = (np.array(column, np.int16) for column in zip(*line, strict=True))
    down, up = instruments.room(programs, pitches)
    assert down <= 0 <= up
    for semitones in (down, up):
        for program, pitch in line:
            low, high = instruments.keyboard_of(program)
            assert min(low, pitch) <= pitch + semitones <= max(high, pitch)


@given(lines)
def test_the_room_is_all_there_is(line: list[tuple[int, int]]) -> None:
    programs, pitches = (np.array(column, np.int16) for column in zip(*line, strict=True))
    down, up = instruments.room(programs, pitches)
    for semitones in (down - 1, up + 1):
        assert any(
            not min(low, pitch) <= pitch + semitones <= max(high, pitch)
            for program, pitch in line
            for low, high in [instruments.keyboard_of(program)]
        )
