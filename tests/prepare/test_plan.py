"""A track's content decides its shard; a shard is stale where anything that decides its bytes has changed."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musegen.augment.tempo import Tempo
from musegen.augment.transpose import Transpose
from musegen.catalogue import CatalogueRow
from musegen.prepare import ComposingRecipe, ComposingSettings, ShardPlan, plan, stale
from musegen.prepare.plan import shard_count
from musegen.prepare.recipe import ShardSettings
from musegen.shards import manifest
from musegen.shards.manifest import Manifest, ShardEntry

SETTINGS = ComposingSettings(shards=4, variants=5, augmentations=(Transpose(lowest=-5, highest=5), Tempo()))


@pytest.fixture(scope="module")
def rows(
    tmp_path_factory: pytest.TempPathFactory,
    write_tunes: Callable[..., Path],
    catalogue_of: Callable[[Path], list[CatalogueRow]],
) -> list[CatalogueRow]:
    return catalogue_of(write_tunes(tmp_path_factory.mktemp("corpus"), 16))


def planned(rows: list[CatalogueRow], settings: ComposingSettings = SETTINGS) -> list[ShardPlan]:
    return plan(rows, ComposingRecipe(settings, Path()))


def fingerprints(plans: list[ShardPlan]) -> dict[str, str]:
    return {shard.path: shard.fingerprint for shard in plans}


def test_every_track_that_is_wanted_is_in_one_shard_by_its_content(rows: list[CatalogueRow]) -> None:
    silent = replace(rows[0], composes="no beats")
    plans = planned([silent, *rows[1:]])
    tracks = [row.track for shard in plans for row in shard.rows]
    assert sorted(tracks) == sorted(row.track for row in rows[1:])
    assert fingerprints(planned(rows[::-1])) == fingerprints(planned(rows))
    for shard in plans:
        assert {f"split={row.split}" for row in shard.rows} == {shard.path.split("/")[0]}
        assert [row.track for row in shard.rows] == sorted(row.track for row in shard.rows)


@pytest.mark.parametrize("column", ["labels_sha256", "group", "name"])
def test_a_change_of_one_track_changes_its_shard_alone(rows: list[CatalogueRow], column: str) -> None:
    before = planned(rows)
    after = fingerprints(planned([replace(rows[0], **{column: "f" * 64}), *rows[1:]]))
    (mine,) = [shard.path for shard in before if rows[0] in shard.rows]
    assert {shard.path for shard in before if after[shard.path] != shard.fingerprint} == {mine}


def test_another_layout_or_setting_changes_every_shard_that_it_concerns(rows: list[CatalogueRow]) -> None:
    before = fingerprints(planned(rows))
    for some, settings, splits in (
        ([replace(row, layout="pop909") for row in rows], SETTINGS, {"train", "valid", "test"}),
        (rows, SETTINGS.model_copy(update={"longest_bars": 3}), {"train", "valid", "test"}),
        (rows, SETTINGS.model_copy(update={"variants": 6}), {"train"}),
        (rows, SETTINGS.model_copy(update={"augmentations": (Tempo(),)}), {"train"}),
    ):
        after = fingerprints(planned(some, settings))
        assert all((after[path] != before[path]) == (path.split("/")[0][6:] in splits) for path in before)


@pytest.mark.parametrize(
    ("column", "value"), [("style", "polka"), ("bpm", 90.0), ("key", "D"), ("misfits", '["beats"]')]
)
def test_what_the_survey_decides_otherwise_makes_the_rows_anew(
    rows: list[CatalogueRow], column: str, value: object
) -> None:
    assert replace(rows[0], **{column: value}).fingerprint() != rows[0].fingerprint()


def test_into_how_many_shards_they_fall_does_not_change_the_rows(rows: list[CatalogueRow]) -> None:
    def of_tracks(plans: list[ShardPlan]) -> dict[str, str]:
        return {track.row.track: track.fingerprint for shard in plans for track in shard.tracks}

    more = SETTINGS.model_copy(update={"shards": 16, "shard_megabytes": 1.0})
    assert of_tracks(planned(rows)) == of_tracks(planned(rows, more))


def test_a_corpus_in_which_nothing_is_wanted_has_no_shards(rows: list[CatalogueRow]) -> None:
    assert planned([replace(row, composes="no beats") for row in rows]) == []


@given(st.floats(0, 1e13), st.integers(1, 64), st.floats(0.1, 1000))
def test_shards_double_until_none_is_too_large_and_no_further(size: float, least: int, megabytes: float) -> None:
    count = shard_count(size, ShardSettings(shards=least, shard_megabytes=megabytes))
    assert count == least or size / (count // 2) > megabytes * 1e6
    assert size / count <= megabytes * 1e6 and (count // least).bit_count() == 1


def test_only_what_is_missing_or_made_from_something_else_is_stale(rows: list[CatalogueRow], tmp_path: Path) -> None:
    plans = planned(rows)
    assert stale(plans, None, tmp_path) == plans
    for shard in plans:
        (tmp_path / shard.path).parent.mkdir(exist_ok=True)
        (tmp_path / shard.path).write_bytes(b"four")
    made = Manifest(tuple(ShardEntry(p.path, "train", p.fingerprint, "", 4, 1, 1, {}) for p in plans))
    assert stale(plans, made, tmp_path) == []
    (tmp_path / plans[0].path).unlink()
    other = [replace(plans[-1], fingerprint="another")]
    assert stale([*plans[:-1], *other], made, tmp_path) == [plans[0], *other]
    (tmp_path / plans[1].path).write_bytes(b"cut")
    assert stale(plans, made, tmp_path) == plans[:2]
    assert stale(plans, made, tmp_path, damaged=[plans[2].path, "another's"]) == plans[:3]
    assert not (tmp_path / manifest.MANIFEST).exists()
