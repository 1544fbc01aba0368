"""One contract for every corpus layout."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from musegen.corpora import LOADERS
from musegen.errors import BadInput

BEATS = "".join(f"{0.5 * index} {index % 4 + 1}\n" for index in range(33))
BEATS_909 = "".join(f"{0.5 * index} {float(index % 2 == 0)} {float(index % 4 == 0)}\n" for index in range(33))


@dataclass(frozen=True)
class Layout:
    """How a corpus of this layout looks: files that make tracks, and files that are none."""

    names: tuple[str, ...]
    tracks: tuple[str, ...]
    ignored: tuple[str, ...]


LAYOUTS = {
    "folder": Layout(
        ("jig/a.flac", "jig/a.mid", "jig/a.beats", "jig/b.MID", "a-b/x.wav", "a/x.ogg", "top.mid", "deep/er/c.d.mid"),
        ("a-b/x", "a/x", "deep/er/c.d", "jig/a", "jig/b", "top"),
        ("jig/a.mp3", "jig/b.midi", "jig/alone.beats", "jig/cover.jpg", ".hidden/a.wav", "jig/.a.wav", "Thumbs.db",
         "README", "caf\udce9.wav"),
    ),
    "pop909": Layout(
        ("001/001.mid", "001/beat_midi.txt", "002.mid", "002.beat_midi.txt"),
        ("001/001", "002"),
        ("003.mid", "001/chord_midi.txt", ".hidden/001.mid", ".hidden/beat_midi.txt", "caf\udce9.mid"),
    ),
}  # fmt: skip


def make(root: Path, layout: Layout) -> Path:
    for name in (*layout.names, *layout.ignored):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"not to be opened: " + name.encode(errors="surrogateescape"))
    (root / "link.mid").symlink_to(root / layout.names[0])
    (root / "broken.mid").symlink_to(root / "nowhere")
    (root / "folder.mid").mkdir()
    (root / "linked folder").symlink_to((root / layout.names[0]).parent)
    return root


def fill(root: Path, layout: Layout, write_tunes: Callable[..., Path], write_sound: Callable[..., Path]) -> None:
    """Put music where the contract had none."""
    tune = next(write_tunes(root.parent / "tunes", 1).rglob("*.mid")).read_bytes()
    for name in layout.names:
        path = root / name
        if path.suffix.lower() == ".mid":
            path.write_bytes(tune)
        elif path.suffix == ".beats":
            path.write_text(BEATS)
        elif path.suffix == ".txt":
            path.write_text(BEATS_909)
        else:
            write_sound(path)


@pytest.fixture(params=sorted(LOADERS))
def layout(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_layout_is_under_contract() -> None:
    assert LAYOUTS.keys() == LOADERS.keys()


def test_finding_opens_nothing(tmp_path: Path, layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, LAYOUTS[layout])
    with monkeypatch.context() as patch:
        for name in ("open", "read_bytes", "read_text"):
            patch.setattr(Path, name, lambda *_, **__: pytest.fail("a file was opened"))
        patch.setattr("builtins.open", lambda *_, **__: pytest.fail("a file was opened"))
        assert LOADERS[layout].find(tmp_path).tracks


def test_tracks_are_in_order_of_their_names(tmp_path: Path, layout: str) -> None:
    names = [track.name for track in LOADERS[layout].find(make(tmp_path, LAYOUTS[layout])).tracks]
    assert names == sorted(names) == list(LAYOUTS[layout].tracks)


def test_every_file_is_audio_or_a_label_or_ignored_for_a_reason(tmp_path: Path, layout: str) -> None:
    found = LOADERS[layout].find(make(tmp_path, LAYOUTS[layout]))
    used = [path for track in found.tracks for path in (track.audio, *track.files.values()) if path is not None]
    assert sorted(path.relative_to(tmp_path).as_posix() for path in used) == sorted(LAYOUTS[layout].names)
    everything = [path for path in tmp_path.rglob("*") if path.is_symlink() or not path.is_dir()]
    assert sorted([*used, *found.ignored]) == sorted(everything)
    assert all(found.ignored.values())
    for name in ("link.mid", "broken.mid", "linked folder"):
        assert "link" in found.ignored[tmp_path / name]


def test_a_missing_folder_and_a_file_are_refused(tmp_path: Path, layout: str) -> None:
    (tmp_path / "file").touch()
    for root in (tmp_path / "none", tmp_path / "file"):
        with pytest.raises(BadInput, match="no such folder"):
            LOADERS[layout].find(root)


def test_an_empty_folder_has_no_tracks(tmp_path: Path, layout: str) -> None:
    found = LOADERS[layout].find(tmp_path)
    assert (found.tracks, dict(found.ignored)) == ((), {})


def test_every_label_file_is_read(
    tmp_path: Path, layout: str, write_tunes: Callable[..., Path], write_sound: Callable[..., Path]
) -> None:
    fill(make(tmp_path / "corpus", LAYOUTS[layout]), LAYOUTS[layout], write_tunes, write_sound)
    for track in LOADERS[layout].find(tmp_path / "corpus").tracks:
        labels = LOADERS[layout].read(track)
        assert track.files.keys() <= labels.known().keys()
        assert all((label.origin, label.confidence) == ("file", 1.0) for label in labels.known().values())


def test_a_label_file_that_can_not_be_used_is_named(
    tmp_path: Path, layout: str, write_tunes: Callable[..., Path], write_sound: Callable[..., Path]
) -> None:
    root = make(tmp_path / "corpus", LAYOUTS[layout])
    fill(root, LAYOUTS[layout], write_tunes, write_sound)
    for track in LOADERS[layout].find(root).tracks:
        for file in track.files.values():
            content = file.read_bytes()
            for damage in (b"", b"\xff\xfe", b"1 2 3\n4 x 6\n"):
                file.write_bytes(damage)
                with pytest.raises(BadInput) as caught:
                    LOADERS[layout].read(track)
                assert caught.value.file == file
                assert str(caught.value).startswith(f"{file.name}: ")
            file.write_bytes(content)


def test_the_folder_is_the_style_unless_it_says_nothing(tmp_path: Path) -> None:
    for name in ("Slip Jig/a.mid", "- _/b.mid", "c.mid"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    styles = {track.name: track.style for track in LOADERS["folder"].find(tmp_path).tracks}
    assert styles == {"Slip Jig/a": "Slip Jig", "- _/b": None, "c": None}


def test_a_beat_file_wins_and_the_midi_says_what_its_beats_are(
    tmp_path: Path, write_tunes: Callable[..., Path]
) -> None:
    write_tunes(tmp_path, 1)
    (tmp_path / "jig" / "0.beats").write_text("".join(f"{index * 0.7} {index % 4 + 1}\n" for index in range(9)))
    (track,) = LOADERS["folder"].find(tmp_path).tracks
    beats = LOADERS["folder"].read(track).beats
    assert beats is not None and np.allclose(np.diff(beats.seconds), 0.7) and beats.quarters_per_beat == 1.0


@pytest.mark.parametrize(
    ("rows", "positions"),
    [
        (["0 1 1", "1 0 0", "2 1 0", "3 0 0", "4 1 1"], [1, 2, 3, 4, 1]),
        (["0 1 0", "1 0 0", "2 1 1", "3 0 0", "4 1 0", "5 0 0", "6 1 1"], [3, 4, 1, 2, 3, 4, 1]),
        (["0 1 0", "1 0 0", "2 0 0", "3 1 0", "4 0 0"], [1, 2, 3, 1, 2]),
    ],
)
def test_pop909_counts_bars_of_four_where_it_can_else_the_shorter_ones(
    tmp_path: Path, rows: list[str], positions: list[int], write_tunes: Callable[..., Path]
) -> None:
    tune = next(write_tunes(tmp_path / "tunes", 1).rglob("*.mid"))
    tune.rename(tmp_path / "001.mid")
    (tmp_path / "001.beat_midi.txt").write_text("\n".join(rows))
    (track,) = LOADERS["pop909"].find(tmp_path).tracks
    labels = LOADERS["pop909"].read(track)
    assert labels.beats is not None and labels.beats.positions.tolist() == positions
    assert labels.style is not None and labels.style.name == "pop"
