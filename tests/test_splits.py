"""Who is tested on is decided by content, given words are kept, and what comes later moves nobody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musegen.errors import BadInput
from musegen.splits import SPLITS, Drawn, Member, draw, parse


def drawn(groups: set[str] | list[str], valid: float = 0.1, test: float = 0.1) -> dict[str, str]:
    """The splits of groups of one track each, by group."""
    return dict(draw([Member(group, group) for group in sorted(groups)], valid, test).splits)


identities = st.integers(0, 10**9).map(lambda number: f"{number:032x}")


@given(st.sets(identities, min_size=1, max_size=60), st.sets(identities, max_size=60))
def test_new_pieces_move_no_old_ones_once_every_split_has_some(old: set[str], new: set[str]) -> None:
    before, after = drawn(old), drawn(old | new)
    by_chance = drawn([*sorted(old), *(f"{number:032x}" for number in range(2000))])
    moved = {group for group in old if before[group] != after[group]}
    if len(old) >= 3:
        forced = {group for group in old if before[group] != by_chance[group] or after[group] != by_chance[group]}
        assert moved <= forced and len(moved) <= 4
    if {by_chance[group] for group in old} == set(SPLITS):
        assert not moved and all(before[group] == by_chance[group] for group in old)


@given(st.sets(identities, min_size=1, max_size=60), st.sets(identities, max_size=60))
def test_who_stood_somewhere_before_stays_there(old: set[str], new: set[str]) -> None:
    before = drawn(old)
    members = [Member(group, group, before=before.get(group)) for group in sorted(old | new)]
    after = draw(members, 0.1, 0.1).splits
    moved = [group for group in old if after[group] != before[group]]
    assert len(moved) <= len(set(SPLITS) - set(before.values())), "only what else would leave a split empty"


def test_a_split_whose_last_piece_is_put_elsewhere_gets_another() -> None:
    members = [Member(str(index), str(index), before="train") for index in range(4)]
    splits = draw([*members, Member("v", "v", given="valid", before="test")], 0.1, 0.1).splits
    assert splits["v"] == "valid" and set(splits.values()) == set(SPLITS)


@given(st.sets(identities, min_size=1, max_size=12), st.floats(0.01, 0.4), st.floats(0.01, 0.4))
def test_from_three_pieces_on_no_split_is_empty(groups: set[str], valid: float, test: float) -> None:
    splits = drawn(groups, valid, test)
    assert splits.keys() == groups
    assert set(splits.values()) == (set(SPLITS) if len(groups) >= 3 else {"train"})


@given(
    st.lists(st.tuples(st.integers(0, 8), st.sampled_from([None, *SPLITS])), min_size=1, max_size=30),
    st.floats(0.01, 0.4),
    st.floats(0.01, 0.4),
)
def test_what_is_given_is_kept_and_groups_are_whole_but_for_that(
    rows: list[tuple[int, str | None]], valid: float, test: float
) -> None:
    members = [Member(f"{index:032x}", f"{group:032x}", said) for index, (group, said) in enumerate(rows)]
    result = draw(members, valid, test)
    assert all(result.splits[member.track] == member.given for member in members if member.given)
    for group in {member.group for member in members}:
        mine = {result.splits[member.track] for member in members if member.group == group}
        told = {member.given for member in members if member.group == group} - {None}
        assert mine == told or (len(mine) == 1 and not told)
        assert result.across.get(group) == (tuple(sorted(mine)) if len(mine) > 1 else None)


def test_a_new_version_of_a_piece_goes_where_the_piece_is() -> None:
    old = [Member("b", "a", before="test"), Member("a", "a")]
    assert draw(old, 0.1, 0.1) == Drawn({"b": "test", "a": "test"}, {})
    given = [Member("b", "a", given="valid"), Member("a", "a", before="test")]
    assert draw(given, 0.1, 0.1).splits == {"b": "valid", "a": "valid"}


def test_pieces_that_turn_out_to_be_one_are_kept_from_training() -> None:
    assert set(draw([Member("a", "a", before="train"), Member("b", "a", before="test")], 0.1, 0.1).splits.values()) == {
        "test"
    }


@pytest.mark.parametrize(
    ("text", "split"), [("Train", "train"), ("validation", "valid"), ("dev ", "valid"), ("TEST", "test")]
)
def test_splits_are_understood_as_people_write_them(text: str, split: str) -> None:
    assert parse(text) == split


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(BadInput, match="holdout"):
        parse("holdout")
