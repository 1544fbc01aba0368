"""Who belongs together and who is tested on is decided by content, and does not change by chance."""

from collections.abc import Callable
from pathlib import Path

from musegen import midi
from musegen.catalogue import CatalogueRow
from musegen.memory import Memory
from musegen.opening import LocalOpeners
from musegen.score import Score
from musegen.survey import SurveySettings, survey
from musegen.survey_cache import SurveyCache

CatalogueOf = Callable[[Path], list[CatalogueRow]]


def test_versions_of_a_piece_are_in_one_split(
    tmp_path: Path, tune: Callable[..., Score], catalogue_of: CatalogueOf
) -> None:
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


def test_names_and_their_order_do_not_decide_the_split(
    tmp_path: Path, tune: Callable[..., Score], catalogue_of: CatalogueOf
) -> None:
    for seed in range(12):
        midi.write(tmp_path / "a" / f"{seed}.mid", tune(seed))
        midi.write(tmp_path / "a" / f"{seed}x.mid", tune(seed).transposed(1))
        midi.write(tmp_path / "b" / f"{99 - seed}.mid", tune(seed))
        midi.write(tmp_path / "b" / f"{99 - seed}-.mid", tune(seed).transposed(1))
    one, other = catalogue_of(tmp_path / "a"), catalogue_of(tmp_path / "b")
    assert {row.track: (row.group, row.split) for row in one} == {row.track: (row.group, row.split) for row in other}


def test_a_new_version_of_a_tested_piece_is_tested_as_well(
    tmp_path: Path, tune: Callable[..., Score], openers: LocalOpeners
) -> None:
    for seed in range(12):
        midi.write(tmp_path / f"{seed}.mid", tune(seed))
    cache = SurveyCache()
    before = survey(tmp_path, SurveySettings(), cache, openers).rows
    for seed in range(12):
        midi.write(tmp_path / f"{seed} higher.mid", tune(seed).transposed(2))
    memory = Memory(splits={row.track: row.split for row in before})
    after = {row.name: row for row in survey(tmp_path, SurveySettings(), cache, openers, memory).rows}
    cache.close()
    assert {row.name: after[row.name].split for row in before} == {row.name: row.split for row in before}
    assert all(after[f"{row.name} higher"].split == row.split for row in before)
