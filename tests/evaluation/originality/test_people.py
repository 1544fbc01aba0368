"""Limits come from people, and a model stands beside people of the same styles."""

from typing import Any

import numpy as np
import pytest

from musegen.errors import BadInput
from musegen.evaluation.originality.people import FEWEST_PEOPLE, HALF, Limits, People, Shared
from musegen.evaluation.originality.study import compared


def shared(longest_notes: int = 20, covered: float = 0.1, style: str = "jig", drums: bool = False) -> Shared:
    return Shared(style, drums, 200, longest_notes, longest_notes / 4, covered, covered * 1.5)


def crowd(count: int, seed: int = 0, **fixed: Any) -> list[Shared]:
    random = np.random.default_rng(seed)
    return [shared(int(16 + random.exponential(12)), float(random.uniform(0, 0.25)), **fixed) for _ in range(count)]


def test_limits_are_fixed_where_people_are_too_few() -> None:
    assert People(tuple(crowd(FEWEST_PEOPLE - 1))).limits("jig") == Limits()


def test_one_in_ten_people_is_close_and_next_to_none_is_a_copy() -> None:
    people = crowd(400)
    limits = People(tuple(people)).limits("jig")
    verdicts = [limits.verdict(piece.longest_notes, piece.covered) for piece in people]
    assert verdicts.count("copy") / len(verdicts) <= 0.01
    assert 0.05 < 1 - verdicts.count("original") / len(verdicts) < 0.25


def test_versions_of_training_pieces_among_the_held_out_do_not_raise_the_limits() -> None:
    people = crowd(60)
    versions = [shared(180, 0.9) for _ in range(20)]
    assert People((*people, *versions)).limits("jig") == People(tuple(people)).limits("jig")


def test_a_piece_of_which_half_is_one_other_is_always_a_copy() -> None:
    people = People(tuple(shared(90, 0.49) for _ in range(80)))
    assert people.limits("jig").verdict(20, HALF) == "copy"


def test_a_style_with_enough_people_is_its_own_measure_and_a_small_one_takes_that_of_all() -> None:
    jigs, reels = crowd(40), [shared(70, 0.2, "reel") for _ in range(10)]
    people = People((*jigs, *reels))
    assert people.limits("jig") == People(tuple(jigs)).limits(None)
    assert people.limits("reel") == people.limits("polka") == people.limits(None) != people.limits("jig")


def test_drums_are_measured_by_drums() -> None:
    people = People((*crowd(40), *crowd(40, 1, drums=True, style="rock")))
    assert people.of_style("jig", drums=True) == tuple(piece for piece in people.pieces if piece.drums)


def test_people_survive_being_written_down_and_nonsense_is_refused() -> None:
    people = People(tuple(crowd(5)))
    assert People.from_json(people.to_json()) == people
    with pytest.raises(BadInput):
        People.from_json([{"style": "jig"}])


def test_a_model_that_borrows_as_people_do_is_not_beyond_them() -> None:
    people = People(tuple(crowd(80)))
    figures = compared(crowd(40, 1), people, [False] * 40)
    assert figures["copied_share"] == 0.0
    assert figures["borrowed_beyond_people"] <= 0.0
    assert figures["intervals"]["covered_by_all"][0] == figures["borrowed_beyond_people"]


def test_a_model_that_copies_is_beyond_people() -> None:
    people = People(tuple(crowd(80)))
    figures = compared([shared(150, 0.6)] * 12, people, [True] * 12)
    assert figures["copied_share"] == 1.0
    assert figures["borrowed_beyond_people"] > 0.4


def test_each_style_stands_beside_its_own_people() -> None:
    jigs, chorales = crowd(40), [shared(90, 0.45, "chorale") for _ in range(40)]
    people = People((*jigs, *chorales))
    honest = compared(chorales[:10], people, [False] * 10)
    assert honest["borrowed_beyond_people"] == pytest.approx(0.0)
    assert honest["people"]["covered"] == pytest.approx(0.45)


def test_without_pieces_there_is_nothing_to_say() -> None:
    assert compared([], People(), [])["copied_share"] == 0.0


def test_versions_among_the_held_out_do_not_make_people_look_like_copiers() -> None:
    people = crowd(60)
    versions = [shared(180, 0.9) for _ in range(60)]
    copier = [shared(90, 0.45)] * 20
    plain, mixed = (compared(copier, People(tuple(some)), [True] * 20) for some in (people, people + versions))
    assert mixed["borrowed_beyond_people"] == plain["borrowed_beyond_people"] > 0
    assert mixed["people"] == plain["people"] | {"versions": 60}
    assert plain["people"]["pieces"] == 60


def test_a_style_of_which_every_held_out_piece_is_a_version_stands_beside_the_others() -> None:
    people = People((*crowd(40, style="reel"), *(shared(180, 0.9) for _ in range(40))))
    assert compared(crowd(5), people, [False] * 5)["people"]["covered"] < 0.25


def test_without_people_to_stand_beside_nothing_is_said_of_borrowing_beyond_them() -> None:
    for nobody in (People(), People((shared(180, 0.9),)), People(tuple(crowd(30, drums=True)))):
        figures = compared([shared(150, 0.6)] * 4, nobody, [True] * 4)
        assert figures["copied_share"] == 1.0
        assert figures["borrowed_beyond_people"] is None
        assert "covered_by_all" not in figures["people"]
        assert "covered_by_all" not in figures["intervals"]
    assert compared([], People(tuple(crowd(30))), [])["borrowed_beyond_people"] is None
