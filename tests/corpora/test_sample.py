"""The sample corpus is what a creator's folder would be, and the same every time."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from musegen import audio, midi
from musegen.corpora import sample, scores
from musegen.corpora.journal import MANIFEST
from musegen.corpora.performance import choose_cast, perform
from musegen.corpora.scores import Source
from musegen.errors import BadInput, BadParams
from musegen.score import Score
from musegen.theory import Meter


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, sample.SampleSummary]:
    folder = tmp_path_factory.mktemp("corpus")
    return folder, sample.make(folder, tracks=6, seed=1, workers=1)


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def read_beats(path: Path) -> tuple[np.ndarray, np.ndarray]:
    table = np.loadtxt(path, ndmin=2)
    return table[:, 0], table[:, 1].astype(int)


def parsed(abc: str, style: str) -> scores.Piece:
    from music21 import converter

    return scores.piece(converter.parseData(abc, format="abc"), style)


def test_there_is_one_track_of_each_style_with_its_notes_and_beats(corpus: tuple[Path, sample.SampleSummary]) -> None:
    folder, summary = corpus
    assert summary.styles == dict.fromkeys(sample.STYLES, 1)
    assert summary.tracks == summary.made == 6
    for style in sample.STYLES:
        stems = {path.stem for path in (folder / style).iterdir()}
        assert len(stems) == 1
        assert sorted(path.suffix for path in (folder / style).iterdir()) == [".beats", ".flac", ".mid"]
    assert "public domain" in (folder / "README.txt").read_text()
    assert not [path for path in folder.rglob(".*") if path.name != MANIFEST]


def test_beats_agree_with_the_midi_files_tempo_and_meter(corpus: tuple[Path, sample.SampleSummary]) -> None:
    for path in corpus[0].rglob("*.mid"):
        labels = midi.read(path)
        assert labels.beats and labels.notes and labels.beats.tempo_known
        seconds, positions = read_beats(path.with_suffix(".beats"))
        assert np.allclose(seconds, labels.beats.seconds[: len(seconds)], atol=1e-3)
        assert np.array_equal(positions, labels.beats.positions[: len(positions)])
        assert seconds[0] == 0.0 and positions[0] == 1
        assert labels.beats.bpm == pytest.approx(round(labels.beats.bpm or 0), abs=0.01)


def test_beats_a_bar_are_those_a_foot_taps(corpus: tuple[Path, sample.SampleSummary]) -> None:
    beats = {path.parent.name: read_beats(path)[1].max() for path in corpus[0].rglob("*.beats")}
    assert beats["jig"] == 2
    assert beats["slip_jig"] == 3
    assert beats["strathspey"] == 4
    assert beats["reel"] in (2, 4)


def test_chorales_have_four_named_voices_and_tunes_one(corpus: tuple[Path, sample.SampleSummary]) -> None:
    import symusic

    for path in corpus[0].rglob("*.mid"):
        tracks = symusic.Score(path).tracks
        if path.parent.name == "chorale":
            assert [track.name for track in tracks] == list(scores.VOICES)
            assert np.mean([note.pitch for note in tracks[0].notes]) > np.mean([note.pitch for note in tracks[3].notes])
        else:
            assert len(tracks) == 1
        for track in tracks:
            ends = [note.end for note in track.notes]
            assert all(end <= note.start for end, note in zip(ends, track.notes[1:], strict=False))


def test_the_recording_is_as_long_as_its_notes_and_heard(corpus: tuple[Path, sample.SampleSummary]) -> None:
    for path in corpus[0].rglob("*.flac"):
        sound, notes = audio.read(path), midi.read(path.with_suffix(".mid")).notes
        assert notes and sound.rate == sample.RATE and sound.samples.shape[0] == 2
        assert notes.seconds < sound.seconds < notes.seconds + 4
        assert 0.1 < np.abs(sound.samples).max() < 0.95


def test_the_notes_of_a_tune_can_be_placed_on_its_beats(corpus: tuple[Path, sample.SampleSummary]) -> None:
    for path in corpus[0].rglob("*.mid"):
        labels = midi.read(path)
        assert labels.notes and labels.beats
        score = Score.from_labels(labels.notes, labels.beats)
        # Sixteenths, and the triplets of eighths and of sixteenths.
        assert np.mean((score.notes["start"] % 120 == 0) | (score.notes["start"] % 80 == 0)) > 0.98


@pytest.mark.slow
def test_two_workers_write_the_same_bytes_as_one(corpus: tuple[Path, sample.SampleSummary], tmp_path: Path) -> None:
    sample.make(tmp_path, tracks=6, seed=1, workers=2)
    assert digests(tmp_path) == digests(corpus[0])


def test_a_second_call_touches_nothing(corpus: tuple[Path, sample.SampleSummary]) -> None:
    folder, first = corpus
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    again = sample.make(folder, tracks=6, seed=1, workers=1)
    assert again.made == 0
    assert (again.styles, again.seconds, again.skipped) == (first.styles, first.seconds, first.skipped)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_an_interrupted_call_goes_on_and_ends_the_same(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    arguments = {"tracks": 3, "styles": ["jig", "slip_jig"], "seed": 2, "workers": 1}
    with pytest.raises(KeyboardInterrupt):
        sample.make(tmp_path / "a", on_progress=stop, **arguments)  # type: ignore[arg-type]
    seen: list[tuple[int, int]] = []
    resumed = sample.make(tmp_path / "a", on_progress=lambda *step: seen.append(step), **arguments)  # type: ignore[arg-type]
    assert resumed.made == 1 and seen[-1] == (3, 3)
    whole = sample.make(tmp_path / "b", **arguments)  # type: ignore[arg-type]
    assert whole.made == 3
    assert digests(tmp_path / "a") == digests(tmp_path / "b")


def test_a_missing_or_cut_file_is_made_again_and_a_strangers_is_left_alone(tmp_path: Path) -> None:
    sample.make(tmp_path, tracks=2, styles=["jig"], workers=1)
    before = digests(tmp_path)
    stranger = tmp_path / "jig" / "My own tune.mid"
    stranger.write_bytes(b"mine")
    recording = sorted(tmp_path.rglob("*.flac"))[0]
    recording.write_bytes(recording.read_bytes()[:1000])
    assert sample.make(tmp_path, tracks=2, styles=["jig"], workers=1).made == 1
    assert stranger.read_bytes() == b"mine"
    stranger.unlink()
    assert digests(tmp_path) == before


def test_fewer_tracks_are_a_part_of_more(tmp_path: Path) -> None:
    sample.make(tmp_path, tracks=2, styles=["jig"], workers=1)
    two = digests(tmp_path)
    assert sample.make(tmp_path, tracks=1, styles=["jig"], workers=1).made == 0
    one = {name: digest for name, digest in digests(tmp_path).items() if name.startswith("jig/")}
    assert len(one) == 3 and one.items() < two.items()


def test_a_piece_that_cannot_be_used_is_replaced_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = [source for source in scores.sources() if source.style == "jig"][:2]
    bad = Source("jig", "Nowhere", "ryansMammoth/SebastapolHornpipe.abc")
    monkeypatch.setattr(scores, "sources", lambda: [bad, *good])
    steps: list[tuple[int, int]] = []
    summary = sample.make(tmp_path, tracks=3, styles=["jig"], workers=1, on_progress=lambda *step: steps.append(step))
    assert summary.tracks == 2 and steps == [(1, 3), (2, 3)]
    (skipped,) = summary.skipped
    assert skipped.source == bad.file and skipped.style == "jig" and "meter" in skipped.reason
    assert "meter" in json.loads((tmp_path / MANIFEST).read_text())["pieces"][bad.file]["reason"]


def test_tracks_are_shared_out_over_styles_as_far_as_they_go() -> None:
    few, many = ([Source(style, str(i), f"{style}{i}") for i in range(count)] for style, count in (("a", 2), ("b", 9)))
    chosen = sample._selection({"a": few, "b": many}, {}, 8)
    assert [source.style for source in chosen].count("a") == 2
    assert [source.style for source in chosen].count("b") == 6


@pytest.mark.parametrize(("arguments", "words"), [({"styles": ["polka"]}, "polka"), ({"tracks": 0}, "tracks 0")])
def test_what_cannot_be_made_is_refused(tmp_path: Path, arguments: dict[str, object], words: str) -> None:
    with pytest.raises(BadParams, match=words):
        sample.make(tmp_path, **{"tracks": 1, **arguments})  # type: ignore[arg-type]


def test_titles_are_readable_safe_and_unique() -> None:
    sources = scores.sources()
    names = [(source.style, source.title.lower()) for source in sources]
    assert len(set(names)) == len(names) > 1_400
    assert len({source.name for source in sources}) == len(sources)
    for source in sources:
        assert source.title.strip(" .") == source.title and not set(source.title) & set('/\\:*?"<>|\n\t')
        assert source.title.isascii() and 0 < len(source.title) < 80


def test_a_pickup_stands_at_the_end_of_a_full_first_bar() -> None:
    piece = parsed("X:1\nM:6/8\nL:1/8\nK:D\nA|" + "d2d d2d|" * 8, "jig")
    assert piece.meter == Meter(6, 8) and piece.bars == 9
    (voice,) = piece.voices
    assert voice["start"][:3].tolist() == [1200, 1440, 1920]


def test_a_short_bar_before_a_repeat_and_the_pickup_behind_it_make_one_bar() -> None:
    section = "d2d d2d|" * 7 + "d3 d2:|"
    piece = parsed(f"X:1\nM:6/8\nL:1/8\nK:D\n|:A|{section}\n|:B|{section}", "jig")
    assert piece.bars == 17
    pickup = piece.voices[0][piece.voices[0]["pitch"] == 71]
    assert pickup["start"].tolist() == [9 * 1440 - 240]


def test_a_section_that_ends_short_without_a_pickup_behind_it_is_filled_with_silence() -> None:
    section = "d2d d2d|" * 7 + "d3 d2:|"
    piece = parsed(f"X:1\nM:6/8\nL:1/8\nK:D\n|:{section}\n|:{section}", "jig")
    assert piece.bars == 16
    assert (piece.voices[0]["start"] % 1440 == 0).sum() == 16


def test_tied_notes_are_one_and_of_a_chord_the_highest_is_taken() -> None:
    piece = parsed("X:1\nM:2/4\nL:1/8\nK:D\n[DA]2d2-|d2 {g}A2|" + "d2d2|" * 6, "reel")
    assert piece.voices[0][["start", "ticks", "pitch"]].tolist()[:3] == [(0, 480, 69), (480, 960, 74), (1440, 480, 69)]


@pytest.mark.parametrize(
    ("abc", "reason"),
    [
        ("M:6/8\nL:1/8\nK:D\n" + "d2d d2d|" * 3 + "d2d|" + "d2d d2d|" * 6, "bad bars"),
        ("M:6/8\nL:1/8\nK:D\n" + "d2d d2d|" * 3, "too short"),
        ("M:2/4\nL:1/8\nK:D\n" + "d2d2|" * 8, "other meter"),
        ("M:6/8\nL:1/8\nK:D\n" + "z6|" * 8, "no notes"),
    ],
)
def test_a_tune_whose_bars_do_not_add_up_is_refused_with_its_reason(abc: str, reason: str) -> None:
    with pytest.raises(BadInput) as refused:
        parsed("X:1\n" + abc, "jig")
    assert refused.value.reason == reason


def test_a_chorale_whose_meter_changes_is_refused() -> None:
    with pytest.raises(BadInput, match=r"meter changes \(3/4, 4/4\)"):
        scores.read(Source("chorale", "Chorale BWV 304", "bach/bwv304.mxl"))


def test_a_performance_is_accented_by_its_meter_at_a_whole_tempo() -> None:
    piece = parsed("X:1\nM:6/8\nL:1/8\nK:D\n" + "ddd ddd|" * 16, "jig")
    score = perform(piece, "jig", choose_cast("jig", 3), 3)
    assert score.bpm == round(score.bpm or 0) and 150 <= (score.bpm or 0) <= 185
    velocities = score.notes["velocity"].reshape(-1, 6).mean(axis=0)
    assert velocities[0] > velocities[3] > velocities[[1, 2, 4, 5]].max()
    assert ((score.notes["ticks"] >= 220) & (score.notes["ticks"] <= 240)).all()
