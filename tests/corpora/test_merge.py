"""Who is believed where several sources speak of one track, and what is said where they disagree."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musegen import corpora, midi
from musegen.corpora import Reading, agreement
from musegen.corpora.merge import PRECEDENCE, Source, merge
from musegen.labels import Beats, Chords, Labels, Notes, Style, Tempo, Tonality
from musegen.theory import Key, Meter
from musegen.track import SAID_FIELDS, Said, Track

VALUES = {
    "style": ["jig", "reel", "waltz"], "title": ["One", "Two", "Three"], "artist": ["Ann", "Bob", "Cid"],
    "licence": ["CC0 1.0", "MIT", "own"], "consent": [True, False, True], "split": ["train", "valid", "test"],
    "bpm": [100.0, 130.0, 163.0], "key": ["C", "Dm", "F#"], "meter": ["4/4", "3/4", "6/8"],
}  # fmt: skip


def beats(seconds: list[float], count: int = 4, **more: object) -> Beats:
    positions = np.arange(len(seconds)) % count + 1
    return Beats(seconds=np.array(seconds), positions=positions, **more)  # type: ignore[arg-type]


def read(root: Path, files: dict[str, str], said: tuple[Said, ...] = ()) -> Reading:
    """Write label files beside a tune of 120 bpm in 4/4 at `a.mid`, if that is there, and read them."""
    for name, content in files.items():
        (root / name).write_text(content)
    (track,) = corpora.loader("folder").find(root).tracks
    return corpora.loader("folder").read(replace(track, said=said))


@pytest.mark.parametrize("field", SAID_FIELDS)
def test_words_are_taken_in_the_documented_order(field: str) -> None:
    for better, worse in pairwise(PRECEDENCE[field]):
        low, high = (Source(role, role, Said(role, **{field: value}))
                     for role, value in ((worse, VALUES[field][0]), (better, VALUES[field][1])))  # fmt: skip
        for sources in ([low, high], [high, low]):
            reading = merge(sources)
            assert getattr(reading.said, field) == VALUES[field][1]
            assert reading.sources[field] == better
            assert len(reading.warnings) == 1 and reading.warnings[0].startswith(f"{field}: {better} says ")


@pytest.mark.parametrize("kind", ["notes", "beats", "chords"])
def test_labels_are_taken_in_the_documented_order(kind: str) -> None:
    made = {"notes": Notes(), "beats": beats([0, 1, 2]), "chords": Chords()}
    for better, worse in pairwise(PRECEDENCE[kind]):
        reading = merge([Source(role, role, labels=Labels(**{kind: made[kind]})) for role in (worse, better)])
        assert reading.sources[kind] == better and not reading.warnings


@pytest.mark.parametrize(("better", "worse"), [("facts", "said"), ("said", "tags"), ("said", "said")])
def test_a_no_of_any_source_beats_a_yes(better: str, worse: str) -> None:
    sources = [Source(better, "one", Said("one", consent=True)), Source(worse, "two", Said("two", consent=False))]
    reading = merge(sources)
    assert reading.said.consent is False and reading.sources["consent"] == "two"
    assert reading.warnings == ("consent: two says no, one says yes; no is used",)


def test_a_licence_that_is_denied_is_none_whatever_worse_sources_say() -> None:
    denied, given = (
        Source("said", "metadata.csv", Said("", licence="")),
        Source("tags", "tags", Said("", licence="MIT")),
    )
    reading = merge([given, denied])
    assert reading.said.licence is None and "licence" not in reading.sources
    assert reading.warnings == ("licence: metadata.csv says none, tags says MIT; none is used",)
    assert merge([Source("facts", ".json", Said("", licence="CC0")), denied]).said.licence == "CC0"


def test_a_disagreement_is_told_in_words() -> None:
    said = (("said", "metadata.csv", "jig"), ("said", "folder", "Reel"), ("tags", "tags", "Jig"))
    reading = merge([Source(role, name, Said(name, style=style)) for role, name, style in said])
    assert reading.warnings == ("style: metadata.csv says jig, folder says Reel; jig is used",)
    assert (reading.said.style, reading.sources["style"]) == ("jig", "metadata.csv")
    assert reading.labels.style == Style.named("jig")


@pytest.mark.parametrize(
    ("field", "one", "other", "agree"),
    [
        ("style", "Slip Jig", "slip-jig", True), ("style", "rock", "Rock/Pop", True), ("style", "rock", "pop", False),
        ("title", "The Song", "the  song!", True), ("title", "Song", "Song (live)", True),
        ("title", "Song", "Tune", False), ("artist", "Ann B.", "ann b", True), ("artist", "Ann", "Bob", False),
        ("licence", "CC-BY 4.0", "https://creativecommons.org/licenses/by/4.0/", True),
        ("licence", "CC BY", "CC BY 3.0", True), ("licence", "CC BY 3.0", "CC BY 4.0", False),
        ("licence", "my own", "My  Own", True), ("licence", "CC BY", "CC BY-NC", False),
        ("split", "valid", "validation", True), ("split", "Train", "train", True), ("split", "train", "test", False),
        ("bpm", 120.0, 122.0, True), ("bpm", 120.0, 60.0, True), ("bpm", 90.0, 180.5, True),
        ("bpm", 120.0, 180.0, False), ("bpm", 120.0, 126.0, False),
        ("key", "C#", "Db", True), ("key", "Am", "C", False),
        ("meter", "4/4", "4/4", True), ("meter", "2/4", "4/4", False),
        ("consent", True, True, True), ("consent", True, False, False),
    ],
)  # fmt: skip
def test_spelling_octaves_and_versions_are_no_disagreement(field: str, one: object, other: object, agree: bool) -> None:
    assert agreement.agree(field, one, other) is agree
    assert agreement.agree(field, other, one) is agree


@given(
    times=st.lists(st.floats(0.2, 2.0), min_size=2, max_size=40), late=st.floats(-0.06, 0.06), first=st.integers(0, 5)
)
def test_beats_agree_with_themselves_a_little_late_and_with_every_other_one(
    times: list[float], late: float, first: int
) -> None:
    mine = beats(np.cumsum(times).tolist())
    assert agreement.same_beats(mine, replace(mine, seconds=mine.seconds + late))
    assert agreement.same_beats(mine, beats(mine.seconds[::2].tolist()))
    assert agreement.same_beats(mine, beats(mine.seconds[min(first, len(mine) - 1) :].tolist()))


def test_beats_that_are_elsewhere_do_not_agree() -> None:
    mine = beats(np.arange(0, 30, 0.5).tolist())
    assert not agreement.same_beats(mine, beats(np.arange(0.2, 30, 0.5).tolist()))
    assert not agreement.same_beats(mine, beats(np.arange(0, 30, 0.4123).tolist()))
    assert not agreement.same_beats(mine, beats([100.0, 100.5]))


def test_a_tempo_has_its_key_and_style_from_labels_too() -> None:
    labels = Labels(style=Style.named("jig", confidence=0.5), tempo=Tempo(bpm=99.0), tonality=Tonality(key=Key(2)))
    reading = merge([Source("jams", ".jams", Said(".jams"), labels)])
    assert (reading.said.style, reading.said.bpm, reading.said.key) == ("jig", 99.0, "D")
    assert reading.labels.known() == labels.known()
    assert reading.sources == dict.fromkeys(("style", "bpm", "key", "tempo", "tonality"), ".jams")


def test_everything_beside_a_recording_is_believed_in_order(
    tmp_path: Path, write_tunes: Callable[..., Path], write_sound: Callable[..., Path]
) -> None:
    next(write_tunes(tmp_path / "tunes", 1).rglob("*.mid")).rename(tmp_path / "a.mid")
    write_sound(tmp_path / "a.wav", seconds=16)
    (tmp_path / "tunes" / "jig").rmdir()
    files = {
        "a.beats": "".join(f"{0.5 * index:.2f} {index % 4 + 1}\n" for index in range(32)),
        "a.bpm": "120",
        "a.lab": "0 8 C:maj\n",
        "a.json": json.dumps({"genre": "Jig", "bpm": 240}),
        "a.LICENCE.txt": "CC BY 4.0",
        "a.jams": json.dumps({"annotations": [], "file_metadata": {"title": "J", "artist": "A"}}),
    }
    reading = read(tmp_path, files, (Said("metadata.csv", title="T", style="jig"), Said("folder", style="x")))
    assert dict(reading.sources) == {
        "style": ".json", "title": "metadata.csv", "artist": ".jams", "licence": ".licence.txt", "bpm": ".bpm",
        "notes": ".mid", "beats": ".beats", "chords": ".lab", "tempo": ".bpm",
    }  # fmt: skip
    assert reading.warnings == (
        "style: .json says Jig, folder says x; Jig is used", "title: metadata.csv says T, .jams says J; T is used",
    )  # fmt: skip


def test_beats_elsewhere_than_the_midi_has_them_are_told(tmp_path: Path, write_tunes: Callable[..., Path]) -> None:
    next(write_tunes(tmp_path / "tunes", 1).rglob("*.mid")).rename(tmp_path / "a.mid")
    reading = read(tmp_path, {"a.beats": "".join(f"{0.25 + 0.6 * index} {index % 4 + 1}\n" for index in range(20))})
    assert "beats: those of .beats are not where .mid has them; .beats is used" in reading.warnings
    assert "bpm: .mid says 120, the beats of .beats go at 100.0; check both" in reading.warnings


def test_a_midi_file_without_a_tempo_contradicts_nobody(tmp_path: Path, tune: Callable[..., object]) -> None:
    midi.write(tmp_path / "a.mid", tune(bpm=None))  # type: ignore[arg-type]
    content = (tmp_path / "a.mid").read_bytes()
    tempo = content.index(b"\xff\x51\x03")
    (tmp_path / "a.mid").write_bytes(content[:tempo] + b"\xff\x01\x03" + content[tempo + 3 :])  # now a text event
    reading = read(tmp_path, {"a.bpm": "93"})
    assert reading.said.bpm == 93 and not reading.warnings


@pytest.mark.parametrize(
    ("meter", "count", "quarters"), [("6/8", 2, 1.5), ("6/8", 4, 1.0), ("2/2", 2, 2.0), ("x", 2, 1.0)]
)
def test_a_meter_that_is_said_tells_what_a_beat_of_a_beat_file_is(meter: str, count: int, quarters: float) -> None:
    tapped = Labels(beats=beats(np.arange(0.0, 8.0, 0.5).tolist(), count))
    reading = merge([Source("beats", ".beats", labels=tapped), Source("said", "metadata.csv", Said("m", meter=meter))])
    assert reading.labels.beats is not None and reading.labels.beats.quarters_per_beat == quarters


def test_a_beat_file_wins_and_the_midi_says_what_its_beats_are(tmp_path: Path, tune: Callable[..., object]) -> None:
    midi.write(tmp_path / "a.mid", tune(meter=Meter(6, 8)))  # type: ignore[arg-type]
    reading = read(tmp_path, {"a.beats": "".join(f"{0.75 * index} {index % 2 + 1}\n" for index in range(9))})
    assert reading.labels.beats is not None and reading.labels.beats.quarters_per_beat == 1.5
    assert np.allclose(np.diff(reading.labels.beats.seconds), 0.75) and not reading.warnings


def test_a_dotted_beat_is_no_other_tempo() -> None:
    tapped = Source("beats", ".beats", labels=Labels(beats=beats(np.arange(0, 20, 0.5).tolist(), 2)))
    for bpm, warned in ((120.0, False), (180.0, False), (60.0, False), (100.0, True)):
        warnings = merge([tapped, Source("tempo", ".bpm", labels=Labels(tempo=Tempo(bpm=bpm)))]).warnings
        assert bool(warnings) is warned


def test_a_track_of_which_nobody_says_anything_has_no_labels(tmp_path: Path, write_sound: Callable[..., Path]) -> None:
    reading = corpora.loader("folder").read(Track("a", write_sound(tmp_path / "a.wav")))
    assert reading == Reading(Labels(), Said(""), {}, ())


def test_a_licence_text_that_grants_nothing_outweighs_that_of_the_folder(
    tmp_path: Path, write_sound: Callable[..., Path]
) -> None:
    write_sound(tmp_path / "a.wav")
    reading = read(tmp_path, {"a.licence.txt": "© A Label. All rights reserved."}, (Said("LICENSE", licence="MIT"),))
    assert reading.said.licence is None
    assert reading.warnings[0] == ".licence.txt: it names no licence; write its name (CC BY 4.0, …) into it"


def test_warnings_of_the_readers_are_passed_on(tmp_path: Path, write_sound: Callable[..., Path]) -> None:
    write_sound(tmp_path / "a.wav")
    (warning,) = read(tmp_path, {"a.json": '{"bpm": "fast"}'}).warnings
    assert warning.startswith(".json: bpm 'fast'")


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
    (track,) = corpora.loader("pop909").find(tmp_path).tracks
    reading = corpora.loader("pop909").read(track)
    assert reading.labels.beats is not None and reading.labels.beats.positions.tolist() == positions
    assert reading.labels.style == Style.named("pop") and reading.sources["beats"] == ".beat_midi.txt"
