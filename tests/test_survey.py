"""Every file of a corpus has one verdict, and no file ends it."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen import audio, inspection, midi, survey_cache
from musegen.corpora import LOADERS
from musegen.errors import BadInput
from musegen.score import Bar, Score
from musegen.survey import Survey, SurveyedFile, SurveySettings, survey
from musegen.survey_cache import SurveyCache
from musegen.theory import Meter

SETTINGS = SurveySettings()
BEATS = "".join(f"{0.5 * index} {index % 4 + 1}\n" for index in range(33))


def surveyed(root: Path, cache: SurveyCache | None = None, chosen: SurveySettings = SETTINGS) -> Survey:
    own = cache or SurveyCache()
    try:
        return survey(root, chosen, own)
    finally:
        if cache is None:
            own.close()


def verdicts(found: Survey) -> dict[str, SurveyedFile]:
    files = {file.path: file for file in found.files}
    assert len(files) == len(found.files)
    return files


def damaged_sounds(folder: Path, write_sound: Callable[..., Path]) -> dict[str, str]:
    """Recordings that can't be used, and the reason of each."""
    for suffix in ("wav", "flac", "ogg", "aiff"):
        path = write_sound(folder / f"cut.{suffix}", seconds=4)
        path.rename(folder / f"cut {suffix}.{suffix}")
        whole = (folder / f"cut {suffix}.{suffix}").read_bytes()
        (folder / f"cut {suffix}.{suffix}").write_bytes(whole[: len(whole) // 2])
    write_sound(folder / "silent.wav", level=0.0)
    write_sound(folder / "no frames.wav", seconds=0)
    (folder / "no bytes.flac").touch()
    (folder / "text.mp3").write_text("not a song")
    soundfile.write(folder / "nan.wav", np.array([0.1, np.nan, 0.2]), 8000, subtype="FLOAT")
    soundfile.write(folder / "infinite.wav", np.array([0.1, np.inf, 0.2]), 8000, subtype="FLOAT")
    return {
        "cut wav.wav": "truncated",
        "cut flac.flac": "not audio",
        "cut ogg.ogg": "truncated",
        "cut aiff.aiff": "truncated",
        "silent.wav": "silent",
        "no frames.wav": "empty",
        "no bytes.flac": "not audio",
        "text.mp3": "not audio",
        "nan.wav": "not finite",
        "infinite.wav": "not finite",
    }


@pytest.fixture(scope="module")
def messy(
    tmp_path_factory: pytest.TempPathFactory, write_tunes: Callable[..., Path], write_sound: Callable[..., Path]
) -> tuple[Path, dict[str, str]]:
    """A folder with everything in it, and the verdict that each file deserves."""
    root = write_tunes(tmp_path_factory.mktemp("messy"), 6)
    tune = (root / "jig" / "0.mid").read_bytes()
    expected = {f"{('jig', 'reel')[seed % 2]}/{seed}.mid": "used" for seed in range(6)}
    for name in damaged_sounds(root, write_sound):
        expected[name] = "rejected"
    sounds = {"plain.wav": 100, "mine/ünï ✓.flac": 200, "mine/two\nlines.ogg": 300, "mine/<b>|`x`.wav": 400,
              "labelled/a.wav": 500, "labelled/bad.wav": 600, "labelled/half.wav": 700, "copy/a.wav": 500}  # fmt: skip
    for name, hertz in sounds.items():
        write_sound(root / name, hertz)
        expected[name] = "used"
    files = {
        "labelled/a.mid": (tune[:-1] + b"\x00", "label"), "labelled/a.beats": (BEATS.encode(), "label"),
        "labelled/bad.mid": (b"no midi", "rejected"), "labelled/bad.beats": (b"one two", "rejected"),
        "labelled/half.mid": (b"", "rejected"), "labelled/half.beats": (BEATS.encode(), "label"),
        "again.mid": (tune, "used"), "again.beats": (BEATS.encode(), "label"), "cover.jpg": (b"jpg", "ignored"),
        "lonely.beats": (BEATS.encode(), "ignored"), "plain.mp3": (b"second choice", "ignored"),
        ".DS_Store": (b"", "ignored"), "no suffix": (b"", "ignored"), "silent.mid": (tune + b" ", "ignored"),
    }  # fmt: skip
    for name, (content, verdict) in files.items():
        (root / name).write_bytes(content)
        expected[name] = verdict
    expected["copy/a.wav"], expected["link.mid"] = "duplicate", "ignored"
    expected["jig/0.mid"] = "duplicate"  # of equal ones the one with more labels is used
    (root / "link.mid").symlink_to(root / "jig" / "0.mid")
    return root, expected


def test_every_file_has_the_verdict_it_deserves(messy: tuple[Path, dict[str, str]]) -> None:
    root, expected = messy
    found = surveyed(root)
    assert {path: file.verdict for path, file in verdicts(found).items()} == expected
    assert found.counts == {**dict.fromkeys(found.counts, 0), **Counter(expected.values())}
    assert len(set(expected.values())) == len(found.counts)


def test_what_is_not_used_says_why(messy: tuple[Path, dict[str, str]]) -> None:
    found = surveyed(messy[0])
    assert all(file.reason for file in found.files if file.verdict not in ("used", "label"))
    assert {reject.path for reject in found.rejects} == {f.path for f in found.files if f.verdict == "rejected"}
    assert all(reject.detail and reject.reason and reject.stage in ("audio", "labels") for reject in found.rejects)


def test_the_survey_is_json_and_markdown_whatever_the_files_are_called(messy: tuple[Path, dict[str, str]]) -> None:
    found = surveyed(messy[0])
    files = json.loads(json.dumps([asdict(file) for file in found.files], allow_nan=False))
    assert [file["path"] for file in files] == sorted(file.path for file in found.files)
    text = found.to_markdown()
    assert "rejected: nan.wav" in text and "<b>" not in text.replace("\\<b>", "")


def test_a_style_with_markup_stays_in_its_row(tmp_path: Path, write_tunes: Callable[..., Path]) -> None:
    write_tunes(tmp_path / "x", 1)
    (tmp_path / "x" / "jig").rename(tmp_path / "a|b\n*c*")
    row = next(line for line in surveyed(tmp_path).to_markdown().splitlines() if "\\*c" in line)
    assert row.startswith("| a\\|b_\\*c\\* | 1 |")


def test_damaged_sounds_are_rejected_with_their_reasons(tmp_path: Path, write_sound: Callable[..., Path]) -> None:
    expected = damaged_sounds(tmp_path, write_sound)
    write_sound(tmp_path / "good.wav")
    found = surveyed(tmp_path)
    assert {reject.path: reject.reason for reject in found.rejects} == expected
    assert [row.name for row in found.rows] == ["good"]


@pytest.mark.parametrize("said", [0xFFFFFFFF, 0x7FFFFFFF])
def test_a_wav_written_through_a_pipe_is_not_taken_for_cut(
    tmp_path: Path, write_sound: Callable[..., Path], said: int
) -> None:
    path = write_sound(tmp_path / "piped.wav")
    content = bytearray(path.read_bytes())
    content[4:8] = said.to_bytes(4, "little")
    path.write_bytes(bytes(content))
    assert surveyed(tmp_path).counts["used"] == 1


@pytest.mark.parametrize("suffix", ["wav", "aiff", "ogg", "flac"])
@settings(max_examples=25)
@given(share=st.floats(0.3, 0.98))
def test_a_cut_recording_is_never_used(
    tmp_path_factory: pytest.TempPathFactory, write_sound: Callable[..., Path], suffix: str, share: float
) -> None:
    path = write_sound(tmp_path_factory.mktemp("cut") / f"a.{suffix}", seconds=3)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(BadInput, match=r"truncated|not audio|empty"):
        surveyed(path.parent)


def test_a_bad_label_is_put_aside_alone(messy: tuple[Path, dict[str, str]]) -> None:
    rows = {row.name: row for row in surveyed(messy[0]).rows}
    assert rows["labelled/bad"].notes is None and rows["labelled/bad"].notes_file is None
    assert (rows["labelled/half"].notes, rows["labelled/half"].beats) == (None, 33)
    assert rows["labelled/half"].composes == "no notes"
    assert rows["labelled/a"].composes == ""


def test_of_equal_recordings_the_one_with_labels_is_used(
    tmp_path: Path, write_tunes: Callable[..., Path], write_sound: Callable[..., Path]
) -> None:
    write_tunes(tmp_path, 1)
    write_sound(tmp_path / "a bare copy.wav")
    write_sound(tmp_path / "jig" / "0.wav")
    found = surveyed(tmp_path)
    assert [row.name for row in found.rows] == ["jig/0"]
    assert verdicts(found)["a bare copy.wav"].reason == "the same content as jig/0"


def test_a_label_that_vanishes_under_the_survey_does_not_take_the_recording_along(
    tmp_path: Path, write_tunes: Callable[..., Path], write_sound: Callable[..., Path]
) -> None:
    write_tunes(tmp_path, 1)
    write_sound(tmp_path / "jig" / "0.wav")
    (track,) = LOADERS["folder"].find(tmp_path).tracks
    (tmp_path / "jig" / "0.mid").unlink()
    cache = SurveyCache()
    item = inspection.inspect(track, tmp_path, "folder", cache)
    assert item.facts is not None and [reject.path for reject in item.rejects] == ["jig/0.mid"]
    (tmp_path / "jig" / "0.wav").unlink()
    assert inspection.inspect(track, tmp_path, "folder", cache).facts is None
    cache.close()


def test_a_meter_that_has_no_token_is_known_before_preparation(tmp_path: Path, tune: Callable[..., Score]) -> None:
    midi.write(tmp_path / "odd.mid", tune(1, meter=Meter(13, 4)))
    midi.write(tmp_path / "rare.mid", tune(2, meter=Meter(7, 8)))
    assert {row.name: row.composes for row in surveyed(tmp_path).rows} == {"odd": "meter", "rare": ""}


def test_a_second_survey_opens_nothing(
    messy: tuple[Path, dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = SurveyCache(tmp_path / "survey.db")
    first = surveyed(messy[0], cache)
    cache.close()
    with monkeypatch.context() as patch:
        for owner, name in ((audio, "check"), (midi, "read"), (survey_cache.hashlib, "file_digest")):
            patch.setattr(owner, name, lambda *_, **__: pytest.fail("a file was opened"))
        cache = SurveyCache(tmp_path / "survey.db")
        assert surveyed(messy[0], cache) == first
        cache.close()


def test_a_changed_file_is_looked_at_again(tmp_path: Path, tune: Callable[..., Score]) -> None:
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


def test_one_or_four_threads_find_the_same(messy: tuple[Path, dict[str, str]]) -> None:
    for threads in (1, 4):
        cache = SurveyCache()
        assert survey(messy[0], SETTINGS, cache, threads=threads) == surveyed(messy[0])
        cache.close()


@pytest.mark.parametrize("content", ["nothing", "others", "damaged"])
def test_a_folder_without_music_is_refused_in_words(tmp_path: Path, content: str) -> None:
    if content == "others":
        (tmp_path / "README").touch()
    if content == "damaged":
        (tmp_path / "a.mid").touch()
    words = "1 × not midi" if content == "damaged" else "no audio and no MIDI files"
    with pytest.raises(BadInput, match=words):
        surveyed(tmp_path)


def test_a_missing_folder_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such folder"):
        surveyed(tmp_path / "none")


def test_notes_that_outlast_the_sound_are_warned_of(tmp_path: Path, write_tunes: Callable[..., Path],
                                                    write_sound: Callable[..., Path]) -> None:  # fmt: skip
    write_tunes(tmp_path, 1)
    write_sound(tmp_path / "jig" / "0.wav", seconds=1)
    (file,) = [file for file in surveyed(tmp_path).files if file.verdict == "used"]
    assert any("notes go on 15.0 s" in warning for warning in file.warnings)


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


def test_a_score_of_many_meters_can_be_composed_from(tmp_path: Path, tune: Callable[..., Score]) -> None:
    bars = (*(Bar(index * 1920, Meter(4, 4)) for index in range(7)), Bar(7 * 1920, Meter(2, 4)))
    midi.write(tmp_path / "a.mid", Score(tune(1, bars=7).notes, bars, 90.0))
    (row,) = surveyed(tmp_path).rows
    assert (row.composes, row.meter, row.bpm) == ("", "4/4", pytest.approx(90, rel=1e-5))
