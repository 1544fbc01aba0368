"""Every file of a corpus has one verdict, and no file ends it."""

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen import corpora, midi, opening, survey_report
from musegen.errors import BadInput
from musegen.guard import Guard
from musegen.label_table import Correction, Edits
from musegen.memory import Memory
from musegen.opening import Inspected, LocalOpeners
from musegen.removal import Tombstone
from musegen.score import Bar, Score
from musegen.survey import Survey, SurveySettings, survey
from musegen.survey_cache import SurveyCache
from musegen.theory import Meter
from musegen.track import Track
from musegen.verdicts import SurveyedFile

SETTINGS = SurveySettings()
BEATS = "".join(f"{0.5 * index} {index % 4 + 1}\n" for index in range(33))


class Surveyed(Protocol):
    """Surveys a folder, with a cache of its own unless one is given."""

    def __call__(
        self,
        root: Path,
        cache: SurveyCache | None = None,
        chosen: SurveySettings = SETTINGS,
        memory: Memory | None = None,
    ) -> Survey: ...


@pytest.fixture(scope="module")
def surveyed(openers: LocalOpeners) -> Surveyed:
    def run(
        root: Path, cache: SurveyCache | None = None, chosen: SurveySettings = SETTINGS, memory: Memory | None = None
    ) -> Survey:
        own = cache or SurveyCache()
        try:
            return survey(root, chosen, own, openers, memory)
        finally:
            if cache is None:
                own.close()

    return run


class Idle:
    """Opens nothing, and fails where it is asked to."""

    def open(self, tracks: Sequence[Track], root: Path, layout: str, cache: SurveyCache) -> Iterator[Inspected]:
        pytest.fail(f"files are opened: {[track.name for track in tracks]}")


def verdicts(found: Survey) -> dict[str, SurveyedFile]:
    files = {file.path: file for file in found.files}
    assert len(files) == len(found.files)
    return files


def test_a_style_with_markup_stays_in_its_row(
    tmp_path: Path, write_tunes: Callable[..., Path], surveyed: Surveyed
) -> None:
    write_tunes(tmp_path / "x", 1)
    (tmp_path / "x" / "jig").rename(tmp_path / "a|b\n*c*")
    row = next(line for line in survey_report.to_markdown(surveyed(tmp_path)).splitlines() if "\\*c" in line)
    assert row.startswith("| a\\|b_\\*c\\* | 1 |")


def test_of_equal_recordings_the_one_with_labels_is_used(
    tmp_path: Path, write_tunes: Callable[..., Path], write_sound: Callable[..., Path], surveyed: Surveyed
) -> None:
    write_tunes(tmp_path, 1)
    write_sound(tmp_path / "a bare copy.wav")
    write_sound(tmp_path / "jig" / "0.wav")
    found = surveyed(tmp_path)
    assert [row.name for row in found.rows] == ["jig/0"]
    assert verdicts(found)["a bare copy.wav"].reason == "the same content as 'jig/0'"


def test_a_meter_that_has_no_token_is_known_before_preparation(
    tmp_path: Path, tune: Callable[..., Score], surveyed: Surveyed
) -> None:
    midi.write(tmp_path / "odd.mid", tune(1, meter=Meter(13, 4)))
    midi.write(tmp_path / "rare.mid", tune(2, meter=Meter(7, 8)))
    assert {row.name: row.composes for row in surveyed(tmp_path).rows} == {"odd": "meter", "rare": ""}


def test_a_changed_file_is_looked_at_again(tmp_path: Path, tune: Callable[..., Score], surveyed: Surveyed) -> None:
    cache = SurveyCache()
    for seed in range(2):
        midi.write(tmp_path / f"{seed}.mid", tune(seed))
    first = surveyed(tmp_path, cache)
    midi.write(tmp_path / "1.mid", tune(7))
    second = surveyed(tmp_path, cache)
    cache.close()
    assert [one.track == other.track for one, other in zip(first.rows, second.rows, strict=True)] == [True, False]


@pytest.mark.parametrize("content", [b"this is no database", b"SQLite format 3\x00" + b"\xff" * 4096])
def test_a_damaged_cache_is_made_anew(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "survey.db").write_bytes(content)
    cache = SurveyCache(tmp_path / "survey.db")
    cache.remember("a", {"b": 1})
    assert cache.facts("a") == {"b": 1}
    cache.close()


@pytest.mark.parametrize("content", ["nothing", "others", "damaged"])
def test_a_folder_without_music_is_accounted_for_and_told_in_words(
    tmp_path: Path, content: str, surveyed: Surveyed
) -> None:
    if content == "others":
        (tmp_path / "README").touch()
    if content == "damaged":
        (tmp_path / "a.mid").touch()
    found = surveyed(tmp_path)
    deserved = {"nothing": [], "others": ["ignored"], "damaged": ["rejected"]}
    assert [file.verdict for file in found.files] == deserved[content]
    assert ("1 × empty" if content == "damaged" else "no recordings and no notes") in found.nothing
    assert survey_report.to_markdown(found)


def test_a_missing_folder_is_refused_in_words(tmp_path: Path, surveyed: Surveyed) -> None:
    with pytest.raises(BadInput, match="no such folder"):
        surveyed(tmp_path / "none")


KINDS = ("tune", "sound", "bad tune", "bad sound", "beats", "bad beats", "other")


@settings(max_examples=25)
@given(contents=st.dictionaries(
    st.tuples(st.sampled_from("abcd"), st.sampled_from(KINDS)), st.integers(0, 3), max_size=14)
)  # fmt: skip
def test_whatever_is_in_the_folder_the_counts_add_up(
    tmp_path_factory: pytest.TempPathFactory,
    contents: dict[tuple[str, str], int],
    tune: Callable[..., Score],
    write_sound: Callable[..., Path],
    surveyed: Surveyed,
) -> None:
    root = tmp_path_factory.mktemp("any")
    midi.write(root / "one.mid", tune(99))
    for (stem, kind), seed in contents.items():
        path = root / f"{stem}.{kind.split()[-1].replace('tune', 'mid').replace('sound', 'wav')}"
        if kind == "tune":
            midi.write(path, tune(seed, bars=1))
        elif kind == "sound":
            write_sound(path, 100 * (seed + 1), seconds=0.05)
        else:
            path.write_text(BEATS if kind == "beats" else "bad")
    found = surveyed(root)
    names = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    assert verdicts(found).keys() == names and sum(found.counts.values()) == len(names)
    assert len(found.rows) == found.counts["used"] == len({row.track for row in found.rows})


def test_a_score_of_many_meters_can_be_composed_from(
    tmp_path: Path, tune: Callable[..., Score], surveyed: Surveyed
) -> None:
    bars = (*(Bar(index * 1920, Meter(4, 4)) for index in range(7)), Bar(7 * 1920, Meter(2, 4)))
    midi.write(tmp_path / "a.mid", Score(tune(1, bars=7).notes, bars, 90.0))
    (row,) = surveyed(tmp_path).rows
    assert (row.composes, row.meter, row.bpm) == ("", "4/4", pytest.approx(90, rel=1e-5))


def write_labelled(root: Path, write_tunes: Callable[..., Path], write_sound: Callable[..., Path]) -> Path:
    """Two tunes and a sound with good beats and bad notes."""
    write_tunes(root, 2)
    write_sound(root / "waltz" / "a.wav", seconds=2)
    (root / "waltz" / "a.mid").write_bytes(b"no midi")
    (root / "waltz" / "a.beats").write_text("0.5 1\n1.0 2\n1.5 1\n")
    return root


def test_a_bad_label_is_put_aside_alone(
    tmp_path: Path, write_tunes: Callable[..., Path], write_sound: Callable[..., Path], surveyed: Surveyed
) -> None:
    found = surveyed(write_labelled(tmp_path, write_tunes, write_sound))
    row = next(row for row in found.rows if row.name == "waltz/a")
    assert (row.notes, row.beats, row.composes) == (None, 3, "no notes")
    assert json.loads(row.files) == {"beats": "waltz/a.beats"}
    assert [(reject.path, reject.stage, reject.reason) for reject in found.rejects] == [
        ("waltz/a.mid", "labels", "not midi")
    ]


def test_a_second_survey_opens_nothing(
    tmp_path: Path, write_tunes: Callable[..., Path], write_sound: Callable[..., Path], surveyed: Surveyed
) -> None:
    root = write_labelled(tmp_path / "corpus", write_tunes, write_sound)
    (root / "cut.wav").write_bytes((root / "waltz" / "a.wav").read_bytes()[:5000])
    cache = SurveyCache(tmp_path / "survey.db")
    first = surveyed(root, cache)
    cache.close()
    cache = SurveyCache(tmp_path / "survey.db")
    assert survey(root, SETTINGS, cache, Idle()) == first
    cache.close()


def test_rehashing_reads_every_file_and_opens_only_what_is_new(
    tmp_path: Path, write_tunes: Callable[..., Path], surveyed: Surveyed
) -> None:
    root = write_tunes(tmp_path / "corpus", 3)
    cache = SurveyCache(tmp_path / "survey.db")
    first = surveyed(root, cache)
    cache.close()
    victim = root / "jig" / "0.mid"
    before = victim.stat()
    content = bytearray(victim.read_bytes())
    place = content.index(b"\x90") + 1
    content[place] ^= 1
    victim.write_bytes(bytes(content))
    os.utime(victim, ns=(before.st_atime_ns, before.st_mtime_ns))
    cache = SurveyCache(tmp_path / "survey.db")
    assert surveyed(root, cache) == first, "same size and time: taken for the same"
    cache.close()
    cache = SurveyCache(tmp_path / "survey.db", trusting=False)
    again = surveyed(root, cache)
    cache.close()
    changed = [row.name for row, old in zip(again.rows, first.rows, strict=True) if row.track != old.track]
    assert changed == ["jig/0"]


def test_an_interrupted_survey_goes_on_where_it_was(
    tmp_path: Path, write_tunes: Callable[..., Path], openers: LocalOpeners
) -> None:
    root = write_tunes(tmp_path / "corpus", 8)
    cache = SurveyCache(tmp_path / "survey.db")

    def interrupt(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        survey(root, SETTINGS, cache, openers, on_progress=interrupt)
    cache.close()
    opened: list[str] = []

    class Counting:
        def open(self, tracks: Sequence[Track], root: Path, layout: str, cache: SurveyCache) -> Iterator[Inspected]:
            opened.extend(track.name for track in tracks)
            return openers.open(tracks, root, layout, cache)

    cache = SurveyCache(tmp_path / "survey.db")
    assert len(survey(root, SETTINGS, cache, Counting()).rows) == 8
    cache.close()
    assert len(opened) <= 4


class Meddling(Guard):
    """A child under whose eyes a file changes or vanishes."""

    def __init__(self, meddle: Callable[[], object]) -> None:
        super().__init__("musegen.inspection:answer")
        self._meddle = meddle

    def ask(self, question: dict[str, Any]) -> dict[str, Any]:
        answer = super().ask(question)
        self._meddle()
        return answer


def test_a_file_that_is_written_while_it_is_read_is_put_aside_until_it_is_complete(
    tmp_path: Path, write_sound: Callable[..., Path]
) -> None:
    path = write_sound(tmp_path / "a.wav")
    (track,) = corpora.loader("folder").find(tmp_path).tracks
    cache = SurveyCache()
    with Meddling(lambda: path.write_bytes(path.read_bytes() + b"more")) as guard:
        item = opening.inspect(track, tmp_path, "folder", cache, guard)
    assert (item.facts, [reject.reason for reject in item.rejects]) == (None, ["changing"])
    write_sound(path)
    with Meddling(lambda: None) as guard:
        assert opening.inspect(track, tmp_path, "folder", cache, guard).facts is not None
    cache.close()


def test_a_label_that_vanishes_under_the_survey_does_not_take_the_recording_along(
    tmp_path: Path, write_tunes: Callable[..., Path], write_sound: Callable[..., Path]
) -> None:
    write_tunes(tmp_path, 1)
    write_sound(tmp_path / "jig" / "0.wav")
    (track,) = corpora.loader("folder").find(tmp_path).tracks
    (tmp_path / "jig" / "0.mid").unlink()
    cache = SurveyCache()
    with Guard("musegen.inspection:answer") as guard:
        item = opening.inspect(track, tmp_path, "folder", cache, guard)
        assert item.facts is not None and [reject.path for reject in item.rejects] == ["jig/0.mid"]
        (tmp_path / "jig" / "0.wav").unlink()
        assert opening.inspect(track, tmp_path, "folder", cache, guard).facts is None
    cache.close()


def test_one_or_three_openers_find_the_same(
    tmp_path: Path, write_tunes: Callable[..., Path], write_sound: Callable[..., Path], surveyed: Surveyed
) -> None:
    root = write_labelled(tmp_path, write_tunes, write_sound)
    for count in (1, 3):
        cache = SurveyCache()
        with LocalOpeners(count) as some:
            assert survey(root, SETTINGS, cache, some) == surveyed(root)
        cache.close()


def test_what_a_person_says_wins_and_only_that_track_is_another(
    tmp_path: Path, write_tunes: Callable[..., Path], surveyed: Surveyed
) -> None:
    write_tunes(tmp_path, 4)
    before = {row.name: row for row in surveyed(tmp_path).rows}
    words = Correction({"style": "Slip Jig", "bpm": 99.0, "title": None, "licence": "CC0"})
    memory = Memory(Edits({before["jig/0"].track: words}))
    after = {row.name: row for row in surveyed(tmp_path, memory=memory).rows}
    changed = {name for name in after if after[name].fingerprint() != before[name].fingerprint()}
    row = after["jig/0"]
    assert changed == {"jig/0"}
    assert (row.style, row.style_confidence, row.bpm, row.licence) == ("slip_jig", 1.0, 99.0, "CC0")
    assert [row.origin(name) for name in ("style", "bpm", "licence", "notes")] == ["human", "human", "human", "file"]


def test_what_was_removed_stays_out_under_any_name(
    tmp_path: Path, write_tunes: Callable[..., Path], surveyed: Surveyed
) -> None:
    write_tunes(tmp_path, 3)
    gone = next(row for row in surveyed(tmp_path).rows if row.name == "jig/0")
    (tmp_path / "jig" / "0.mid").rename(tmp_path / "another name.mid")
    memory = Memory(removed={gone.track: Tombstone(gone.track, gone.name, "2026-01-01", "the composer asked")})
    found = surveyed(tmp_path, memory=memory)
    assert gone.track not in {row.track for row in found.rows}
    file = verdicts(found)["another name.mid"]
    assert file.verdict == "rejected" and file.reason.startswith("removed: ") and "the composer asked" in file.reason


def test_tracks_without_a_licence_are_put_aside_where_one_is_required(
    tmp_path: Path, write_tunes: Callable[..., Path], surveyed: Surveyed
) -> None:
    write_tunes(tmp_path, 3)
    table = "file_name,licence,consent\njig/0.mid,CC0,yes\nreel/1.mid,CC BY 4.0,no\n"
    (tmp_path / "metadata.csv").write_text(table)
    found = surveyed(tmp_path, chosen=SurveySettings(require_licence=True))
    assert [(row.name, row.licence) for row in found.rows] == [("jig/0", "CC0")]
    assert {reject.path: reject.reason for reject in found.rejects} == {
        "jig/2.mid": "no licence",
        "reel/1.mid": "no consent",
    }
    assert len(surveyed(tmp_path).rows) == 2


def test_a_given_split_is_kept_and_versions_across_two_are_told(
    tmp_path: Path, tune: Callable[..., Score], surveyed: Surveyed
) -> None:
    for name, semitones in (("a", 0), ("b", 3)):
        midi.write(tmp_path / f"{name}.mid", tune(1, bars=16).transposed(semitones))
    (tmp_path / "metadata.csv").write_text("file_name,split\na.mid,train\nb.mid,validation\n")
    found = surveyed(tmp_path)
    assert {row.name: row.split for row in found.rows} == {"a": "train", "b": "valid"}
    assert any("versions of one piece" in warning for warning in found.warnings)


def test_given_splits_that_leave_one_out_are_told(
    tmp_path: Path, write_tunes: Callable[..., Path], surveyed: Surveyed
) -> None:
    write_tunes(tmp_path, 3)
    (tmp_path / "metadata.csv").write_text("file_name,split\njig/0.mid,train\nreel/1.mid,train\njig/2.mid,valid\n")
    found = surveyed(tmp_path)
    assert {row.split for row in found.rows} == {"train", "valid"}
    assert any("no track stands in test" in warning for warning in found.warnings)


def test_a_copy_with_another_style_is_told(
    tmp_path: Path, write_tunes: Callable[..., Path], surveyed: Surveyed
) -> None:
    write_tunes(tmp_path, 1)
    (tmp_path / "reel").mkdir()
    (tmp_path / "reel" / "0.mid").write_bytes((tmp_path / "jig" / "0.mid").read_bytes())
    (row,) = surveyed(tmp_path).rows
    assert (row.name, row.style) == ("jig/0", "jig")
    assert any("its copy reel/0 says reel" in warning for warning in row.warning_list())


def test_copies_say_together_what_is_known_and_denied_consent_counts(
    tmp_path: Path, write_sound: Callable[..., Path], surveyed: Surveyed
) -> None:
    for pair, hertz in (("a", 300), ("b", 600)):
        write_sound(tmp_path / f"{pair} 1.wav", hertz)
        write_sound(tmp_path / f"{pair} 2.wav", hertz)
        (tmp_path / f"{pair} 1.beats").write_text("0.1 1\n0.3 2\n")
    table = "file_name,consent,licence\na 2.wav,no,\nb 2.wav,,CC0\n"
    (tmp_path / "metadata.csv").write_text(table)
    found = surveyed(tmp_path)
    assert [(row.name, row.licence) for row in found.rows] == [("b 1", "CC0")]
    assert [(reject.path, reject.reason) for reject in found.rejects] == [("a 1.wav", "no consent")]


def test_labels_beside_a_copy_are_told_apart_from_copies(
    tmp_path: Path, write_sound: Callable[..., Path], surveyed: Surveyed
) -> None:
    write_sound(tmp_path / "p" / "one.wav", seconds=2)
    write_sound(tmp_path / "q" / "two.wav", seconds=2)
    (tmp_path / "p" / "one.beats").write_text("0.5 1\n1.0 2\n1.5 3\n")
    (tmp_path / "p" / "one.bpm").write_text("120")
    (tmp_path / "q" / "two.beats").write_text("0.3 1\n1.2 2\n")
    found = surveyed(tmp_path)
    files = verdicts(found)
    assert files["q/two.wav"].reason == "the same content as 'p/one'"
    assert files["q/two.beats"].reason == "it stands beside a copy of 'p/one', whose labels are used"
    assert any("q/two has others" in warning for warning in found.rows[0].warning_list())


def test_a_version_of_what_was_removed_is_told(tmp_path: Path, tune: Callable[..., Score], surveyed: Surveyed) -> None:
    midi.write(tmp_path / "a.mid", tune(1, bars=16))
    gone = surveyed(tmp_path).rows[0]
    midi.write(tmp_path / "b.mid", tune(1, bars=16).transposed(2))
    memory = Memory(removed={gone.track: Tombstone(gone.track, "a", "2026-01-01", "asked")})
    (row,) = surveyed(tmp_path, memory=memory).rows
    assert (row.name, row.warning_list()) == (
        "b",
        ("it is a version of a, which was removed; remove it as well, or let it stay",),
    )


def test_a_meter_that_the_beats_do_not_have_is_told(
    tmp_path: Path, write_tunes: Callable[..., Path], surveyed: Surveyed
) -> None:
    write_tunes(tmp_path, 1)
    track = surveyed(tmp_path).rows[0].track
    (row,) = surveyed(tmp_path, memory=Memory(Edits({track: Correction({"meter": "7/8"})}))).rows
    assert any("you say 7/8" in warning for warning in row.warning_list())


def test_whoever_stops_a_survey_does_not_wait_for_long_files(tmp_path: Path, write_tunes: Callable[..., Path]) -> None:
    root = write_tunes(tmp_path / "corpus", 3)
    cache = SurveyCache(tmp_path / "survey.db")
    long = tmp_path / "corpus" / "long.flac"
    soundfile.write(long, np.random.default_rng(0).normal(0, 0.1, 8000 * 3600), 8000)

    def interrupt(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with LocalOpeners(2) as openers:
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            survey(root, SETTINGS, cache, openers, on_progress=interrupt)
        assert time.monotonic() - began < 20
        found = survey(root, SETTINGS, cache, openers)
    cache.close()
    assert verdicts(found)["long.flac"].verdict == "used"


@pytest.mark.parametrize("damage", ["middle", "foreign facts", "not writable"])
def test_a_cache_is_never_worth_a_survey(
    tmp_path: Path, write_tunes: Callable[..., Path], surveyed: Surveyed, damage: str
) -> None:
    root = write_tunes(tmp_path / "corpus", 20)
    file = tmp_path / "survey.db"
    cache = SurveyCache(file)
    first = surveyed(root, cache)
    cache.close()
    if damage == "middle":
        content = bytearray(file.read_bytes())
        content[4196:16384] = b"\xff" * (16384 - 4196)
        file.write_bytes(bytes(content))
    elif damage == "foreign facts":
        with sqlite3.connect(file) as database:
            database.execute("UPDATE facts SET json = '{\"x\": 1}'")
        database.close()
    else:
        file.unlink()
        file.mkdir()
    cache = SurveyCache(file)
    again = surveyed(root, cache)
    cache.close()
    assert again.rows == first.rows
    assert bool(cache.troubles) == (damage == "not writable") == bool(again.warnings)
