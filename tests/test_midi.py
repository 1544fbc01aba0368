"""MIDI files keep what a score says, and no damaged one stops a survey."""

import struct
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen import midi
from musegen.errors import BadInput
from musegen.labels import DRUMS, Beats, Notes
from musegen.score import SCORE_NOTE, Bar, Score
from musegen.theory import Meter

METERS = [Meter(4, 4), Meter(3, 4), Meter(6, 8), Meter(2, 2), Meter(5, 8)]
NOTE_OF_A_QUARTER = [(0, bytes([0x90, 60, 80])), (480, bytes([0x80, 60, 0]))]


def length(ticks: int) -> bytes:
    digits = [ticks & 0x7F]
    while ticks := ticks >> 7:
        digits.insert(0, 0x80 | ticks & 0x7F)
    return bytes(digits)


def file_of(*events: tuple[int, bytes], division: int = 480) -> bytes:
    body = b"".join(length(delta) + event for delta, event in [*events, (0, b"\xff\x2f\x00")])
    return b"MThd" + struct.pack(">IHHh", 6, 0, 1, division) + b"MTrk" + struct.pack(">I", len(body)) + body


def tempo(microseconds: int) -> bytes:
    return b"\xff\x51\x03" + microseconds.to_bytes(3, "big")


def meter(numerator: int, power: int) -> bytes:
    return b"\xff\x58\x04" + bytes([numerator, power, 24, 8])


def heard(path: Path, content: bytes) -> tuple[Notes, Beats]:
    path.write_bytes(content)
    labels = midi.read(path)
    assert labels.notes is not None and labels.beats is not None
    return labels.notes, labels.beats


@st.composite
def scores(draw: st.DrawFn) -> Score:
    """Some voices, each in one instrument, that never strike a note which still sounds."""
    bars = draw(st.integers(1, 4))
    chosen = draw(st.sampled_from(METERS))
    slots = bars * chosen.ticks // 120
    rows = [(bars * chosen.ticks - 120, 120, 40, 64, 0, 0)]
    for part, program in enumerate(
        draw(st.lists(st.sampled_from([0, 40, 73, DRUMS]), min_size=1, max_size=4)), start=1
    ):
        starts = sorted(draw(st.sets(st.integers(0, slots - 1), min_size=1, max_size=8)))
        for start, following in zip(starts, [*starts[1:], slots], strict=True):
            held = draw(st.integers(1, following - start))
            rows.append((start * 120, held * 120, draw(st.integers(0, 127)), draw(st.integers(1, 127)), program, part))
    return Score.steady(np.array(rows, SCORE_NOTE), chosen, draw(st.integers(30, 250)), bars)


@settings(deadline=None, max_examples=60)
@given(score=scores())
def test_what_is_written_is_read_again(tmp_path_factory: pytest.TempPathFactory, score: Score) -> None:
    path = tmp_path_factory.getbasetemp() / "round trip.mid"
    midi.write(path, score)
    labels, expected = midi.read(path), score.to_labels()
    assert labels.notes and labels.beats and expected.notes and expected.beats
    for column in ("pitch", "velocity", "program", "part"):
        assert np.array_equal(labels.notes.table[column], expected.notes.table[column])
    for column in ("onset_seconds", "seconds"):
        assert np.allclose(labels.notes.table[column], expected.notes.table[column], rtol=1e-5)
    assert np.allclose(labels.beats.seconds[:-1], expected.beats.seconds, rtol=1e-5)
    assert labels.beats.positions.tolist() == [*expected.beats.positions, 1]
    assert labels.beats.quarters_per_beat == expected.beats.quarters_per_beat
    again = Score.from_labels(labels.notes, labels.beats)
    assert again.bpm == pytest.approx(score.bpm, rel=1e-5)


def test_a_file_is_of_type_1_with_480_ticks_and_its_tempo_and_meter_at_the_start(tmp_path: Path) -> None:
    notes = np.array([(0, 480, 60, 80, 0, 0), (0, 480, 40, 80, 32, 1), (0, 480, 36, 80, DRUMS, 2)], SCORE_NOTE)
    midi.write(tmp_path / "a.mid", Score.steady(notes, Meter(6, 8), 100.0))
    content = (tmp_path / "a.mid").read_bytes()
    assert struct.unpack(">IHHH", content[4:14])[1:] == (1, content.count(b"MTrk"), 480)
    conductor = content[content.index(b"MTrk") : content.index(b"MTrk", 20)]
    assert b"\x00" + tempo(600_000) in conductor
    assert b"\x00" + meter(6, 3)[:5] in conductor


def test_a_score_without_a_tempo_is_written_at_120(tmp_path: Path) -> None:
    midi.write(tmp_path / "a.mid", Score.steady(np.array([(0, 480, 60, 80, 0, 0)], SCORE_NOTE), Meter(4, 4), None))
    assert tempo(500_000) in (tmp_path / "a.mid").read_bytes()


def test_only_drums_are_on_the_drum_channel_however_many_parts_there_are(tmp_path: Path) -> None:
    rows = [(0, 480, 40 + part, 80, part, part) for part in range(24)] + [(0, 480, 36, 80, DRUMS, 24)]
    midi.write(tmp_path / "a.mid", Score.steady(np.array(rows, SCORE_NOTE), Meter(4, 4), 120))
    notes = midi.read(tmp_path / "a.mid").notes
    assert notes is not None
    assert notes.table["program"][np.argsort(notes.table["part"])].tolist() == [*range(24), DRUMS]


def test_parts_carry_their_names(tmp_path: Path) -> None:
    notes = np.array([(0, 480, 60, 80, 0, 0), (0, 480, 40, 80, 58, 1), (0, 480, 36, 80, DRUMS, 2)], SCORE_NOTE)
    midi.write(tmp_path / "a.mid", Score.steady(notes, Meter(4, 4), 120), {0: "Soprano"})
    content = (tmp_path / "a.mid").read_bytes()
    assert b"Soprano" in content and b"Tuba" in content and b"Drums" in content


def test_a_change_of_meter_is_kept(tmp_path: Path) -> None:
    bars = (Bar(0, Meter(4, 4)), Bar(1920, Meter(2, 4)), Bar(2880, Meter(4, 4)))
    notes = np.array([(0, 480, 60, 80, 0, 0), (2880, 1920, 62, 80, 0, 0)], SCORE_NOTE)
    midi.write(tmp_path / "a.mid", Score(notes, bars, 120.0))
    labels = midi.read(tmp_path / "a.mid")
    assert labels.notes and labels.beats
    assert labels.beats.positions.tolist() == [1, 2, 3, 4, 1, 2, 1, 2, 3, 4, 1]
    assert Score.from_labels(labels.notes, labels.beats).bars == bars


def test_a_beat_is_what_most_of_the_piece_counts(tmp_path: Path) -> None:
    bars = (*(Bar(index * 1440, Meter(6, 8)) for index in range(4)), Bar(4 * 1440, Meter(4, 4)))
    midi.write(tmp_path / "a.mid", Score(np.array([(0, 7000, 60, 80, 0, 0)], SCORE_NOTE), bars, 120.0))
    beats = midi.read(tmp_path / "a.mid").beats
    assert beats is not None and beats.quarters_per_beat == 1.5


def test_every_tempo_is_followed(tmp_path: Path) -> None:
    notes, beats = heard(
        tmp_path / "a.mid",
        file_of((0, tempo(1_000_000)), *NOTE_OF_A_QUARTER, (480, tempo(250_000)), *NOTE_OF_A_QUARTER),
    )
    assert notes.table["onset_seconds"].tolist() == [0.0, 2.0]
    assert notes.table["seconds"].tolist() == [1.0, 0.25]
    assert beats.seconds.tolist() == [0.0, 1.0, 2.0, 2.25, 2.5]
    assert beats.tempo_known


def test_without_a_tempo_a_file_plays_at_120_and_says_that_nobody_knows(tmp_path: Path) -> None:
    notes, beats = heard(tmp_path / "a.mid", file_of(*NOTE_OF_A_QUARTER))
    assert notes.seconds == 0.5
    assert beats.bpm == 120.0 and not beats.tempo_known
    assert beats.positions.tolist() == [1, 2, 3, 4, 1]


def test_a_pickup_bar_by_its_own_time_signature_stands_before_the_first_downbeat(tmp_path: Path) -> None:
    notes, beats = heard(
        tmp_path / "a.mid", file_of((0, meter(1, 2)), *NOTE_OF_A_QUARTER, (0, meter(3, 2)), *NOTE_OF_A_QUARTER * 3)
    )
    assert beats.positions.tolist() == [1, 1, 2, 3, 1]
    score = Score.from_labels(notes, beats)
    assert [str(bar.meter) for bar in score.bars] == ["1/4", "3/4"]


def test_events_after_the_last_note_do_not_lengthen_the_piece(tmp_path: Path) -> None:
    _, beats = heard(
        tmp_path / "a.mid", file_of(*NOTE_OF_A_QUARTER, (0x0FFFFFFF, meter(3, 2)), (0, tempo(1)), division=480)
    )
    assert len(beats) == 5


DAMAGED = {
    "empty": (b"", "not midi"),
    "text": (b"hello\n" * 100, "not midi"),
    "another header": (b"RIFF" + file_of(*NOTE_OF_A_QUARTER), "not midi"),
    "cut in the track": (file_of(*NOTE_OF_A_QUARTER)[:-8], "truncated"),
    "cut before the track": (file_of(*NOTE_OF_A_QUARTER)[:14], "truncated"),
    "cut in the header": (file_of(*NOTE_OF_A_QUARTER)[:12], "not midi"),
    "a track is missing": (file_of(*NOTE_OF_A_QUARTER).replace(b"\0\1\x01\xe0", b"\0\2\x01\xe0", 1), "truncated"),
    "no division": (file_of(*NOTE_OF_A_QUARTER, division=0), "not midi"),
    "film frames": (file_of(*NOTE_OF_A_QUARTER, division=-6360), "not midi"),
    "no notes": (file_of((0, tempo(500_000))), "no notes"),
    "notes that never end": (file_of((0, bytes([0x90, 60, 80]))), "no notes"),
    "days": (file_of((0x0FFFFFFF, b"\xc0\x00"), *NOTE_OF_A_QUARTER), "bad notes"),
    "years": (file_of(*[(0x0FFFFFFF, b"\xc0\x00")] * 20, *NOTE_OF_A_QUARTER), "bad notes"),
    "millions of beats in no time": (
        file_of((0, tempo(1)), (0, bytes([0x90, 60, 80])), (0x0FFFFFFF, bytes([0x80, 60, 0])), division=1),
        "bad beats",
    ),
    "no time at all": (file_of((0, tempo(0)), *NOTE_OF_A_QUARTER), "bad tempo"),
}


@pytest.mark.parametrize(("content", "reason"), DAMAGED.values(), ids=DAMAGED)
def test_damage_is_refused_quickly_and_with_its_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.mid").write_bytes(content)
    begun = time.perf_counter()
    with pytest.raises(BadInput) as caught:
        midi.read(tmp_path / "a.mid")
    assert caught.value.reason == reason
    assert time.perf_counter() - begun < 2


@pytest.mark.parametrize("signature", [meter(0, 2), meter(4, 12), meter(4, 31), meter(4, 255), meter(255, 7)])
def test_a_meter_that_can_not_be_does_not_stop_the_reader(tmp_path: Path, signature: bytes) -> None:
    _, beats = heard(tmp_path / "a.mid", file_of((0, signature), *NOTE_OF_A_QUARTER))
    assert beats.has_downbeats


def test_thousands_of_meters_and_tempi_take_no_time(tmp_path: Path) -> None:
    events = [(1, meter(1 + index % 5, 2)) for index in range(5000)] + [(1, tempo(500_000 + i)) for i in range(5000)]
    begun = time.perf_counter()
    heard(tmp_path / "a.mid", file_of(*events, *NOTE_OF_A_QUARTER))
    assert time.perf_counter() - begun < 2


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_a_damaged_file_is_read_or_refused_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(file_of((0, tempo(400_000)), (0, meter(3, 2)), *NOTE_OF_A_QUARTER * 4))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.mid"
    path.write_bytes(bytes(content[: data.draw(st.integers(0, len(content)))]) if data.draw(st.booleans()) else content)
    try:
        labels = midi.read(path)
    except BadInput:
        return
    assert labels.notes is not None and len(labels.notes)
    assert labels.beats is not None and labels.beats.has_downbeats


def test_a_folder_or_a_missing_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.mid"):
        with pytest.raises(BadInput):
            midi.read(path)
