"""Tags, written by libsndfile and by hand."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from musegen.corpora import tags
from musegen.track import Said


def write(path: Path, **words: str) -> Path:
    form = {"format": "OGG", "subtype": "OPUS"} if path.suffix == ".opus" else {}
    with soundfile.SoundFile(path, "w", 8000, 1, **form) as file:
        for name, value in words.items():
            setattr(file, name, value)
        file.write(np.zeros(800))
    return path


def with_id3(path: Path, **frames: str) -> Path:
    """Put an ID3v2.3 tag before the sound."""
    body = b""
    for name, text in frames.items():
        content = text.encode("latin-1") if name.startswith("W") else b"\x01" + text.encode("utf-16")
        body += name.encode() + len(content).to_bytes(4) + b"\0\0" + content
    size = bytes(len(body) >> shift & 0x7F for shift in (21, 14, 7, 0))
    path.write_bytes(b"ID3\x03\0\0" + size + body + write(path).read_bytes())
    return path


@pytest.mark.parametrize("suffix", [".flac", ".ogg", ".opus"])
def test_vorbis_comments_say_who_and_what(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"a{suffix}", title="Tüne", artist="Ann", genre="Slip Jig", license="CC-BY 4.0")
    assert tags.read(path) == Said("tags", style="Slip Jig", title="Tüne", artist="Ann", licence="CC BY 4.0")


def test_riff_info_says_who_and_what(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", title="Tune", artist="Ann", genre="jig")
    assert tags.read(path) == Said("tags", style="jig", title="Tune", artist="Ann")


def test_id3_says_who_what_and_how_fast(tmp_path: Path) -> None:
    path = with_id3(tmp_path / "a.mp3", TIT2="Tüne", TPE1="Ann", TCON="(17)Rock/Pop", TBPM="128", TKEY="F#m",
                    WCOP="https://creativecommons.org/licenses/by-sa/4.0/")  # fmt: skip
    said = tags.read(path)
    assert (said.title, said.artist, said.bpm, said.key, said.licence) == ("Tüne", "Ann", 128, "F#m", "CC BY-SA 4.0")
    assert said.style is not None and said.style.lower() == "rock"


def test_a_copyright_notice_is_no_licence_unless_it_names_one(tmp_path: Path) -> None:
    assert tags.read(write(tmp_path / "a.flac", copyright="2019 A Label. All rights reserved")).licence is None
    assert tags.read(write(tmp_path / "b.flac", copyright="2019 Ann, CC BY 4.0")).licence == "CC BY 4.0"


def test_a_licence_tag_that_denies_one_is_none(tmp_path: Path) -> None:
    assert not tags.read(write(tmp_path / "a.flac", license="All rights reserved")).licence
    assert tags.read(write(tmp_path / "b.flac", license="?", copyright="CC BY 4.0")).licence == "CC BY 4.0"


def test_what_taggers_write_into_empty_fields_says_nothing(tmp_path: Path) -> None:
    path = with_id3(tmp_path / "a.mp3", TCON="Other", TBPM="0", TIT2=" ", TKEY="sideways")
    assert tags.read(path) == Said("tags")


@pytest.mark.parametrize("name", ["a.flac", "a.mp3", "a.wav", "a.ogg", "a.m4a", "a.unknown"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"ID3\x03\0\0\x7f\x7f\x7f\x7f",
        b"OggS" + b"\xff" * 50,
        b"fLaC" + b"\xff" * 50,
        b"RIFF\xff\xff\xff\xffWAVELIST\xff\xff\xff\xffINFO",
    ],
)
def test_damaged_tags_say_nothing(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert tags.read(tmp_path / name) == Said("tags")


def test_a_file_that_is_gone_says_nothing(tmp_path: Path) -> None:
    assert tags.read(tmp_path / "a.mp3") == Said("tags")
