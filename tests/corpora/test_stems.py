"""Which files belong together."""

import unicodedata
from pathlib import Path

import pytest

from musegen import corpora
from musegen.corpora import Found

FOLDER = corpora.loader("folder")


def find(root: Path, *names: str) -> Found:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return FOLDER.find(root)


def parts(found: Found) -> dict[str, set[str]]:
    """Names of files by track."""
    return {
        track.name: {path.name for path in (track.audio, *track.files.values()) if path is not None}
        for track in found.tracks
    }


def test_lossless_sound_is_better_and_one_file_a_role_is_used(tmp_path: Path) -> None:
    found = find(tmp_path, "a.mp3", "a.wav", "a.ogg", "a.midi", "a.mid", "a.tempo", "a.bpm", "a.mxl", "a.musicxml")
    assert parts(found) == {"a": {"a.wav", "a.mid", "a.bpm", "a.musicxml"}}
    assert found.ignored[tmp_path / "a.mp3"] == "a.wav stands for the audio of this track; remove that to have this one"
    assert (
        found.ignored[tmp_path / "a.tempo"] == "a.bpm stands for the tempo of this track; remove that to have this one"
    )


def test_notes_without_a_recording_are_tracks_and_labels_alone_are_not(tmp_path: Path) -> None:
    found = find(tmp_path, "a.mid", "a.beats", "b.abc", "c.lab", "c.json")
    assert parts(found) == {"a": {"a.mid", "a.beats"}, "b": {"b.abc"}}
    assert {path.name for path in found.ignored} == {"c.lab", "c.json"}


def test_a_text_beside_a_recording_is_ignored_with_advice(tmp_path: Path) -> None:
    found = find(tmp_path, "a.wav", "a.txt", "b.txt")
    assert "name it .beats" in found.ignored[tmp_path / "a.txt"]
    assert found.ignored[tmp_path / "b.txt"] == "neither audio nor a label file"


def test_the_same_stem_in_another_folder_is_another_track(tmp_path: Path) -> None:
    assert set(parts(find(tmp_path, "x/a.wav", "y/a.mid"))) == {"x/a", "y/a"}


@pytest.mark.parametrize(
    "names",
    [
        ("Song.WAV", "song.mid", "SONG.beats"),
        ("caf\u00e9.wav", unicodedata.normalize("NFD", "caf\u00e9.mid"), "Cafe\u0301.lab"),
        ("Song.mid", "song.abc", "SONG.json"),
    ],
)
def test_names_that_differ_by_case_or_unicode_form_belong_together_where_only_one_is_meant(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    found = find(tmp_path, *names)
    assert parts(found) == {Path(names[0]).stem: set(names)}
    assert not found.warnings


def test_two_recordings_that_differ_by_case_stay_apart_with_a_warning(tmp_path: Path) -> None:
    found = find(tmp_path, "A.wav", "a.wav", "a.mid", "A.beats")
    assert parts(found) == {"A": {"A.wav", "A.beats"}, "a": {"a.wav", "a.mid"}}
    assert len(found.warnings) == 1 and "A and a: names that differ by case" in found.warnings[0]


def test_a_label_that_two_recordings_could_have_is_left_out(tmp_path: Path) -> None:
    found = find(tmp_path, "SONG.wav", "song.wav", "Song.beats")
    assert parts(found) == {"SONG": {"SONG.wav"}, "song": {"song.wav"}}
    assert "label without a recording" in found.ignored[tmp_path / "Song.beats"]


def test_an_exact_name_goes_before_one_of_another_case(tmp_path: Path) -> None:
    found = find(tmp_path, "song.wav", "song.beats", "SONG.beats")
    assert parts(found) == {"song": {"song.wav", "song.beats"}}
    assert (tmp_path / "SONG.beats") in found.ignored
