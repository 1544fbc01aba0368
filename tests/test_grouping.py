"""Groups join what melody or sound links, in any order, and say which; prints survive as bytes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen import fingerprint
from musegen.ear import Heard
from musegen.grouping import Prints, grouping, groups


def sound(seed: int, copy: int) -> np.ndarray:
    """The print of chance landmarks, one in twenty lost in each copy."""
    random, loss = np.random.default_rng(seed), np.random.default_rng(100 + copy)
    rows = np.stack([np.sort(random.random(500) * 20), random.uniform(50, 100, 500), random.uniform(0.1, 1, 500)], 1)
    nothing = np.zeros(0, np.float32)
    kept = rows[loss.random(500) < 0.95].astype(np.float32)
    return fingerprint.sound(Heard(nothing, nothing.reshape(12, 0), kept))


def melody(seed: int) -> np.ndarray:
    return np.arange(1000 * seed, 1000 * seed + 50, dtype=np.uint64)


def test_melody_and_sound_join_hands() -> None:
    tracks = [
        Prints(melody(1), sound(1, 0)),
        Prints(melody(2)),
        Prints(sound=sound(1, 1)),
        Prints(melody(1)),
        Prints(),
        Prints(),
        Prints(melody(2), sound(2, 0)),
    ]
    found = grouping(tracks)
    assert found.groups == [0, 1, 0, 0, 4, 5, 1]
    assert [set(reason) for reason in found.reasons] == [
        {"melody", "sound"}, {"melody"}, {"sound"}, {"melody"}, set(), set(), {"melody"},
    ]  # fmt: skip


POOL = [
    *(Prints(melody(seed), sound(seed, 0)) for seed in range(3)),
    *(Prints(sound=sound(seed, 1)) for seed in range(3)),
    *(Prints(melody(seed)) for seed in range(3)),
    Prints(),
]


@settings(deadline=None, max_examples=20)
@given(st.permutations(range(len(POOL))))
def test_groups_do_not_depend_on_the_order(order: list[int]) -> None:
    def partition(members: list[int]) -> set[frozenset[int]]:
        found = groups([POOL[member] for member in members])
        return {
            frozenset(member for member, group in zip(members, found, strict=True) if group == wanted)
            for wanted in set(found)
        }

    assert partition(order) == {frozenset({n, n + 3, n + 6}) for n in range(3)} | {frozenset({9})}


def test_the_group_is_named_by_its_first_track() -> None:
    found = groups(POOL[::-1])
    assert all(found[group] == group <= index for index, group in enumerate(found))


@pytest.mark.parametrize(
    "prints", [Prints(), Prints(melody(1)), Prints(sound=sound(1, 0)), Prints(melody(2), sound(2, 0))]
)
def test_prints_are_the_same_after_a_journey_as_bytes(prints: Prints) -> None:
    back = Prints.from_bytes(prints.to_bytes())
    assert np.array_equal(back.melody, prints.melody) and back.melody.dtype == np.uint64
    assert np.array_equal(back.sound, prints.sound) and back.sound.dtype == fingerprint.SOUND
    assert back.to_bytes() == prints.to_bytes()
    assert groups([prints, back]) == ([0, 0] if len(prints.melody) + len(prints.sound) else [0, 1])


@pytest.mark.parametrize("content", [b"\x05\0\0\0", Prints(sound=sound(1, 0)).to_bytes()[:-1]])
def test_damaged_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Prints.from_bytes(content)


def test_no_tracks_have_no_groups() -> None:
    assert groups([]) == []
