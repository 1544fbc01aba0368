"""One contract for every augmentation: what it draws is allowed, and can be drawn again."""

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from musegen import augment, instruments
from musegen.augment import ScoreAugmentation as Augmentation
from musegen.augment.tempo import Tempo
from musegen.augment.transpose import Transpose
from musegen.change import Change
from musegen.labels import DRUMS, Notes

KINDS = {kind.model_fields["kind"].default for kind in get_args(get_args(Augmentation)[0])}
BOUNDS: dict[str, tuple[str, str, st.SearchStrategy[Any], Any]] = {
    "transpose": ("lowest", "highest", st.integers(-24, 24), 0),
    "tempo": ("slowest", "fastest", st.floats(0.25, 4.0), 1.0),
}
WRONG: dict[str, list[tuple[Any, Any]]] = {
    "transpose": [(3, -3), (-25, 0), (0, 25), (-0.5, 0), ("a", 3)],
    "tempo": [(1.1, 0.9), (0.1, 1.0), (1.0, 5.0), (0.0, 1.0), (float("nan"), 1.0), (1.0, float("inf"))],
}

notes = st.lists(
    st.tuples(st.floats(0, 60), st.floats(0, 4), st.integers(0, 127), st.just(80),
              st.sampled_from([0, 40, 58, 73, DRUMS]), st.just(0)),
    max_size=10,
).map(Notes.of)  # fmt: skip


@st.composite
def augmentations(draw: st.DrawFn) -> Augmentation:
    kind = draw(st.sampled_from(sorted(BOUNDS)))
    low_name, high_name, values, _ = BOUNDS[kind]
    low, high = sorted((draw(values), draw(values)))
    return made(kind, {low_name: low, high_name: high})


def made(kind: str, bounds: dict[str, Any]) -> Augmentation:
    return TypeAdapter(Augmentation).validate_python({"kind": kind, **bounds})


def amount(augmentation: Augmentation, change: Change) -> float:
    return change.cents // 100 if augmentation.kind == "transpose" else change.speed


def test_every_augmentation_is_under_contract() -> None:
    assert KINDS == BOUNDS.keys() == WRONG.keys()


@given(augmentations(), notes, st.integers(0, 2**32))
def test_draws_are_within_their_bounds_or_nothing(augmentation: Augmentation, played: Notes, seed: int) -> None:
    low_name, high_name, _, nothing = BOUNDS[augmentation.kind]
    drawn = amount(augmentation, augmentation.draw(played, np.random.default_rng(seed)))
    low, high = getattr(augmentation, low_name), getattr(augmentation, high_name)
    assert drawn == nothing or low - 5e-5 <= drawn <= high + 5e-5


@given(st.lists(augmentations(), max_size=3), notes, st.integers(0, 2**32))
def test_equal_seeds_draw_equally(chosen: list[Augmentation], played: Notes, seed: int) -> None:
    first, second = (augment.draw(tuple(chosen), played, np.random.default_rng(seed)) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("kind", sorted(BOUNDS))
def test_other_seeds_draw_otherwise_and_all_over_the_bounds(kind: str) -> None:
    low_name, high_name, _, _ = BOUNDS[kind]
    low, high = (-3, 3) if kind == "transpose" else (0.8, 1.25)
    augmentation, played = made(kind, {low_name: low, high_name: high}), Notes.of([(0, 1, 60, 80, 0, 0)])
    drawn = [amount(augmentation, augmentation.draw(played, np.random.default_rng(seed))) for seed in range(200)]
    assert min(drawn) < low + 0.1 * (high - low) and max(drawn) > high - 0.1 * (high - low)
    middle = sum(value < (low + high) / 2 for value in drawn)
    assert 50 < middle < 150


@given(st.lists(augmentations(), max_size=3), notes, st.integers(0, 2**32))
def test_no_note_leaves_the_compass_of_its_instrument(chosen: list[Augmentation], played: Notes, seed: int) -> None:
    change = augment.draw(tuple(chosen), played, np.random.default_rng(seed))
    for note in played.table[played.table["program"] != DRUMS]:
        low, high = instruments.keyboard_of(int(note["program"]))
        pitch = int(note["pitch"])
        assert min(low, pitch) <= pitch + change.cents // 100 <= max(high, pitch)


@given(st.lists(augmentations(), max_size=3), notes, st.integers(0, 2**32))
def test_no_note_is_lost(chosen: list[Augmentation], played: Notes, seed: int) -> None:
    change = augment.draw(tuple(chosen), played, np.random.default_rng(seed))
    assert len(played.follow(change)) == len(played)


@pytest.mark.parametrize("kind", sorted(BOUNDS))
def test_where_nothing_is_allowed_nothing_changes(kind: str) -> None:
    low_name, high_name, _, nothing = BOUNDS[kind]
    augmentation = made(kind, {low_name: nothing, high_name: nothing})
    assert augmentation.draw(Notes.of([(0, 1, 60, 80, 0, 0)]), np.random.default_rng(1)) == Change()
    assert augment.draw((), Notes.of([(0, 1, 60, 80, 0, 0)]), np.random.default_rng(1)) == Change()


@pytest.mark.parametrize("rows", [[], [(0, 1, 36, 80, DRUMS, 0)], [(0, 1, 21, 80, 0, 0), (0, 1, 108, 80, 0, 0)]])
def test_without_room_nothing_is_transposed(rows: list[tuple[float, float, int, int, int, int]]) -> None:
    drawn = [Transpose().draw(Notes.of(rows), np.random.default_rng(seed)) for seed in range(20)]
    assert set(drawn) == {Change()}


def test_a_transposition_that_its_room_does_not_reach_is_none() -> None:
    high_piano = Notes.of([(0, 1, 107, 80, 0, 0)])
    assert Transpose(lowest=3, highest=5).draw(high_piano, np.random.default_rng(1)) == Change()


def test_one_augmentation_leaves_room_for_the_next() -> None:
    top_of_the_piano = Notes.of([(0, 1, 106, 80, 0, 0)])
    twice = (Transpose(lowest=1, highest=2), Transpose(lowest=1, highest=2))
    for seed in range(30):
        assert augment.draw(twice, top_of_the_piano, np.random.default_rng(seed)).cents <= 200


def test_tempi_have_four_decimals_so_that_they_can_be_stored() -> None:
    speeds = [Tempo().draw(Notes(), np.random.default_rng(seed)).speed for seed in range(50)]
    assert speeds == [round(speed, 4) for speed in speeds] and len(set(speeds)) > 40


@pytest.mark.parametrize(("kind", "bounds"), [(kind, bounds) for kind, cases in WRONG.items() for bounds in cases])
def test_wrong_bounds_are_refused(kind: str, bounds: tuple[Any, Any]) -> None:
    low_name, high_name, _, _ = BOUNDS[kind]
    with pytest.raises(ValidationError):
        made(kind, {low_name: bounds[0], high_name: bounds[1]})


def test_an_unknown_kind_and_an_unknown_key_are_refused() -> None:
    for wrong in ({"kind": "reverse"}, {"kind": "tempo", "speed": 1.0}, {}):
        with pytest.raises(ValidationError):
            TypeAdapter(Augmentation).validate_python(wrong)
