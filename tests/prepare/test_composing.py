"""Rows are a function of the track and the settings, and can be made again from what is stored with them."""

import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from musegen import midi
from musegen.augment.tempo import Tempo
from musegen.augment.transpose import Transpose
from musegen.catalogue import CatalogueRow
from musegen.change import Change
from musegen.clock import Clock
from musegen.errors import BadInput
from musegen.prepare import ComposingRecipe, ComposingSettings, labels_of
from musegen.score import Score
from musegen.shards.schema import Example, from_table
from musegen.theory import Key

SETTINGS = ComposingSettings(shards=4, variants=5, augmentations=(Transpose(lowest=-5, highest=5), Tempo()))
TOKENIZER = ComposingRecipe(SETTINGS, Path()).tokenizer
CatalogueOf = Callable[[Path], list[CatalogueRow]]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, write_tunes: Callable[..., Path]) -> Path:
    return write_tunes(tmp_path_factory.mktemp("corpus"), 16)


@pytest.fixture(scope="module")
def rows(corpus: Path, catalogue_of: CatalogueOf) -> list[CatalogueRow]:
    return catalogue_of(corpus)


def made(row: CatalogueRow, root: Path, settings: ComposingSettings = SETTINGS) -> list[Example]:
    return ComposingRecipe(settings, root).examples(row)


def plain(example: Example) -> dict[str, object]:
    return {**asdict(example), "tokens": example.tokens.tolist()}


def training(rows: list[CatalogueRow]) -> CatalogueRow:
    return next(row for row in rows if row.split == "train")


def test_the_same_track_gives_the_same_rows_in_any_order(corpus: Path, rows: list[CatalogueRow]) -> None:
    forward = {row.track: [plain(example) for example in made(row, corpus)] for row in rows}
    backward = {row.track: [plain(example) for example in made(row, corpus)] for row in reversed(rows)}
    assert forward == backward


def test_where_the_corpus_lies_does_not_matter(
    corpus: Path, rows: list[CatalogueRow], tmp_path: Path, catalogue_of: CatalogueOf
) -> None:
    shutil.copytree(corpus, tmp_path / "elsewhere")
    row = training(rows)
    assert [plain(one) for one in made(row, tmp_path / "elsewhere")] == [plain(one) for one in made(row, corpus)]
    assert catalogue_of(tmp_path / "elsewhere") == rows


def test_only_training_tracks_have_variants(corpus: Path, rows: list[CatalogueRow]) -> None:
    counts = {row.split: len(made(row, corpus)) for row in rows}
    assert counts["valid"] == counts["test"] == 1
    assert 1 < counts["train"] <= 6


def test_the_first_row_is_the_track_as_it_is(corpus: Path, rows: list[CatalogueRow]) -> None:
    for row in rows:
        first = made(row, corpus)[0]
        labels = labels_of(row, corpus)
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
        labels = labels_of(row, corpus)
        for one in made(row, corpus):
            change = Change(speed=one.speed, cents=100 * one.semitones)
            again = ComposingRecipe(SETTINGS, corpus).example(row, labels.follow(change), change, one.variant)
            assert again is not None and plain(again) == plain(one)


def test_a_longer_track_is_cut_at_the_longest(corpus: Path, rows: list[CatalogueRow]) -> None:
    row = training(rows)
    whole, cut = made(row, corpus)[0], made(row, corpus, SETTINGS.model_copy(update={"longest_bars": 3}))[0]
    assert (whole.bars, cut.bars, cut.notes) == (8, 3, 24)
    assert cut.tokens.tolist() == whole.tokens[: len(cut.tokens)].tolist()


def test_a_track_without_a_tempo_has_none_in_its_rows(
    tmp_path: Path, tune: Callable[..., Score], catalogue_of: CatalogueOf
) -> None:
    midi.write(tmp_path / "a.mid", tune(1))
    content = (tmp_path / "a.mid").read_bytes()
    # The meta event of the tempo becomes a text of the same length.
    (tmp_path / "a.mid").write_bytes(content.replace(b"\xff\x51\x03", b"\xff\x01\x03"))
    (row,) = catalogue_of(tmp_path)
    assert row.bpm is None and {one.bpm for one in made(row, tmp_path)} == {None}


def test_what_a_person_says_is_what_the_row_says(corpus: Path, rows: list[CatalogueRow]) -> None:
    row = training(rows)
    sources = json.dumps(dict.fromkeys(("style", "bpm", "key", "meter"), "human"))
    told = replace(row, style="polka", bpm=90.0, key="F#m", meter="4/4", sources=sources)
    for one in made(told, corpus):
        assert (one.style, one.style_origin) == ("polka", "human")
        assert one.bpm == pytest.approx(90 * one.speed, rel=1e-3)
        assert one.key == str(Key.parse("F#m").transposed(one.semitones))
    in_two = replace(told, meter="2/2", sources=sources)
    assert {one.meter for one in made(in_two, corpus)} == {"4/4"}, "four beats a bar can't be written in 2/2"
    in_eighths = replace(told, meter="4/8", sources=sources)
    assert {one.meter for one in made(in_eighths, corpus)} == {"4/8"}


@pytest.mark.parametrize("wrong", [{"shards": 0}, {"variants": -1}, {"longest_bars": 0}, {"colour": 1}])
def test_settings_that_can_not_be_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        ComposingSettings.model_validate(wrong)


def test_a_file_that_has_vanished_or_changed_since_the_survey_is_named(
    rows: list[CatalogueRow], tmp_path: Path
) -> None:
    file = tmp_path / json.loads(rows[0].files)["midi"]
    for content in (None, b"another"):
        if content:
            file.parent.mkdir()
            file.write_bytes(content)
        with pytest.raises(BadInput, match="survey again") as caught:
            made(rows[0], tmp_path)
        assert (caught.value.reason, caught.value.file) == ("changed", file)


def test_rows_do_not_share_chance_with_other_tracks(corpus: Path, rows: list[CatalogueRow]) -> None:
    drawn = [[(one.semitones, one.speed) for one in made(row, corpus)[1:]] for row in rows if row.split == "train"]
    assert len({tuple(each) for each in drawn}) == len(drawn)
    assert len(np.unique([speed for each in drawn for _, speed in each])) > 10


def test_a_table_of_the_recipe_holds_its_examples(corpus: Path, rows: list[CatalogueRow]) -> None:
    recipe, row = ComposingRecipe(SETTINGS, corpus), training(rows)
    (table,) = recipe.tables(row, rows, clock := Clock())
    assert [plain(one) for one in from_table(table)] == [plain(one) for one in made(row, corpus)]
    assert recipe.totals(table) == {
        "notes": sum(one.notes for one in made(row, corpus)),
        "tokens": sum(len(one.tokens) for one in made(row, corpus)),
    }
    assert {one.fingerprint for one in from_table(table)} == {recipe.fingerprint(row, rows)}
    assert clock.seconds["tokenise"] > 0


def test_a_pickled_recipe_makes_the_same_rows(corpus: Path, rows: list[CatalogueRow]) -> None:
    recipe = ComposingRecipe(SETTINGS, corpus)
    again = pickle.loads(pickle.dumps(recipe))
    assert [plain(one) for one in again.examples(rows[0])] == [plain(one) for one in recipe.examples(rows[0])]
