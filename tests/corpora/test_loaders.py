"""One contract for every corpus layout."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from musegen import corpora
from musegen.corpora import LAYOUTS, Found
from musegen.errors import BadInput, BadParams

BEATS = "".join(f"{0.5 * index} {index % 4 + 1}\n" for index in range(33))
CONTENTS = {
    ".beats": BEATS,
    ".lab": "0 8 C:maj\n8 16 N\n",
    ".bpm": "120\n",
    ".json": json.dumps({"title": "A tune", "key": "D"}),
    ".jams": json.dumps({"annotations": [], "file_metadata": {"title": "A tune"}}),
    ".licence.txt": "CC BY 4.0\n",
    "beat_midi.txt": "".join(f"{0.5 * index} {float(index % 2 == 0)} {float(index % 4 == 0)}\n" for index in range(33)),
    "chord_midi.txt": "0 8 C:maj\n8 16 N\n",
}
DAMAGE = b"\xff\xfe\x00x"


@dataclass(frozen=True)
class Layout:
    """How a corpus of this layout looks: files that make tracks, tables with their content, and files that are none."""

    names: tuple[str, ...]
    tracks: tuple[str, ...]
    ignored: tuple[str, ...]
    tables: tuple[tuple[str, str], ...] = ()
    refused: tuple[str, ...] = ("caf\udce9.mid",)


SIDECARS = ("jig/a.flac", "jig/a.mid", "jig/a.beats", "jig/a.lab", "jig/a.jams", "jig/a.bpm", "jig/a.json",
            "jig/a.LICENCE.txt", "jig/b.MID", "a-b/x.wav", "a/x.ogg", "top.mid", "deep/er/c.d.mid")  # fmt: skip
TRACKS = ("a-b/x", "a/x", "deep/er/c.d", "jig/a", "jig/b", "top")
JUNK = ("jig/a.mp3", "jig/b.midi", "jig/alone.beats", "jig/cover.jpg", ".hidden/a.wav", "jig/.a.wav", "jig/._a.flac",
        "Thumbs.db", "README", "jig/a.txt", "jig/a.flac.asd", "__MACOSX/jig/a.wav", "set.zip")  # fmt: skip
LICENCE = ("LICENSE", "MIT License\n")
PLAIN = Layout(SIDECARS, TRACKS, (*JUNK, "jig/a.csv"), (LICENCE,))

LAYOUTS_HERE = {
    "auto": Layout(SIDECARS, TRACKS, JUNK, (LICENCE, ("metadata.csv", "file_name,genre\njig/a.flac,reel\n"))),
    "folder": PLAIN,
    "table": Layout(
        SIDECARS, TRACKS, (*JUNK, "jig/a.csv"),
        (LICENCE, ("jig/metadata.jsonl", '{"file_name": "b.mid", "title": "B"}\n'),
         ("index.csv", "id\tstyle\nx\tpop\ntop\tpop\nb\tjig\n")),
    ),
    "maestro": Layout(
        ("2004/a.wav", "2004/a.midi"), ("2004/a",), ("index.csv",),
        (("maestro-v3.0.0.csv", "composer,split,midi_filename,audio_filename\nBach,train,2004/a.midi,2004/a.wav\n"),
         ("maestro-v3.0.0.json", '{"split": {"0": "train"}, "midi_filename": {"0": "2004/a.midi"}}')),
    ),
    "groove": Layout(
        ("drummer1/session1/1_funk.mid", "drummer1/session1/1_funk.wav"), ("drummer1/session1/1_funk",), ("index.csv",),
        (("info.csv", "drummer,session,style,bpm,midi_filename,audio_filename\n"
                      "drummer1,s1,funk/groove1,80,drummer1/session1/1_funk.mid,drummer1/session1/1_funk.wav\n"),),
    ),
    "audiocraft": Layout(
        ("wavs/a.wav", "wavs/a.json"), ("wavs/a",), ("index.csv",),
        (("data.jsonl", '{"path": "/home/me/data/wavs/a.wav", "duration": 1.0}\n'),),
    ),
    "pop909": Layout(
        ("001/001.mid", "001/beat_midi.txt", "001/chord_midi.txt", "002.mid", "002.beat_midi.txt"),
        ("001/001", "002"),
        ("003.mid", "001/chord_audio.txt", ".hidden/001.mid", ".hidden/beat_midi.txt", "001/versions/001-v1.mid",
         "index.xlsx"),
        (("index.csv", "id,title\n001,Song\n002,Other\n"), LICENCE),
    ),
}  # fmt: skip


def make(root: Path, layout: Layout) -> Path:
    for name in (*layout.names, *layout.ignored, *layout.refused):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"not to be opened: " + name.encode(errors="surrogateescape"))
    for name, content in layout.tables:
        (root / name).write_text(content)
    (root / "link.mid").symlink_to(root / layout.names[0])
    (root / "broken.mid").symlink_to(root / "nowhere")
    (root / "folder.mid").mkdir()
    (root / "linked folder").symlink_to((root / layout.names[0]).parent)
    return root


def fill(root: Path, layout: Layout, write_tunes: Callable[..., Path], write_sound: Callable[..., Path]) -> None:
    """Put music and labels where the contract had none."""
    tune = next(write_tunes(root.parent / "tunes", 1).rglob("*.mid")).read_bytes()
    for name in layout.names:
        path = root / name
        label = next((content for ending, content in CONTENTS.items() if name.lower().endswith(ending)), None)
        if label is not None:
            path.write_text(label)
        elif path.suffix.lower() in (".mid", ".midi"):
            path.write_bytes(tune)
        else:
            write_sound(path)


def used_by(found: Found) -> list[Path]:
    return [path for track in found.tracks for path in (track.audio, *track.files.values()) if path is not None]


@pytest.fixture(params=sorted(LAYOUTS))
def layout(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_layout_is_under_contract() -> None:
    assert set(LAYOUTS_HERE) == set(LAYOUTS)


def test_an_unknown_layout_is_refused_with_the_choices() -> None:
    with pytest.raises(BadParams, match=r"'wavs'.*auto, folder, table, maestro.*mirdata:NAME"):
        corpora.loader("wavs")


def test_finding_opens_no_recording_and_no_label(tmp_path: Path, layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    here = LAYOUTS_HERE[layout]
    make(tmp_path, here)
    may = {name for name, _ in here.tables}
    opened = Path.open

    def watched(path: Path, *args: object, **kwargs: object) -> object:
        assert path.relative_to(tmp_path).as_posix() in may | {"jig/a.csv", "index.csv"}
        return opened(path, *args, **kwargs)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        for name in ("read_bytes", "read_text"):
            patch.setattr(Path, name, lambda *_, **__: pytest.fail("a file was opened"))
        patch.setattr("builtins.open", lambda *_, **__: pytest.fail("a file was opened"))
        patch.setattr(Path, "open", watched)
        assert corpora.loader(layout).find(tmp_path).tracks


def test_tracks_are_in_order_of_their_names(tmp_path: Path, layout: str) -> None:
    names = [track.name for track in corpora.loader(layout).find(make(tmp_path, LAYOUTS_HERE[layout])).tracks]
    assert names == sorted(names) == list(LAYOUTS_HERE[layout].tracks)


def test_every_file_is_in_exactly_one_place(tmp_path: Path, layout: str) -> None:
    here = LAYOUTS_HERE[layout]
    found = corpora.loader(layout).find(make(tmp_path, here))
    assert sorted(path.relative_to(tmp_path).as_posix() for path in used_by(found)) == sorted(here.names)
    assert [path.relative_to(tmp_path).as_posix() for path in found.tables] == sorted(name for name, _ in here.tables)
    everything = [path for path in tmp_path.rglob("*") if path.is_symlink() or not path.is_dir()]
    assert sorted([*used_by(found), *found.ignored, *found.refused, *found.tables]) == sorted(everything)
    assert all(found.ignored.values())
    assert {path.name for path in found.refused} == {Path(name).name for name in here.refused}
    for name in ("link.mid", "broken.mid", "linked folder"):
        assert "link" in found.ignored[tmp_path / name]


def test_the_same_is_found_wherever_the_corpus_lies(tmp_path: Path, layout: str) -> None:
    first = corpora.loader(layout).find(make(tmp_path / "a", LAYOUTS_HERE[layout]))
    shutil.move(tmp_path / "a", tmp_path / "b c")
    second = corpora.loader(layout).find(tmp_path / "b c")
    told = [[(track.name, track.said, sorted(track.files)) for track in found.tracks] for found in (first, second)]
    assert told[0] == told[1]


def test_a_missing_folder_and_a_file_are_refused(tmp_path: Path, layout: str) -> None:
    (tmp_path / "file").touch()
    for root in (tmp_path / "none", tmp_path / "file"):
        with pytest.raises(BadInput, match="no such folder"):
            corpora.loader(layout).find(root)


def test_an_empty_folder_has_no_tracks(tmp_path: Path, layout: str) -> None:
    assert corpora.loader(layout).find(tmp_path) == Found((), {}, {}, (), ())


def test_every_label_file_is_read_and_the_same_each_time(
    tmp_path: Path, layout: str, write_tunes: Callable[..., Path], write_sound: Callable[..., Path]
) -> None:
    fill(make(tmp_path / "corpus", LAYOUTS_HERE[layout]), LAYOUTS_HERE[layout], write_tunes, write_sound)
    gives = {"midi": "notes", "beats": "beats", "beat_midi": "beats", "chords": "chords", "tempo": "tempo",
             "facts": "title", "licence": "licence", "jams": "title"}  # fmt: skip
    for track in corpora.loader(layout).find(tmp_path / "corpus").tracks:
        reading = corpora.loader(layout).read(track)
        assert {gives[role] for role in track.files} <= reading.sources.keys()
        assert reading.sources.keys() >= reading.labels.known().keys() | reading.said.known().keys()
        assert all((label.origin, label.confidence) == ("file", 1.0) for label in reading.labels.known().values())
        assert corpora.loader(layout).read(track).sources == reading.sources


def test_a_label_file_that_can_not_be_used_is_named(
    tmp_path: Path, layout: str, write_tunes: Callable[..., Path], write_sound: Callable[..., Path]
) -> None:
    root = make(tmp_path / "corpus", LAYOUTS_HERE[layout])
    fill(root, LAYOUTS_HERE[layout], write_tunes, write_sound)
    for track in corpora.loader(layout).find(root).tracks:
        for file in track.files.values():
            content = file.read_bytes()
            for damage in (b"", DAMAGE):
                file.write_bytes(damage)
                with pytest.raises(BadInput) as caught:
                    corpora.loader(layout).read(track)
                assert caught.value.file == file
                assert str(caught.value).startswith(f"{file.name}: ")
            file.write_bytes(content)


def test_a_folder_that_can_not_be_listed_is_refused_and_the_others_are_found(
    tmp_path: Path, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make(tmp_path / "corpus", LAYOUTS_HERE[layout])
    (root / "locked").mkdir()
    listed = os.scandir

    def guarded(path: str) -> object:
        if path.endswith("locked"):
            raise PermissionError(13, "Permission denied", path)
        return listed(path)

    monkeypatch.setattr("os.scandir", guarded)
    found = corpora.loader(layout).find(root)
    assert [track.name for track in found.tracks] == list(LAYOUTS_HERE[layout].tracks)
    assert "can't be listed (Permission denied)" in str(found.refused[root / "locked"])
    with pytest.raises(BadInput, match="can't be listed"):
        corpora.loader(layout).find(root / "locked")
