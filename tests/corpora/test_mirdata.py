"""Data sets by their names, with a stand-in for mirdata that has one of its own."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from musegen import corpora
from musegen.corpora import mirdata as layout
from musegen.errors import BadInput, BadParams
from musegen.theory import Key

INDEX: dict[str, dict[str, list[str | None]]] = {
    "1": {"audio": ["audio/one.wav", "md5"], "beats": ["beats/one.txt", "md5"], "chords": ["chords/one.txt", "md5"]},
    "2": {"audio": ["audio/two.wav", "md5"], "beats": ["beats/two.txt", "md5"], "chords": [None, None]},
    "3": {"midi": ["midi/three.mid", "md5"], "notes": ["all_notes.csv", "md5"]},
    "4": {"midi": ["midi/four.mid", "md5"], "notes": ["all_notes.csv", "md5"]},
    "5": {"audio": ["audio/gone.wav", "md5"], "beats": ["beats/gone.txt", "md5"]},
}
FILES = [str(path) for paths in INDEX.values() for path, _ in paths.values() if path and path != "audio/gone.wav"]


class FakeTrack:
    """Has what mirdata's tracks have: paths by key, read on demand."""

    def __init__(self, id: str, home: str, name: str, index: dict[str, Any], metadata: Callable[[], dict[str, Any]]):
        self._home, self._paths, self._metadata = Path(home), index["tracks"][id], metadata

    def _words(self, key: str) -> str | None:
        path = self._paths.get(key, [None])[0]
        return None if path is None else (self._home / path).read_text()

    @property
    def beats(self) -> Any:
        words = self._words("beats")
        times = np.array([float(word) for word in (words or "").split()])
        positions = np.arange(len(times)) % 4 + 1.0
        return words and SimpleNamespace(times=times, time_unit="s", positions=positions, position_unit="bar_index")

    @property
    def chords(self) -> Any:
        words = self._words("chords")
        return words and SimpleNamespace(intervals=np.array([[0.0, 1.0]]), interval_unit="s", labels=words.split())

    @property
    def notes(self) -> Any:
        words = self._words("notes")
        return words and SimpleNamespace(
            intervals=np.array([[500.0, 1000.0], [1000.0, 1500.0]]), interval_unit="ms", pitches=["C4", "Bb3"],
            pitch_unit="note_name", confidence=None, confidence_unit=None,
        )  # fmt: skip

    @property
    def tempo(self) -> float:
        return 90.0

    @property
    def key(self) -> Any:
        return SimpleNamespace(intervals=np.array([[0.0, 1.0], [1.0, 9.0]]), keys=["C:major", "A:minor"])

    @property
    def title(self) -> str:
        return str(self._metadata()["title"])

    @property
    def genre(self) -> str:
        raise FileNotFoundError("no metadata")


@dataclass
class FakeDataset:
    data_home: str | None = None
    index_path: str = __file__
    _index: dict[str, Any] = field(default_factory=lambda: {"tracks": INDEX})
    _license_info: str = "Creative Commons Attribution 4.0"
    _metadata: dict[str, str] = field(default_factory=lambda: {"title": "A song"})
    _track_class: type = FakeTrack


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    module = ModuleType("mirdata")
    module.list_datasets = lambda: ["fake", "other"]  # type: ignore[attr-defined]
    module.initialize = lambda name, data_home=None: FakeDataset(data_home)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mirdata", module)
    layout.data_set.cache_clear()
    yield module
    layout.data_set.cache_clear()


@pytest.fixture
def root(tmp_path: Path, fake: ModuleType, write_sound: Callable[..., Path], write_tunes: Callable[..., Path]) -> Path:
    home = tmp_path / "here"
    for name in FILES:
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("C:maj" if "chords" in name else "0.0 0.5 1.0")
    for name in ("audio/one.wav", "audio/two.wav"):
        write_sound(home / name)
    tune = next(write_tunes(tmp_path / "tunes", 1).rglob("*.mid"))
    for name in ("midi/three.mid", "midi/four.mid"):
        (home / name).write_bytes(tune.read_bytes())
    (home / "cover.jpg").touch()
    return home


def test_tracks_are_those_of_the_index_that_are_here(root: Path) -> None:
    found = corpora.loader("mirdata:fake").find(root)
    assert [track.name for track in found.tracks] == ["audio/one", "audio/two", "midi/four", "midi/three"]
    assert found.tracks[0].files == {"beats": root / "beats/one.txt", "chords": root / "chords/one.txt"}
    assert found.tracks[0].said[0].licence == "CC BY 4.0"
    assert found.tables == (root / "all_notes.csv",)
    assert found.warnings == ("1 of 5 tracks of mirdata's fake are not in this folder",)


def test_every_file_is_in_exactly_one_place(root: Path) -> None:
    (root / "link.wav").symlink_to("nowhere")
    found = corpora.loader("mirdata:fake").find(root)
    used = [path for track in found.tracks for path in (track.audio, *track.files.values()) if path]
    everything = [path for path in root.rglob("*") if path.is_symlink() or not path.is_dir()]
    assert sorted([*used, *found.ignored, *found.tables]) == sorted(everything)
    assert found.ignored[root / "beats/gone.txt"] == "an annotation of a track that is not here"
    assert found.ignored[root / "cover.jpg"] == "not in mirdata's index of fake"


def test_what_mirdata_says_becomes_labels(root: Path) -> None:
    loader = corpora.loader("mirdata:fake")
    tracks = {track.name: track for track in loader.find(root).tracks}
    reading = loader.read(tracks["audio/one"])
    labels = reading.labels
    assert labels.beats is not None and labels.beats.positions.tolist() == [1, 2, 3]
    assert labels.chords is not None and labels.chords.names == ("C:maj",)
    assert labels.tempo is not None and labels.tempo.bpm == 90.0
    assert labels.tonality is not None and labels.tonality.key == Key(9, True)
    assert (reading.said.title, reading.said.style, reading.said.licence) == ("A song", None, "CC BY 4.0")
    assert reading.sources["beats"] == "mirdata"
    assert loader.read(tracks["audio/two"]).labels.chords is None


def test_midi_is_read_by_musegen_and_notes_of_a_shared_file_by_mirdata(root: Path) -> None:
    loader = corpora.loader("mirdata:fake")
    (track,) = [track for track in loader.find(root).tracks if track.name == "midi/three"]
    assert loader.read(track).sources["notes"] == ".mid"


def test_notes_have_their_pitches_and_times_in_any_unit(fake: ModuleType, tmp_path: Path) -> None:
    from musegen.corpora import mirdata_labels

    (tmp_path / "notes").write_text("x")
    track = FakeTrack("1", str(tmp_path), "fake", {"tracks": {"1": {"notes": ["notes", ""]}}}, dict)
    notes = mirdata_labels.labels_of(track, {}).notes
    assert notes is not None
    assert notes.table["pitch"].tolist() == [60, 58] and notes.table["onset_seconds"].tolist() == [0.5, 1.0]


def test_a_file_that_can_not_be_read_is_named_and_does_without_it_afterwards(root: Path) -> None:
    loader = corpora.loader("mirdata:fake")
    (track,) = [track for track in loader.find(root).tracks if track.name == "audio/one"]
    (root / "beats/one.txt").write_text("no number")
    with pytest.raises(BadInput, match=r"one\.txt: mirdata can't read it") as caught:
        loader.read(track)
    assert caught.value.file == root / "beats/one.txt"
    kept = {role: path for role, path in track.files.items() if path != caught.value.file}
    reading = loader.read(type(track)(track.name, track.audio, kept))
    assert reading.labels.beats is None and reading.labels.chords is not None


def test_a_recording_that_the_index_does_not_know_has_no_labels(root: Path, write_sound: Callable[..., Path]) -> None:
    from musegen.track import Track

    path = write_sound(root / "audio/other.wav")
    assert not corpora.loader("mirdata:fake").read(Track("audio/other", path)).labels.known()


def test_an_unknown_data_set_is_refused_with_the_choices(fake: ModuleType) -> None:
    with pytest.raises(BadParams, match="mirdata:none: unknown; choose one of fake, other"):
        corpora.loader("mirdata:none")


def test_a_missing_index_is_not_downloaded_but_explained(
    fake: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake, "initialize", lambda name: FakeDataset(index_path=str(tmp_path / "none")))
    with pytest.raises(BadParams, match=r"no index of it on this machine; get it with .*download\(\['index'\]\)"):
        corpora.loader("mirdata:fake").find(tmp_path)


def test_without_mirdata_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mirdata", None)
    layout.data_set.cache_clear()
    with pytest.raises(BadParams, match=r"pip install 'musegen\[mirdata\]'"):
        corpora.loader("mirdata:beatles")
