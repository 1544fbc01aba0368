"""MIDI files keep what a score says, and no damaged one stops a survey."""

import contextlib
import os
import struct
import time
from collections.abc import Sequence
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
    return tracks_of(events, kind=0, division=division)


def tracks_of(*tracks: Sequence[tuple[int, bytes]], kind: int = 1, division: int = 480) -> bytes:
    content = b"MThd" + struct.pack(">IHHh", 6, kind, len(tracks), division)
    for events in tracks:
        body = b"".join(length(delta) + event for delta, event in [*events, (0, b"\xff\x2f\x00")])
        content += b"MTrk" + struct.pack(">I", len(body)) + body
    return content


def whole_track(body: bytes) -> bytes:
    return b"MThd" + struct.pack(">IHHh", 6, 0, 1, 480) + b"MTrk" + struct.pack(">I", len(body)) + body


def riff(content: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", len(content) + 12) + b"RMIDdata" + struct.pack("<I", len(content)) + content


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
    "empty": (b"", "empty"),
    "text": (b"hello\n" * 100, "not midi"),
    "another header": (b"RIFF" + file_of(*NOTE_OF_A_QUARTER), "not midi"),
    "cut in the track": (file_of(*NOTE_OF_A_QUARTER)[:-8], "truncated"),
    "cut before the track": (file_of(*NOTE_OF_A_QUARTER)[:14], "truncated"),
    "cut in the header": (file_of(*NOTE_OF_A_QUARTER)[:12], "not midi"),
    "a track is missing": (file_of(*NOTE_OF_A_QUARTER).replace(b"\0\1\x01\xe0", b"\0\2\x01\xe0", 1), "truncated"),
    "no division": (file_of(*NOTE_OF_A_QUARTER, division=0), "division"),
    "film frames": (file_of(*NOTE_OF_A_QUARTER, division=-6360), "division"),
    "no notes": (file_of((0, tempo(500_000))), "no notes"),
    "notes that never end": (file_of((0, bytes([0x90, 60, 80]))), "no notes"),
    "days": (file_of((0x0FFFFFFF, b"\xc0\x00"), *NOTE_OF_A_QUARTER), "absurd times"),
    "years": (file_of(*[(0x0FFFFFFF, b"\xc0\x00")] * 20, *NOTE_OF_A_QUARTER), "absurd times"),
    "so many years that the clock is back at the start": (
        file_of(*[(0x0FFFFFFF, b"\xc0\x00")] * 16, (16, b"\xc0\x00"), *NOTE_OF_A_QUARTER),
        "absurd times",
    ),
    "millions of beats in no time": (
        file_of((0, tempo(1)), (0, bytes([0x90, 60, 80])), (0x0FFFFFFF, bytes([0x80, 60, 0])), division=1),
        "too many beats",
    ),
    "independent patterns": (tracks_of(NOTE_OF_A_QUARTER, NOTE_OF_A_QUARTER, kind=2), "type 2"),
    "another type": (tracks_of(NOTE_OF_A_QUARTER, kind=3), "not midi"),
    "no status at the start": (file_of((0, bytes([60, 80])), (480, bytes([60, 0]))), "damaged"),
    "a remark without end": (file_of((0, b"\xff\x01\xff\xff\xff\x7fabc"), *NOTE_OF_A_QUARTER), "damaged"),
    "a system message without end": (file_of((0, b"\xf0\x8f\xff\xff\x7fabc"), *NOTE_OF_A_QUARTER), "damaged"),
    "a pitch beyond the keyboard": (file_of((0, bytes([0x90, 200, 80])), (480, bytes([0x80, 200, 0]))), "damaged"),
    "a velocity beyond any": (file_of((0, bytes([0x90, 60, 200])), (480, bytes([0x80, 60, 0]))), "damaged"),
    "a controller beyond any": (file_of((0, bytes([0xB0, 200, 1])), *NOTE_OF_A_QUARTER), "damaged"),
    "a message of the wire": (file_of((0, bytes([0xF4])), *NOTE_OF_A_QUARTER), "damaged"),
    "a time of five bytes": (file_of((0, b"\xc0\x00\xff\xff\xff\xff\x7f\xc0\x01"), *NOTE_OF_A_QUARTER), "damaged"),
    "a tempo of two bytes": (file_of((0, b"\xff\x51\x02\x07\xa1"), *NOTE_OF_A_QUARTER), "damaged"),
    "a remark of an unknown kind": (file_of((0, b"\xff\x90\x00"), *NOTE_OF_A_QUARTER), "damaged"),
    "an event over the end of its track": (whole_track(b"\0\x90\x3c\x50\0\x80\x3c"), "damaged"),
    "half a RIFF file": (riff(file_of(*NOTE_OF_A_QUARTER))[:-4], "truncated"),
    "a RIFF file of sound": (b"RIFF\x24\0\0\0WAVEfmt " + b"\0" * 40, "not midi"),
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


READ_ALL_THE_SAME = {
    "a longer header": file_of(*NOTE_OF_A_QUARTER).replace(b"\0\0\0\x06", b"\0\0\0\x08", 1).replace(
        b"MTrk", b"\0\0MTrk", 1
    ),
    "a RIFF file": riff(file_of(*NOTE_OF_A_QUARTER)),
    "a chunk of another program": file_of(*NOTE_OF_A_QUARTER).replace(b"MTrk", b"XFIH\0\0\0\3abcMTrk", 1),
    "bytes behind the last track": file_of(*NOTE_OF_A_QUARTER) + b"\0" * 100,
    "no end of track": file_of(*NOTE_OF_A_QUARTER).replace(b"\0\xff\x2f\0", b"\0\xff\x01\0"),
    "running status": file_of((0, bytes([0x90, 60, 80])), (480, bytes([60, 0]))),
    "running status after a remark": file_of((0, bytes([0x90, 60, 80])), (0, b"\xff\x01\x01x"), (480, bytes([60, 0]))),
    "a system message": file_of((0, b"\xf0\x03\x41\x10\xf7"), *NOTE_OF_A_QUARTER),
    "an escape": file_of((0, b"\xf7\x02ab"), NOTE_OF_A_QUARTER[0], (0, b"\xf7\x01\xf7"), NOTE_OF_A_QUARTER[1]),
    "one pattern": tracks_of(NOTE_OF_A_QUARTER, kind=2),
}  # fmt: skip


@pytest.mark.parametrize("content", READ_ALL_THE_SAME.values(), ids=READ_ALL_THE_SAME)
def test_what_is_unusual_is_read_all_the_same(tmp_path: Path, content: bytes) -> None:
    notes, _ = heard(tmp_path / "a.mid", content)
    assert notes.table[["onset_seconds", "seconds", "pitch"]].tolist() == [(0.0, 0.5, 60)]
    assert midi.troubles(tmp_path / "a.mid") == ()


def test_tracks_that_the_header_forgets_are_read(tmp_path: Path) -> None:
    content = tracks_of(NOTE_OF_A_QUARTER, NOTE_OF_A_QUARTER).replace(b"\0\1\0\2", b"\0\1\0\1", 1)
    assert len(heard(tmp_path / "a.mid", content)[0]) == 2


def test_notes_that_never_end_are_counted(tmp_path: Path) -> None:
    hanging = [(0, bytes([0x90, 62, 80])), (0, bytes([64, 80])), (0, bytes([0x91, 60, 80]))]
    stray = [(0, bytes([0x80, 90, 0])), (0, bytes([0xC0, 5])), (0, bytes([0xE0, 0, 64])), (0, b"\xf0\x01\xf7")]
    path = tmp_path / "a.mid"
    path.write_bytes(tracks_of([*stray, *hanging, *NOTE_OF_A_QUARTER], NOTE_OF_A_QUARTER * 3, hanging))
    assert midi.troubles(path) == ("6 notes without an end are left out",)
    notes = midi.read(path).notes
    assert notes is not None and len(notes) == 4


@settings(deadline=None, max_examples=30)
@given(score=scores())
def test_what_we_write_has_no_troubles(tmp_path_factory: pytest.TempPathFactory, score: Score) -> None:
    path = tmp_path_factory.getbasetemp() / "ours.mid"
    midi.write(path, score)
    assert midi.troubles(path) == ()


@pytest.mark.parametrize(("count", "reason"), [(999_999, None), (1_000_001, "too many notes")])
def test_a_million_notes_are_read_and_more_are_refused_in_seconds(
    tmp_path: Path, count: int, reason: str | None
) -> None:
    note = b"\x00\x90\x3c\x50\x01\x80\x3c\x00"
    body = note * count + b"\x00\xff\x2f\x00"
    content = file_of(*NOTE_OF_A_QUARTER, division=30_000)
    path = tmp_path / "a.mid"
    path.write_bytes(content[:18] + struct.pack(">I", len(body)) + body)
    begun = time.perf_counter()
    if reason is None:
        notes = midi.read(path).notes
        assert notes is not None and len(notes) == count
    else:
        with pytest.raises(BadInput) as caught:
            midi.read(path)
        assert caught.value.reason == reason
    assert midi.troubles(path) == ()
    assert time.perf_counter() - begun < 10


HOSTILE = {
    "one quantity of megabytes": file_of((0, b"\xff" * 3_000_000)),
    "escapes": file_of(*[(0, b"\xf7\x00")] * 400_000, *NOTE_OF_A_QUARTER),
    "tracks": b"MThd" + struct.pack(">IHHh", 6, 1, 65535, 480) + b"MTrk\0\0\0\4\0\xff\x2f\0" * 65535,
    "more tracks than a header can name": file_of(*NOTE_OF_A_QUARTER) + b"MTrk\0\0\0\0" * 100_000,
    "chunks": b"MThd" + struct.pack(">IHHh", 6, 1, 9, 480) + b"abcd\0\0\0\0" * 300_000,
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_hostile_files_take_no_time(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mid").write_bytes(content)
    begun = time.perf_counter()
    for look in (midi.read, midi.troubles):
        with contextlib.suppress(BadInput):
            look(tmp_path / "a.mid")
    assert time.perf_counter() - begun < 8


def mutated(data: st.DataObject, content: bytes) -> bytes:
    """A few bytes changed, cut out, put in or moved, or the end cut off."""
    out = bytearray(content)
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        kind = data.draw(st.integers(0, 4))
        if kind == 0:
            del out[place : place + data.draw(st.integers(1, 20))]
        elif kind == 1:
            out[place:place] = data.draw(st.binary(min_size=1, max_size=8))
        elif kind == 2:
            out[place:place] = out[: data.draw(st.integers(0, 60))]
        else:
            out[place : place + 1] = bytes([data.draw(st.integers(0, 255))])
    return bytes(out[: data.draw(st.integers(0, len(out)))]) if data.draw(st.booleans()) else bytes(out)


@settings(deadline=None, max_examples=500)
@given(st.data())
def test_a_damaged_file_is_read_or_refused_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    events = [(0, tempo(400_000)), (0, meter(3, 2)), (0, b"\xf0\x02\x41\xf7"), *NOTE_OF_A_QUARTER * 4]
    path = tmp_path_factory.getbasetemp() / "damaged.mid"
    path.write_bytes(mutated(data, tracks_of(events, NOTE_OF_A_QUARTER * 3)))
    begun = time.perf_counter()
    try:
        labels = midi.read(path)
        warnings = midi.troubles(path)
    except BadInput as error:
        assert error.reason
        return
    finally:
        assert time.perf_counter() - begun < 2
    assert labels.notes is not None and len(labels.notes) and len(warnings) <= 1
    assert labels.beats is not None and labels.beats.has_downbeats


@given(st.data())
def test_a_file_that_was_cut_is_never_read(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    content = tracks_of(NOTE_OF_A_QUARTER * 4, NOTE_OF_A_QUARTER * 3)
    path = tmp_path_factory.getbasetemp() / "cut.mid"
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(BadInput) as caught:
        midi.read(path)
    assert caught.value.reason in ("empty", "not midi", "truncated")


def test_a_folder_a_pipe_or_a_missing_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mid")
    for path in (tmp_path, tmp_path / "pipe.mid", tmp_path / "none.mid"):
        with pytest.raises(BadInput):
            midi.read(path)
