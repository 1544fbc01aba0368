"""Rows are a function of the track and the settings, and can be made again from what is stored with them."""

import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from musegen import code, midi, prepare
from musegen.augment import Tempo, Transpose
from musegen.catalogue import CatalogueRow
from musegen.change import Change
from musegen.corpora import LOADERS
from musegen.errors import BadInput
from musegen.prepare import ComposingSettings, ShardPlan, examples, plan, stale, track_of
from musegen.score import Score
from musegen.shards import manifest
from musegen.shards.manifest import Manifest
from musegen.shards.schema import Example
from musegen.survey import SurveySettings, survey
from musegen.survey_cache import SurveyCache
from musegen.tokens import Tokenizer

SETTINGS = ComposingSettings(shards=4, variants=5, augmentations=(Transpose(lowest=-5, highest=5), Tempo()))
TOKENIZER = Tokenizer.create(SETTINGS.tokens)


def catalogue_of(root: Path) -> list[CatalogueRow]:
    cache = SurveyCache()
    try:
        return survey(root, SurveySettings(), cache).rows
    finally:
        cache.close()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, write_tunes: Callable[..., Path]) -> Path:
    return write_tunes(tmp_path_factory.mktemp("corpus"), 16)


@pytest.fixture(scope="module")
def rows(corpus: Path) -> list[CatalogueRow]:
    return catalogue_of(corpus)


def made(row: CatalogueRow, root: Path, settings: ComposingSettings = SETTINGS) -> list[Example]:
    return examples(row, root, "folder", settings, TOKENIZER)


def plain(example: Example) -> dict[str, object]:
    return {**asdict(example), "tokens": example.tokens.tolist()}


def training(rows: list[CatalogueRow]) -> CatalogueRow:
    return next(row for row in rows if row.split == "train")


def test_the_same_track_gives_the_same_rows_in_any_order(corpus: Path, rows: list[CatalogueRow]) -> None:
    forward = {row.track: [plain(example) for example in made(row, corpus)] for row in rows}
    backward = {row.track: [plain(example) for example in made(row, corpus)] for row in reversed(rows)}
    assert forward == backward


def test_where_the_corpus_lies_does_not_matter(corpus: Path, rows: list[CatalogueRow], tmp_path: Path) -> None:
    shutil.copytree(corpus, tmp_path / "elsewhere")
    row = training(rows)
    assert [plain(one) for one in made(row, tmp_path / "elsewhere")] == [plain(one) for one in made(row, corpus)]
    assert plan(catalogue_of(tmp_path / "elsewhere"), SETTINGS, "folder") == plan(rows, SETTINGS, "folder")


def test_only_training_tracks_have_variants(corpus: Path, rows: list[CatalogueRow]) -> None:
    counts = {row.split: len(made(row, corpus)) for row in rows}
    assert counts["valid"] == counts["test"] == 1
    assert 1 < counts["train"] <= 6


def test_the_first_row_is_the_track_as_it_is(corpus: Path, rows: list[CatalogueRow]) -> None:
    for row in rows:
        first = made(row, corpus)[0]
        labels = LOADERS["folder"].read(track_of(row, corpus))
        assert labels.notes and labels.beats and labels.style
        score = Score.from_labels(labels.notes, labels.beats)
        assert first.tokens.tolist() == TOKENIZER.encode(score).tolist()
        assert (first.variant, first.semitones, first.speed) == (0, 0, 1.0)
        assert (first.style, first.meter, first.bars, first.notes) == (labels.style.name, "4/4", 8, 64)
        assert first.bpm == pytest.approx(120, abs=1e-3)
        assert (first.track, first.group, first.split) == (row.track, row.group, row.split)


def test_variants_are_another_performance_of_the_same_notes(corpus: Path, rows: list[CatalogueRow]) -> None:
    first, *others = made(training(rows), corpus)
    assert len({(one.semitones, one.speed) for one in (first, *others)}) == len(others) + 1
    for one in others:
        assert one.tokens.tolist() == TOKENIZER.transposed(first.tokens, one.semitones).tolist()
        assert one.bpm == pytest.approx((first.bpm or 0) * one.speed, rel=1e-3)
        assert (one.bars, one.notes, one.meter) == (first.bars, first.notes, first.meter)


def test_what_is_stored_with_a_row_makes_it_again(corpus: Path, rows: list[CatalogueRow]) -> None:
    for row in rows:
        labels = LOADERS["folder"].read(track_of(row, corpus))
        for one in made(row, corpus):
            change = Change(speed=one.speed, semitones=one.semitones)
            again = prepare._example(row, labels.follow(change), change, one.variant, SETTINGS, TOKENIZER)
            assert again is not None and plain(again) == plain(one)


def test_a_longer_track_is_cut_at_the_longest(corpus: Path, rows: list[CatalogueRow]) -> None:
    row = training(rows)
    whole, cut = made(row, corpus)[0], made(row, corpus, SETTINGS.model_copy(update={"longest_bars": 3}))[0]
    assert (whole.bars, cut.bars, cut.notes) == (8, 3, 24)
    assert cut.tokens.tolist() == whole.tokens[: len(cut.tokens)].tolist()


def test_a_track_without_a_tempo_has_none_in_its_rows(tmp_path: Path, tune: Callable[..., Score]) -> None:
    midi.write(tmp_path / "a.mid", tune(1))
    content = (tmp_path / "a.mid").read_bytes()
    # The meta event of the tempo becomes a text of the same length.
    (tmp_path / "a.mid").write_bytes(content.replace(b"\xff\x51\x03", b"\xff\x01\x03"))
    (row,) = catalogue_of(tmp_path)
    assert row.bpm is None and {one.bpm for one in made(row, tmp_path)} == {None}


def fingerprints(plans: list[ShardPlan]) -> dict[str, str]:
    return {shard.path: shard.fingerprint for shard in plans}


def test_every_track_that_composes_is_in_one_shard_by_its_content(rows: list[CatalogueRow]) -> None:
    silent = replace(rows[0], composes="no beats")
    plans = plan([silent, *rows[1:]], SETTINGS, "folder")
    planned = [row.track for shard in plans for row in shard.rows]
    assert sorted(planned) == sorted(row.track for row in rows[1:])
    assert fingerprints(plan(rows[::-1], SETTINGS, "folder")) == fingerprints(plan(rows, SETTINGS, "folder"))
    for shard in plans:
        assert {f"split={row.split}" for row in shard.rows} == {shard.path.split("/")[0]}


@pytest.mark.parametrize("column", ["labels_sha256", "group", "name"])
def test_a_change_of_one_track_changes_its_shard_alone(rows: list[CatalogueRow], column: str) -> None:
    before = fingerprints(plan(rows, SETTINGS, "folder"))
    changed = [replace(rows[0], **{column: "f" * 64}), *rows[1:]]
    after = fingerprints(plan(changed, SETTINGS, "folder"))
    (mine,) = [shard.path for shard in plan(rows, SETTINGS, "folder") if rows[0] in shard.rows]
    assert {path for path in before if before[path] != after[path]} == {mine}


def test_another_layout_or_setting_changes_every_shard(rows: list[CatalogueRow]) -> None:
    before = fingerprints(plan(rows, SETTINGS, "folder"))
    for settings, layout in (
        (SETTINGS, "pop909"),
        (SETTINGS.model_copy(update={"variants": 6}), "folder"),
        (SETTINGS.model_copy(update={"augmentations": (Tempo(),)}), "folder"),
    ):
        after = fingerprints(plan(rows, settings, layout))
        assert not set(before.items()) & set(after.items())


def test_a_corpus_that_can_not_be_composed_from_is_refused(rows: list[CatalogueRow]) -> None:
    with pytest.raises(BadInput, match="no track has the notes"):
        plan([replace(row, composes="no beats") for row in rows], SETTINGS, "folder")


@pytest.mark.parametrize("wrong", [{"shards": 0}, {"variants": -1}, {"longest_bars": 0}, {"colour": 1}])
def test_settings_that_can_not_be_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        ComposingSettings.model_validate(wrong)


def made_dataset(rows: list[CatalogueRow], root: Path, folder: Path) -> Manifest:
    plans = plan(rows, SETTINGS, "folder")
    manifest.commit(
        folder, Manifest(tuple(prepare.make_shard(each, root, "folder", SETTINGS, folder) for each in plans))
    )
    return manifest.load(folder)


def test_only_what_is_missing_or_made_from_something_else_is_stale(
    corpus: Path, rows: list[CatalogueRow], tmp_path: Path
) -> None:
    plans = plan(rows, SETTINGS, "folder")
    assert stale(plans, None, tmp_path) == plans
    made = made_dataset(rows, corpus, tmp_path)
    assert stale(plans, made, tmp_path) == []
    (tmp_path / plans[0].path).unlink()
    other = [replace(plans[-1], fingerprint="another")]
    assert stale([*plans[:-1], *other], made, tmp_path) == [plans[0], *other]


def test_a_staged_shard_is_not_made_again(corpus: Path, rows: list[CatalogueRow], tmp_path: Path) -> None:
    first = plan(rows, SETTINGS, "folder")[0]
    entry = prepare.make_shard(first, corpus, "folder", SETTINGS, tmp_path)
    assert prepare.make_shard(first, tmp_path / "the corpus is gone", "folder", SETTINGS, tmp_path) == entry


def test_a_file_that_has_vanished_since_the_survey_is_named(rows: list[CatalogueRow], tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        made(rows[0], tmp_path)
    assert rows[0].notes_file is not None and Path(rows[0].notes_file).name in str(caught.value)


@pytest.fixture
def copied_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sources of musegen in another place, fingerprinted there."""
    home = tmp_path / "musegen"
    shutil.copytree(Path(code.__file__).parent, home, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(code, "__file__", str(home / "code.py"))
    return home


def test_the_code_has_another_fingerprint_when_a_source_of_the_rows_changes(copied_package: Path) -> None:
    unchanged = code.fingerprint.__wrapped__()
    assert unchanged == code.fingerprint()
    for name in ("prepare.py", "midi.py", "labels/notes.py", "augment/tempo.py", "inspection.py", "tokens.py"):
        source = copied_package / name
        source.write_text(source.read_text() + "# another\n")
        assert code.fingerprint.__wrapped__() != unchanged
        source.write_text(source.read_text().removesuffix("# another\n"))
    for name in ("registry.py", "generate.py", "synth/mix.py"):
        (copied_package / name).write_text("something else")
    assert code.fingerprint.__wrapped__() == unchanged


def test_a_library_of_another_version_has_another_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    before = code.fingerprint.__wrapped__()
    monkeypatch.setattr(code, "version", lambda library: "another")
    assert code.fingerprint.__wrapped__() != before


def test_rows_do_not_share_chance_with_other_tracks(corpus: Path, rows: list[CatalogueRow]) -> None:
    drawn = [[(one.semitones, one.speed) for one in made(row, corpus)[1:]] for row in rows if row.split == "train"]
    assert len({tuple(each) for each in drawn}) == len(drawn)
    assert len(np.unique([speed for each in drawn for _, speed in each])) > 10
