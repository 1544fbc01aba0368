"""What lies in people's folders besides music: links, pipes, system files, names."""

import os
import socket
import tempfile
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen import corpora
from musegen.corpora import names

FOLDER = corpora.loader("folder")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("._song.wav", "AppleDouble"),
        (".DS_Store", "system file of macOS"),
        (".song.wav", "hidden"),
        (".git/objects/ab.wav", "hidden folder"),
        ("Thumbs.db", "system file of Windows"),
        ("Desktop.ini", "system file of Windows"),
        ("__MACOSX/song.wav", "__MACOSX"),
        ("@eaDir/song.wav/x.mp3", "Synology"),
        ("$RECYCLE.BIN/song.wav", "recycle bin"),
        ("song.wav.part", "unfinished"),
        ("song.wav.crdownload", "unfinished"),
        ("song.tmp", "unfinished"),
        ("song.mid~", "backup"),
        ("~$list.docx", "backup"),
        ("song.wav.asd", "analysis file of a DAW"),
        ("song.wav.reapeaks", "analysis file of a DAW"),
        ("song.als", "project of a DAW"),
        ("songs.zip", "archive; unpack it"),
        ("cover.JPG", "picture"),
        ("all.m3u", "playlist"),
        ("tracks.xlsx", "a spreadsheet; export it as CSV"),
        ("table.csv", "no column that names files"),
        ("song.txt", "neither audio nor a label"),
        ("song", "neither audio nor a label"),
        ("song.beats", "label without a recording"),
        ("package.json", "label without a recording"),
        ("song.LICENCE.txt", "label without a recording"),
        ("sub/LICENSE", "folder without tracks"),
    ],
)
def test_what_is_no_music_is_ignored_for_a_reason(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).touch()
    found = FOLDER.find(tmp_path)
    assert not found.tracks and not found.refused
    assert reason in found.ignored[tmp_path / name]


def test_every_link_says_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.wav").touch()
    root = tmp_path / "corpus"
    (root / "folder").mkdir(parents=True)
    (root / ".annex").mkdir()
    (root / "blobs").mkdir()
    for name in ("song.wav", ".annex/object", "blobs/0123abcd", "table.csv"):
        (root / name).touch()
    targets = {
        "out.wav": ("../elsewhere.wav", "leads out of the corpus"),
        "sibling.wav": (str(tmp_path / "corpus-2"), "leads nowhere"),
        "nowhere.wav": ("none.wav", "leads nowhere"),
        "loop.wav": ("loop.wav", "can't be followed"),
        "inside.wav": ("song.wav", "a link to song.wav, which is in the corpus itself"),
        "cached.wav": (
            "blobs/0123abcd",
            "a link to a file whose name has no ending of music; put the file itself here",
        ),
        "more.csv": ("table.csv", "a link to table.csv, which is in the corpus itself"),
        "annexed.wav": (".annex/object", "link to a hidden file"),
        "folder/up": ("..", "link to a folder of the corpus"),
        "folder/out": ("../..", "leads out of the corpus"),
    }
    for name, (target, _) in targets.items():
        (root / name).symlink_to(target)
    found = FOLDER.find(root)
    assert [track.name for track in found.tracks] == ["song"]
    for name, (_, reason) in targets.items():
        assert reason in found.ignored[root / name]


def test_a_corpus_behind_a_link_is_a_corpus(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.wav").touch()
    (tmp_path / "link").symlink_to("real")
    assert [track.audio for track in FOLDER.find(tmp_path / "link").tracks] == [tmp_path / "link" / "a.wav"]


def test_pipes_and_sockets_that_claim_to_be_music_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "a.wav")
    os.mkfifo(tmp_path / "b.beats")
    os.mkfifo(tmp_path / "plain")
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("c.mid")
        found = FOLDER.find(tmp_path)
    assert {path.name: error.reason for path, error in found.refused.items()} == dict.fromkeys(
        ("a.wav", "b.beats", "c.mid"), "not a file"
    )
    assert "a socket" in str(found.refused[tmp_path / "c.mid"])
    assert "not a regular file" in found.ignored[tmp_path / "plain"]
    assert not found.tracks


def test_names_in_other_encodings_are_refused_where_they_would_be_music(tmp_path: Path) -> None:
    (tmp_path / "caf\udce9").mkdir()
    for name in ("caf\udce9.wav", "caf\udce9/song.mid", "caf\udce9.txt"):
        (tmp_path / name).touch()
    found = FOLDER.find(tmp_path)
    assert not found.tracks
    assert {path.name for path in found.refused} == {"caf\udce9.wav", "song.mid"}
    assert {error.reason for error in found.refused.values()} == {"bad name"}
    assert str(found.refused[tmp_path / "caf\udce9.wav"]) == "its name or its folder's is not UTF-8; rename it"
    assert "not UTF-8" in found.ignored[tmp_path / "caf\udce9.txt"]


def test_the_longest_and_the_strangest_names_are_names(tmp_path: Path) -> None:
    strange = ("a" * 251 + ".wav", "line\nbreak.wav", "日本 🎵.wav", " .wav", "a.b.c.wav", "'\"*?<>|.wav", "\u202e.wav")
    for name in strange:
        (tmp_path / name).touch()
    assert sorted(f"{track.name}.wav" for track in FOLDER.find(tmp_path).tracks) == sorted(strange)


def test_folders_hundreds_deep_are_no_trouble(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(300):
        deep /= "x"
        deep.mkdir()
    (deep / "a.wav").touch()
    assert [track.name.count("/") for track in FOLDER.find(tmp_path).tracks] == [300]


@pytest.mark.parametrize(
    ("folder", "style"),
    [
        ("jig", "jig"), ("Slip Jig", "Slip Jig"), ("", None), ("- _", None), ("rock/disc 1", "rock"),
        ("rock/CD2", "rock"), ("rock/audio/train", "rock"),
        ("wav", None), ("1999", None), ("music/Songs", None), ("data/jazz/midi", "jazz"),
        ("drum and bass", "drum and bass"), ("2step", "2step"), ("funk/session3/drummer10", "funk"), ("日本", "日本"),
        ("trance", "trance"), ("tracks", None), ("disco", "disco"), ("New Folder", None),
    ],
)  # fmt: skip
def test_a_folder_is_a_style_unless_it_says_nothing(folder: str, style: str | None) -> None:
    assert names.style_of(folder) == style


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("a.wav", ("a", "audio")), ("a.FLAC", ("a", "audio")), ("a.b.mid", ("a.b", "midi")), ("a.abc", ("a", "score")),
        ("a.beats", ("a", "beats")), ("a.beats.csv", ("a", "beats")), ("a.Beats.TXT", ("a", "beats")),
        ("a.lab", ("a", "chords")), ("a.bpm", ("a", "tempo")), ("a.LICENSE.txt", ("a", "licence")),
        ("a.csv", None), ("a.txt", None), ("LICENSE.txt", None), ("a", None), (".wav", None),
    ],
)  # fmt: skip
def test_the_ending_says_which_part_a_file_plays(name: str, part: tuple[str, str] | None) -> None:
    assert names.part_of(name) == part


def test_names_are_alike_whatever_their_case_and_unicode_form() -> None:
    assert names.folded("CAFÉ") == names.folded(unicodedata.normalize("NFD", "café"))
    assert names.folded("a") != names.folded("á")


NAMES = st.sampled_from(
    ["a.wav", "A.WAV", "a.mp3", "a.mid", "a.beats", "a.lab", "a.json", "a.LICENCE.txt", "b.abc", "caf\u00e9.wav",
     "cafe\u0301.mid", "x\udcff.wav", "metadata.csv", "LICENSE", "._a.wav", ".x", "a.txt", "a.csv", "info.csv",
     "data.jsonl", "beat_midi.txt", "001.beat_midi.txt", "001.mid", "maestro.json", "a.wav~", "no suffix",
     "line\nbreak.wav"]
)  # fmt: skip
CONTENT = st.sampled_from(
    [
        b"",
        b"file_name,style\na.wav,jig\n",
        b'{"file": "a.wav"}\n',
        b"\0\xff",
        b"id;title\na;b\n",
        b"CC0",
        b"{",
        b"a,b\n1\n",
    ]
)
FOLDERS = st.sampled_from(["", "jig/", "jig/deep/", ".hidden/", "train/", "__MACOSX/", "bad\udcfe/"])


@settings(max_examples=60)
@given(files=st.dictionaries(st.tuples(FOLDERS, NAMES), CONTENT, max_size=25), layout=st.sampled_from(corpora.LAYOUTS))
def test_whatever_lies_there_each_file_is_in_exactly_one_place(
    files: dict[tuple[str, str], bytes], layout: str
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for (inside, name), content in files.items():
            (root / inside).mkdir(parents=True, exist_ok=True)
            (root / inside / name).write_bytes(content)
        found = corpora.loader(layout).find(root)
        used = [path for track in found.tracks for path in (track.audio, *track.files.values()) if path]
        placed = [*used, *found.ignored, *found.refused, *found.tables]
        assert sorted(placed) == sorted(root / inside / name for inside, name in files)
        assert len({track.name for track in found.tracks}) == len(found.tracks)
