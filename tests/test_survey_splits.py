"""Who belongs together and who is tested on is decided by content, and does not change by chance."""

from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from musegen import midi
from musegen.catalogue import CatalogueRow
from musegen.score import Score
from musegen.survey import SurveySettings, _splits, survey
from musegen.survey_cache import SurveyCache

SETTINGS = SurveySettings()


def catalogue_of(root: Path) -> list[CatalogueRow]:
    cache = SurveyCache()
    try:
        return survey(root, SETTINGS, cache).rows
    finally:
        cache.close()


def test_versions_of_a_piece_are_in_one_split(tmp_path: Path, tune: Callable[..., Score]) -> None:
    for seed in range(30):
        score = tune(seed, bars=4)
        midi.write(tmp_path / f"{seed}.mid", score)
        midi.write(tmp_path / "versions" / f"{seed} higher.mid", score.transposed(5))
        midi.write(tmp_path / "versions" / f"{seed} slower.mid", Score(score.notes, score.bars, 77.0))
    rows = catalogue_of(tmp_path)
    assert len({row.group for row in rows}) == 30
    for seed in range(30):
        mine = [row for row in rows if row.name.removeprefix("versions/").split()[0] == str(seed)]
        assert len({row.group for row in mine}) == len({row.split for row in mine}) == 1 and len(mine) == 3
    assert {row.split for row in rows} == {"train", "valid", "test"}


def test_names_and_their_order_do_not_decide_the_split(tmp_path: Path, tune: Callable[..., Score]) -> None:
    for seed in range(12):
        midi.write(tmp_path / "a" / f"{seed}.mid", tune(seed))
        midi.write(tmp_path / "a" / f"{seed}x.mid", tune(seed).transposed(1))
        midi.write(tmp_path / "b" / f"{99 - seed}.mid", tune(seed))
        midi.write(tmp_path / "b" / f"{99 - seed}-.mid", tune(seed).transposed(1))
    one, other = catalogue_of(tmp_path / "a"), catalogue_of(tmp_path / "b")
    assert {row.track: (row.group, row.split) for row in one} == {row.track: (row.group, row.split) for row in other}


identities = st.integers(0, 10**9).map(lambda number: f"{number:032x}")


@given(st.sets(identities, min_size=1, max_size=60), st.sets(identities, max_size=60))
def test_new_pieces_move_no_old_ones_once_every_split_has_some(old: set[str], new: set[str]) -> None:
    before, after = _splits(sorted(old), SETTINGS), _splits(sorted(old | new), SETTINGS)
    drawn = _splits([*sorted(old), *(f"{number:032x}" for number in range(2000))], SETTINGS)
    moved = {group for group in old if before[group] != after[group]}
    if len(old) >= 3:
        assert moved <= {group for group in old if before[group] != drawn[group] or after[group] != drawn[group]}
        assert len(moved) <= 4
    if {drawn[group] for group in old} == {"train", "valid", "test"}:
        assert not moved and all(before[group] == drawn[group] for group in old)


@given(st.sets(identities, min_size=1, max_size=12), st.floats(0.01, 0.4), st.floats(0.01, 0.4))
def test_from_three_pieces_on_no_split_is_empty(groups: set[str], valid: float, test: float) -> None:
    splits = _splits(sorted(groups), SurveySettings(valid_share=valid, test_share=test))
    assert splits.keys() == groups
    assert set(splits.values()) == ({"train", "valid", "test"} if len(groups) >= 3 else {"train"})
