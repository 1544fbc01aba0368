"""Printed music becomes the notes and beats that a player would make of it."""

import io
import time
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from musegen.errors import BadInput
from musegen.label_files import scores
from musegen.labels import Beats, Notes
from musegen.theory import Key

PICKUP_AND_TIE = """\
<measure number="0" implicit="yes">
  <attributes><divisions>2</divisions><key><fifths>-2</fifths><mode>minor</mode></key>
    <time><beats>3</beats><beat-type>4</beat-type></time></attributes>
  <direction><direction-type><words>Slow</words></direction-type><sound tempo="60"/></direction>
  <note><pitch><step>C</step><octave>4</octave></pitch><duration>2</duration></note></measure>
<measure number="1">
  <harmony><root><root-step>C</root-step></root><kind>major</kind></harmony>
  <note><grace/><pitch><step>B</step><octave>4</octave></pitch></note>
  <note><pitch><step>D</step><octave>4</octave></pitch><duration>6</duration><tie type="start"/></note></measure>
<measure number="2">
  <note><pitch><step>D</step><octave>4</octave></pitch><duration>2</duration><tie type="stop"/></note>
  <note><rest/><duration>2</duration></note>
  <note><pitch><step>E</step><octave>4</octave></pitch><duration>2</duration></note>
  <note><chord/><pitch><step>G</step><octave>4</octave></pitch><duration>2</duration></note></measure>
"""


def xml(measures: str, title: str = "Air &amp; Jig") -> str:
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 3.1 Partwise//EN" "http://www.musicxml.org/dtds/partwise.dtd">
<score-partwise version="3.1"><work><work-title>{title}</work-title></work>
<identification><creator type="lyricist">L.</creator><creator type="composer">C. Composer</creator></identification>
<part-list><score-part id="P1"><part-name>Music</part-name></score-part></part-list>
<part id="P1">{measures}</part></score-partwise>"""


def packed(content: str, name: str = "music/score.xml") -> bytes:
    container = f'<container><rootfiles><rootfile full-path="{name}"/></rootfiles></container>'
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("META-INF/container.xml", container)
        archive.writestr("other.xml", "<other/>")
        archive.writestr(name, content)
    return file.getvalue()


def abc(body: str, header: str = "M:4/4\nL:1/4\nK:C") -> str:
    return f"X:1\nT:Tune\n{header}\n{body}\n"


def read(tmp_path: Path, suffix: str, content: str | bytes) -> tuple[Notes, Beats]:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    labels = scores.read(path)
    assert labels.notes is not None and labels.beats is not None
    return labels.notes, labels.beats


def sounding(notes: Notes) -> list[tuple[float, float, int]]:
    return [(round(row[0], 6), round(row[1], 6), row[2]) for row in notes.table.tolist()]


@pytest.mark.parametrize("suffix", [".musicxml", ".mxl"])
def test_ties_join_grace_notes_and_chord_symbols_go_and_a_pickup_precedes_the_downbeat(
    tmp_path: Path, suffix: str
) -> None:
    content = xml(PICKUP_AND_TIE)
    notes, beats = read(tmp_path, suffix, content if suffix == ".musicxml" else packed(content))
    assert sounding(notes) == [(0, 1, 60), (1, 4, 62), (6, 1, 64), (6, 1, 67)]
    assert beats.seconds.tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert beats.positions.tolist() == [3, 1, 2, 3, 1, 2, 3, 1]
    labels = scores.read(tmp_path / f"a{suffix}")
    assert beats.tempo_known and labels.tempo is not None and labels.tempo.bpm == 60
    assert labels.tonality is not None and labels.tonality.key == Key(7, minor=True)


def test_a_tune_without_a_tempo_plays_at_120_and_says_that_nobody_knows(tmp_path: Path) -> None:
    notes, beats = read(tmp_path, ".abc", abc('"C"CDEF|"_slow"G4|]'))
    assert sounding(notes) == [(0, 0.5, 60), (0.5, 0.5, 62), (1, 0.5, 64), (1.5, 0.5, 65), (2, 2, 67)]
    assert beats.positions.tolist() == [1, 2, 3, 4] * 2 + [1] and not beats.tempo_known
    assert scores.read(tmp_path / "a.abc").tempo is None


def test_a_jig_counts_dotted_quarters_at_its_own_tempo(tmp_path: Path) -> None:
    notes, beats = read(tmp_path, ".abc", abc("A|ABc d2e|f2e dcB|A3-A2|]", "M:6/8\nL:1/8\nQ:3/8=60\nK:Am"))
    assert beats.quarters_per_beat == 1.5 and beats.bpm == pytest.approx(90)
    assert beats.seconds.tolist()[:3] == pytest.approx([1 / 3, 4 / 3, 7 / 3])
    assert beats.positions.tolist()[:4] == [1, 2, 1, 2]
    assert sounding(notes)[-1] == (pytest.approx(13 / 3), pytest.approx(5 / 3), 69)
    tonality = scores.read(tmp_path / "a.abc").tonality
    assert tonality is not None and tonality.key == Key(9, minor=True)


def test_repeats_are_played_with_their_endings(tmp_path: Path) -> None:
    notes, beats = read(tmp_path, ".abc", abc("|:CDEF|1 G4:|2 A4|]"))
    assert [pitch for _, _, pitch in sounding(notes)] == [60, 62, 64, 65, 67, 60, 62, 64, 65, 69]
    assert len(beats) == 17 and beats.seconds[-1] == 8.0


def test_a_bar_that_a_repeat_divides_is_one_bar(tmp_path: Path) -> None:
    _, beats = read(tmp_path, ".abc", abc("|:C|DEFG|ABc:|\n|:d|DEFG|ABc:|"))
    assert beats.positions.tolist() == [4, 1, 2, 3, 4, 1, 2, 3] * 4


def test_a_tune_of_too_few_bars_to_be_barred_keeps_its_meter(tmp_path: Path) -> None:
    _, beats = read(tmp_path, ".abc", abc("CDE", "M:3/4\nL:1/4\nK:C"))
    assert beats.positions.tolist() == [1, 2, 3, 1]


def test_a_repeat_of_a_million_times_is_played_once(tmp_path: Path) -> None:
    mark = '<barline location="right"><repeat direction="backward" times="1000000"/></barline></measure>'
    begun = time.perf_counter()
    notes, _ = read(tmp_path, ".musicxml", xml(PICKUP_AND_TIE[: PICKUP_AND_TIE.rindex("</measure>")] + mark))
    assert len(notes) == 4 and time.perf_counter() - begun < 10


def test_a_change_of_meter_is_followed(tmp_path: Path) -> None:
    bar = "<measure>{}<note><pitch><step>C</step><octave>4</octave></pitch><duration>{}</duration></note></measure>"
    time_of = "<attributes><divisions>1</divisions><time><beats>{}</beats><beat-type>4</beat-type></time></attributes>"
    content = bar.format(time_of.format(3), 3) + bar.format(time_of.format(2), 2) + bar.format("", 2)
    _, beats = read(tmp_path, ".musicxml", xml(content))
    assert beats.positions.tolist() == [1, 2, 3, 1, 2, 1, 2, 1]


def test_voices_are_parts(tmp_path: Path) -> None:
    notes, _ = read(tmp_path, ".abc", "X:1\nT:x\nM:4/4\nL:1/4\nV:1\nV:2\nK:C\nV:1\nCDEF|\nV:2\nC,4|\n")
    assert sorted(set(notes.table["part"].tolist())) == [0, 1] and len(notes) == 5


def test_the_header_says_title_composer_and_style(tmp_path: Path) -> None:
    (tmp_path / "a.abc").write_text(abc("C4|]", "C:Trad. & al.\nR:slip jig\nM:4/4\nL:1/4\nK:C"))
    assert scores.said(tmp_path / "a.abc").known() == {"title": "Tune", "artist": "Trad. & al.", "style": "slip jig"}
    (tmp_path / "a.mxl").write_bytes(packed(xml(PICKUP_AND_TIE)))
    assert scores.said(tmp_path / "a.mxl").known() == {"title": "Air & Jig", "artist": "C. Composer"}


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", 0.25),
        ("M:\n", 0.25),
        ("M:none\n", 0.25),
        ("M:C\n", 0.25),
        ("M:2/4\n", 0.125),
        ("L:1/4\n", 0.5),
    ],
)
def test_a_tune_without_a_note_length_has_that_of_the_standard(tmp_path: Path, header: str, seconds: float) -> None:
    notes, _ = read(tmp_path, ".abc", f"X:1\nT:t\n{header}K:D\nDEFG|\n")
    assert notes.table["seconds"].tolist() == [seconds] * 4


def test_printed_rights_are_a_licence_only_if_they_name_one(tmp_path: Path) -> None:
    for rights, licence in (("© 2001 A Publisher. All rights reserved.", None), ("© Ann, CC BY 4.0", "CC BY 4.0")):
        content = f"<identification><rights>{rights}</rights></identification>"
        (tmp_path / "a.musicxml").write_text(f"<score-partwise>{content}</score-partwise>")
        assert scores.said(tmp_path / "a.musicxml").licence == licence


@pytest.mark.parametrize("content", ["X:1\nM:4/4/4\nK:D\nDEFG|\n", "X:1\nL:zero\nK:D\nDEFG|\n"])
def test_what_music21_can_not_read_is_told_without_its_insides(tmp_path: Path, content: str) -> None:
    with pytest.raises(BadInput) as caught:
        read(tmp_path, ".abc", content)
    assert str(caught.value) == "music21 can't read its notation; export it as MIDI"


LAUGHS = '<!DOCTYPE x [<!ENTITY a "haha">' + "".join(
    f'<!ENTITY {b} "{f"&{a};" * 20}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
BROKEN = {
    "nothing": (".musicxml", "", "empty"),
    "no tune": (".abc", "hello\n", "not a score"),
    "two tunes": (".abc", abc("C4|]") + "\n" + abc("D4|]"), "several tunes"),
    "a meter that changes": (".abc", abc("C4|[M:3/4]C3|]"), "meter changes"),
    "a tune without notes": (".abc", abc("z4|]"), "no notes"),
    "other XML": (".musicxml", "<html/>", "not a score"),
    "half a file": (".musicxml", xml(PICKUP_AND_TIE)[:900], "not a score"),
    "no notes": (".musicxml", xml("<measure/>"), "no notes"),
    "a billion laughs": (".musicxml", f"{LAUGHS}]><score-partwise>&i;</score-partwise>", "not a score"),
    "laughs in UTF-16": (".musicxml", f"{LAUGHS}]><score-partwise/>".encode("utf-16"), "not a score"),
    "a bomb": (".mxl", packed("<score-partwise>" + " " * 60_000_000), "too big"),
    "an empty archive": (".mxl", b"PK\x05\x06" + b"\0" * 18, "not a score"),
    "half an archive": (".mxl", packed(xml(PICKUP_AND_TIE))[:-60], "not a score"),
    "no archive": (".mxl", b"\0\1\2\3", "not a score"),
    "a binary tune": (".abc", b"X:1\0\1", "not text"),
}  # fmt: skip


@pytest.mark.parametrize(("suffix", "content", "reason"), BROKEN.values(), ids=BROKEN)
def test_what_is_broken_is_refused_with_its_reason(
    tmp_path: Path, suffix: str, content: str | bytes, reason: str
) -> None:
    with pytest.raises(BadInput) as caught:
        read(tmp_path, suffix, content)
    assert caught.value.reason == reason and len(str(caught.value)) < 300


def test_too_big_a_file_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "a.musicxml").open("wb") as file:
        file.truncate(30_000_000)
    with pytest.raises(BadInput) as caught:
        scores.read(tmp_path / "a.musicxml")
    assert caught.value.reason == "too big"


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from([".abc", ".musicxml", ".mxl"]), st.data())
def test_a_damaged_score_is_read_or_refused_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, data: st.DataObject
) -> None:
    whole = {
        ".abc": abc("|:CDEF|(3GGG A2 [CE]2|1 z4:|2 [CEG]4-|[CEG]4|]").encode(),
        ".musicxml": xml(PICKUP_AND_TIE).encode(),
        ".mxl": packed(xml(PICKUP_AND_TIE)),
    }[suffix]
    content = bytearray(whole)
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / f"damaged{suffix}"
    path.write_bytes(bytes(content))
    try:
        labels = scores.read(path)
    except BadInput as error:
        assert error.reason
        return
    assert labels.notes is not None and len(labels.notes)
