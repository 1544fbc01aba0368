"""Rows of the listening dataset: what one hears in them is what their labels say, and they can be made again."""

import json
import pickle
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from musegen import augment, features, midi
from musegen.audio import passages
from musegen.augment.sounds import FolderSounds
from musegen.catalogue import CatalogueRow
from musegen.change import Change
from musegen.clock import Clock
from musegen.errors import BadInput
from musegen.features import Frames
from musegen.labels import Beats, Labels
from musegen.prepare import ListeningRecipe, ListeningSettings, labels_of
from musegen.score import Score
from musegen.shards.listening import Passage, from_table
from musegen.synth import render

RATE = 16_000
CHAIN = (
    {"kind": "gain", "least_decibels": -6, "most_decibels": 0},
    {"kind": "noise", "colours": ["white", "pink"], "least_decibels": 20, "most_decibels": 40, "share": 0.6},
    {"kind": "stretch", "slowest": 0.8, "fastest": 1.25, "lowest_semitones": -3, "highest_semitones": 3},
)
SHAPE = {"kind": "mel", "rate": RATE, "hop": 320, "window": 1024, "bins": 96}


def settings(**changed: object) -> ListeningSettings:
    asked = {"shards": 1, "passage_seconds": 5.0, "variants": 2, "augmentations": CHAIN, "features": SHAPE}
    return TypeAdapter(ListeningSettings).validate_python({**asked, **changed})


SETTINGS = settings()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory, tune: Callable[..., Score]) -> Path:
    """Seven tunes of 8 seconds with their notes, and a recording of which nothing is known."""
    root = tmp_path_factory.mktemp("corpus")
    for seed in range(7):
        score = tune(seed, bars=4)
        labels = score.to_labels()
        midi.write(root / "jig" / f"{seed}.mid", score)
        sound = render(labels.notes, rate=RATE, room=None)
        soundfile.write(root / "jig" / f"{seed}.flac", sound.samples.T, sound.rate)
    noise = np.random.default_rng(1).standard_normal(3 * RATE)
    soundfile.write(root / "alone.flac", 0.1 * noise, RATE)
    return root


@pytest.fixture(scope="module")
def rows(corpus: Path, catalogue_of: Callable[[Path], list[CatalogueRow]]) -> list[CatalogueRow]:
    return [replace(row, split="train" if "6" not in row.name else "valid") for row in catalogue_of(corpus)]


def made(
    row: CatalogueRow, root: Path, asked: ListeningSettings = SETTINGS, mates: tuple[CatalogueRow, ...] = ()
) -> list[Passage]:
    recipe = ListeningRecipe(asked, root, root)
    return [one for table in recipe.tables(row, mates or (row,), Clock()) for one in from_table(table)]


def named(rows: list[CatalogueRow], name: str) -> CatalogueRow:
    return next(row for row in rows if row.name == name)


def plain(one: Passage) -> tuple[object, ...]:
    rest = {name: value for name, value in vars(one).items() if name not in ("labels", "features")}
    return (*rest.values(), str(one.labels), one.features.tobytes())


def test_a_recording_is_cut_into_passages_and_only_training_ones_are_varied(
    corpus: Path, rows: list[CatalogueRow]
) -> None:
    places = {row.name: [(one.passage, one.variant) for one in made(row, corpus)] for row in rows}
    assert places["jig/0"] == [(passage, variant) for passage in range(2) for variant in range(3)]
    assert places["jig/6"] == [(0, 0), (1, 0)]
    assert places["alone"] == [(0, 0), (0, 1), (0, 2)]


def test_variant_0_is_the_passage_as_it_is(corpus: Path, rows: list[CatalogueRow]) -> None:
    row = named(rows, "jig/1")
    cut = list(passages(corpus / "jig" / "1.flac", RATE, 5.0, mono=True))
    for one in made(row, corpus):
        if one.variant == 0:
            heard = features.store(features.analyse(cut[one.passage], SETTINGS.features), SETTINGS.features)
            assert np.array_equal(one.features, heard)
            assert (one.effects, one.speed, one.cents, one.dropped_notes) == ("[]", 1.0, 0, 0)
            assert one.seconds == cut[one.passage].seconds and one.start_seconds == 5.0 * one.passage


def test_every_note_and_beat_is_in_its_passage(corpus: Path, rows: list[CatalogueRow]) -> None:
    row = named(rows, "jig/2")
    whole = labels_of(row, corpus)
    assert whole.notes and whole.beats
    plain_rows = [one for one in made(row, corpus) if one.variant == 0]
    onsets = [one.labels.notes.table["onset_seconds"] + one.start_seconds for one in plain_rows if one.labels.notes]
    begun = np.concatenate(
        [each[each >= one.start_seconds - 1e-9] for each, one in zip(onsets, plain_rows, strict=True)]
    )
    assert np.allclose(np.sort(begun), np.sort(whole.notes.table["onset_seconds"]))
    beats = np.concatenate([one.labels.beats.seconds + one.start_seconds for one in plain_rows if one.labels.beats])
    assert np.allclose(beats, whole.beats.seconds[whole.beats.seconds < row.seconds])


def test_in_every_row_one_hears_the_notes_that_its_labels_name(corpus: Path, rows: list[CatalogueRow]) -> None:
    """The loudest low partial in the frames of a note is the note's own, in the middle of its length."""
    quiet = settings(augmentations=CHAIN[:1] + CHAIN[2:])
    frames, shape = Frames(RATE, 320), quiet.features
    right = total = 0
    for row in (named(rows, "jig/3"), named(rows, "jig/4")):
        for one in made(row, corpus, quiet):
            decibels = features.restore(one.features, shape)
            for note in one.labels.notes.table if one.labels.notes else ():
                middle = note["onset_seconds"] + 0.6 * note["seconds"]
                if 0.1 < middle < one.seconds - 0.1:
                    hertz = 440 * 2 ** ((note["pitch"] + one.labels.notes.tuning_cents / 100 - 69) / 12)
                    tone = np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE).astype(np.float32)[None]
                    own = features.analyse(features.Audio(tone, RATE), shape)[25].argmax()
                    here = decibels[int(frames.frame_of(middle))]
                    total += 1
                    right += here[max(own - 1, 0) : own + 2].max() > here.max() - 15
    assert total > 100 and right / total > 0.97


def test_what_is_stored_with_a_row_makes_it_again(corpus: Path, rows: list[CatalogueRow]) -> None:
    row, sounds = named(rows, "jig/0"), FolderSounds(corpus, {})
    cut = list(passages(corpus / "jig" / "0.flac", RATE, 5.0, mono=True))
    for one in made(row, corpus):
        done = augment.replay(augment.from_json(one.effects), cut[one.passage], sounds)
        heard = features.analyse(done.audio, SETTINGS.features, done.folded.speed, done.folded.cents)
        assert np.array_equal(one.features, features.store(heard, SETTINGS.features))
        assert (done.change.speed, done.change.cents) == (one.speed, one.cents)


def test_rows_do_not_depend_on_how_many_variants_there_are_or_on_other_tracks(
    corpus: Path, rows: list[CatalogueRow]
) -> None:
    row = named(rows, "jig/5")
    few, many = made(row, corpus), made(row, corpus, settings(variants=4), tuple(rows))
    wanted = {(one.passage, one.variant) for one in few}
    assert [(o.effects, o.features.tobytes()) for o in few] == [
        (o.effects, o.features.tobytes()) for o in many if (o.passage, o.variant) in wanted
    ]
    assert len({one.effects for one in many}) == len([one for one in many if one.variant]) + 1


def test_a_pickled_recipe_in_another_place_makes_the_same_rows(corpus: Path, rows: list[CatalogueRow]) -> None:
    recipe = pickle.loads(pickle.dumps(ListeningRecipe(SETTINGS, corpus, corpus)))
    again = [one for table in recipe.tables(rows[0], rows, Clock()) for one in from_table(table)]
    assert [plain(one) for one in again] == [plain(one) for one in made(rows[0], corpus)]


def test_a_recording_of_which_nothing_is_known_has_rows_without_labels(corpus: Path, rows: list[CatalogueRow]) -> None:
    alone = replace(named(rows, "alone"), style=None)
    assert {str(one.labels) for one in made(alone, corpus)} == {str(Labels())}


def test_labels_that_do_not_fit_the_recording_are_left_out(corpus: Path, rows: list[CatalogueRow]) -> None:
    row = replace(named(rows, "jig/0"), misfits='["beats", "notes"]')
    assert {tuple(one.labels.known()) for one in made(row, corpus)} == {("style",)}, "nor the tempo of that file"
    told = replace(row, sources=json.dumps({**json.loads(row.sources), "bpm": "human"}))
    assert {tuple(one.labels.known()) for one in made(told, corpus)} == {("style", "tempo")}
    recipe = ListeningRecipe(SETTINGS, corpus, corpus)
    assert recipe.fingerprint(row, (row,)) != recipe.fingerprint(named(rows, "jig/0"), (row,))


def test_a_recording_that_is_another_one_since_the_survey_is_named(
    corpus: Path, rows: list[CatalogueRow], tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="survey again") as caught:
        made(named(rows, "jig/0"), tmp_path)
    assert (caught.value.reason, caught.value.file) == ("changed", tmp_path / "jig" / "0.flac")


def test_a_stretch_is_the_same_change_rendered_or_not(corpus: Path, rows: list[CatalogueRow]) -> None:
    row = named(rows, "jig/0")
    folded, rendered = made(row, corpus), made(row, corpus, settings(render_stretch=True))
    for one, other in zip(folded, rendered, strict=True):
        assert (one.speed, one.cents) == (other.speed, other.cents)
        assert one.seconds == pytest.approx(other.seconds, abs=1e-4)
        assert str(one.labels) == str(other.labels)
        assert abs(len(one.features) - len(other.features)) <= 1
    stretched = [json.loads(one.effects)[-1] for one in rendered if one.variant]
    assert all(effect["kind"] == "stretch" and effect["rendered"] for effect in stretched)


def test_only_tracks_of_the_shard_and_of_other_groups_sound_along_and_few_of_them(
    corpus: Path, rows: list[CatalogueRow]
) -> None:
    mixing = settings(augmentations=[{"kind": "mix", "least_decibels": 10, "most_decibels": 10}])
    recipe, row = ListeningRecipe(mixing, corpus, corpus), named(rows, "jig/0")
    tracks = [one for one in rows if one.split == "train"]
    mates = tuple(replace(one, group=row.group) if one.name in ("jig/1", "jig/2") else one for one in tracks)
    heard = {json.loads(one.effects)[0]["name"] for one in made(row, corpus, mixing, mates) if one.variant}
    allowed = {f"track:{one.track}" for one in mates if one.group != row.group}
    assert heard and heard <= allowed
    many = [replace(row, track=f"{index:032x}", group=str(index)) for index in range(200)]
    before = {one.track: recipe.fingerprint(one, many[1:]) for one in many[1:]}
    after = {one.track: recipe.fingerprint(one, many) for one in many[1:]}
    assert sum(before[track] != after[track] for track in before) <= 20


def test_other_noises_in_the_folder_are_other_rows(corpus: Path, rows: list[CatalogueRow], tmp_path: Path) -> None:
    chain = [{"kind": "noise", "colours": [], "files": "noise", "least_decibels": 10, "most_decibels": 20}]
    (tmp_path / "noise").mkdir()
    fingerprints = set()
    for seed in range(2):
        noise = np.random.default_rng(seed).standard_normal(RATE)
        soundfile.write(tmp_path / "noise" / "rain.wav", 0.1 * noise, RATE)
        recipe = ListeningRecipe(settings(augmentations=chain), corpus, tmp_path)
        fingerprints.add(recipe.fingerprint(rows[0], rows))
    assert len(fingerprints) == 2


def test_the_size_on_disk_is_about_as_expected(corpus: Path, rows: list[CatalogueRow]) -> None:
    recipe, row = ListeningRecipe(SETTINGS, corpus, corpus), named(rows, "jig/0")
    stored = sum(one.features.nbytes for one in made(row, corpus))
    assert 0.4 * stored < recipe.bytes_of(row) < 1.2 * stored
    assert not recipe.wants(replace(row, audio=None))


def test_what_can_not_concern_a_row_does_not_make_it_anew(corpus: Path, rows: list[CatalogueRow]) -> None:
    def fingerprints(asked: ListeningSettings) -> tuple[str, ...]:
        recipe = ListeningRecipe(asked, corpus, corpus)
        return tuple(recipe.fingerprint(named(rows, name), rows) for name in ("jig/0", "jig/6"))

    train, valid = fingerprints(SETTINGS)
    for other in (settings(variants=3), settings(augmentations=CHAIN[:1])):
        assert fingerprints(other)[0] != train and fingerprints(other)[1] == valid
    assert fingerprints(settings(shards=9, place="s3://bucket/there")) == (train, valid)
    for other in (settings(passage_seconds=6.0), settings(features={**SHAPE, "bins": 90})):
        assert not {train, valid} & set(fingerprints(other))


def test_a_pickled_recipe_takes_nothing_of_what_was_worked_out_here(
    corpus: Path, rows: list[CatalogueRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = ListeningRecipe(SETTINGS, corpus, corpus)
    before = recipe.fingerprint(rows[0], rows)
    monkeypatch.setattr("musegen.code.of_listening_rows", lambda augmentations: "another version of the code")
    assert recipe.fingerprint(rows[0], rows) == before
    assert pickle.loads(pickle.dumps(recipe)).fingerprint(rows[0], rows) != before


def test_a_label_file_that_is_another_one_since_the_survey_is_told(
    corpus: Path, rows: list[CatalogueRow], tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(corpus, tmp_path / "copy"))
    assert made(named(rows, "jig/0"), copy)
    (copy / "jig" / "0.mid").write_bytes((corpus / "jig" / "1.mid").read_bytes())
    with pytest.raises(BadInput, match="a label file of it") as caught:
        made(named(rows, "jig/0"), copy)
    assert caught.value.reason == "changed"


def test_a_partner_that_is_another_recording_since_the_survey_is_told(
    corpus: Path, rows: list[CatalogueRow], tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(corpus, tmp_path / "copy"))
    mixing = settings(augmentations=[{"kind": "mix", "least_decibels": 10, "most_decibels": 10}])
    for row in rows:
        if row.name != "jig/0":
            (copy / (row.audio or "")).write_bytes((corpus / "jig" / "0.flac").read_bytes())
    with pytest.raises(BadInput, match="survey again") as caught:
        made(named(rows, "jig/0"), copy, mixing, tuple(rows))
    assert caught.value.reason == "changed"


@given(st.floats(0.5, 30.0), st.lists(st.integers(0, 400), min_size=1, unique=True))
def test_a_beat_on_a_border_is_in_one_passage(seconds: float, places: list[int]) -> None:
    """As `ListeningRecipe.tables` cuts: borders lie on samples, and so may beats."""
    borders = [round(index * seconds * RATE) for index in range(12)]
    times = np.array(sorted({borders[place % 12] / RATE for place in places}))
    beats = Labels(beats=Beats(seconds=times, positions=np.ones(len(times), np.int16)))
    inside = 0
    for start, end in pairwise(borders):
        cut = beats.follow(Change(start_seconds=start / RATE, end_seconds=end / RATE)).beats
        inside += len(cut) if cut is not None else 0
    assert inside == np.count_nonzero(times < borders[-1] / RATE)


@pytest.mark.parametrize(
    "wrong",
    [
        {"place": "data/listening"},
        {"place": "s3://"},
        {"augmentations": [{"kind": "excerpt", "shortest_seconds": 8, "longest_seconds": 9}]},
        {"augmentations": [{"kind": "noise", "files": "/somewhere"}]},
        {"augmentations": [{"kind": "reverb", "files": "../rooms"}]},
        {"passage_seconds": 0.5},
    ],
)
def test_settings_that_can_not_be_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        settings(**wrong)
