"""People's corrections survive every spreadsheet, and no spreadsheet makes a correction of its own."""

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen import label_table
from musegen.catalogue import CatalogueRow
from musegen.errors import BadInput
from musegen.label_table import EDITABLE, Correction, Edits

A, B, C = "1234e567" + "0" * 24, "b" * 32, "0" * 32

Table = list[list[str]]


def row(track: str = A, name: str = "jig/a", **known: Any) -> CatalogueRow:
    plain: dict[str, Any] = {
        "track": track, "name": name, "layout": "folder", "group": track, "grouped_by": "", "split": "train",
        "audio": f"{name}.wav", "files": "{}", "labels_sha256": "1" * 64, "seconds": 183.4, "sample_rate": 44100,
        "channels": 2, "style": "jig",
        "style_confidence": 0.4, "notes": 64, "notes_confidence": 1.0, "beats": 32, "beats_confidence": 0.9,
        "chords": None, "bpm": 120.0, "key": "D", "meter": "3/4", "title": "The Kesh", "artist": None, "licence": None,
        "consent": None, "composes": "", "misfits": "[]", "files_sha256": "", "warnings": '["beats: odd"]',
    }  # fmt: skip
    sources = {"style": "transcriber@3", "notes": ".mid", "beats": ".beats", "bpm": ".mid", "title": "tags"}
    return CatalogueRow(**{**plain, "sources": json.dumps(sources), **known})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "labels.csv"


def cells(path: Path) -> Table:
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline="")))


def save(path: Path, table: Table, delimiter: str = ",", encoding: str = "utf-8-sig", end: str = "\r\n") -> None:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator=end).writerows(table)
    path.write_bytes(text.getvalue().encode(encoding))


def edit(path: Path, column: str, text: str, line: int = 1) -> None:
    """Put `text` into a cell, as a person would."""
    table = cells(path)
    table[line][table[0].index(column)] = text
    save(path, table)


def cell(path: Path, column: str, line: int = 1) -> str:
    table = cells(path)
    return table[line][table[0].index(column)]


def words(path: Path, track: str = A) -> dict[str, Any]:
    return label_table.read(path).of(track)


def test_without_a_table_nobody_has_said_anything(path: Path) -> None:
    assert label_table.read(path) == Edits() and Edits().of(A) == {}


def test_what_was_written_holds_no_edit_and_is_written_to_the_byte_again(path: Path) -> None:
    rows = [row(), row(B, "jig/b", title="1/2", style="2-4", consent=True, bpm=92.514, meter="6/8", licence="CC0")]
    label_table.write(path, rows, Edits())
    first = path.read_bytes()
    assert first.startswith(b"\xef\xbb\xbftrack,name,style,")
    edits = label_table.read(path)
    assert edits.corrections == {}
    label_table.write(path, rows, edits)
    assert path.read_bytes() == first
    label_table.write(path, rows[::-1], edits)
    assert path.read_bytes() == first


def test_every_label_has_its_origin_and_confidence_and_the_least_sure_comes_first(path: Path) -> None:
    unsure, sure = row(B, "a", style_confidence=0.1), row(C, "b", style_confidence=0.95, beats_confidence=0.2)
    label_table.write(path, [row(), sure, unsure, row("d" * 32, "z", style=None)], Edits())
    assert [line[1] for line in cells(path)[1:]] == ["z", "a", "b", "jig/a"]
    shown = dict(zip(cells(path)[0], cells(path)[4], strict=True))
    assert (shown["style"], shown["style_origin"], shown["style_confidence"]) == ("jig", "transcriber@3", "40%")
    assert (shown["notes"], shown["notes_origin"], shown["notes_confidence"]) == ("64", "file", "100%")
    assert (shown["bpm"], shown["bpm_origin"], shown["seconds"], shown["warnings"]) == (
        "120", "file", "183", "beats: odd"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("column", "typed", "meant"),
    [
        ("style", "Slip Jig", "slip_jig"), ("style", "-", None), ("style", "–", None),
        ("bpm", "92,5", 92.5), ("bpm", "92.5 BPM", 92.5), ("bpm", "130", 130.0), ("bpm", "-", None),
        ("key", "f# minor", "F#m"), ("key", "-", None),
        ("meter", "6/8", "6/8"), ("meter", "6/8 time", "6/8"), ("meter", "'2/4", "2/4"),
        ("title", "'=SUM(A1)", "=SUM(A1)"), ("title", "=SUM(A1)", "=SUM(A1)"), ("title", "'Round", "'Round"),
        ("artist", "O’Neill; “the Chief”, \"Capt.\"\nChicago", "O’Neill; “the Chief”, \"Capt.\"\nChicago"),
        ("licence", "CC BY 4.0", "CC BY 4.0"),
        ("consent", "yes", True), ("consent", "FALSE", False), ("consent", "Nein", False), ("consent", "WAHR", True),
        ("split", "Validation", "valid"),
    ],
)  # fmt: skip
def test_an_edited_cell_is_a_persons_word_and_stays(path: Path, column: str, typed: str, meant: Any) -> None:
    rows = [row(), row(B, "jig/b")]
    label_table.write(path, rows, Edits())
    edit(path, column, typed)
    edits = label_table.read(path)
    assert edits.of(A) == {column: meant} and edits.of(B) == {}
    for _ in range(2):
        label_table.write(path, rows, edits)
        edits = label_table.read(path)
        assert edits.of(A) == {column: meant} and edits.of(B) == {}
    mine = 1 + [line[0] for line in cells(path)[1:]].index(f"t:{A}")
    if f"{column}_origin" in cells(path)[0]:
        assert cell(path, f"{column}_origin", mine) == "human"
    if column == "style":
        assert cell(path, "style_confidence", mine) == "100%" and mine == 2


def test_an_emptied_cell_goes_back_to_what_the_files_say(path: Path) -> None:
    label_table.write(path, [row()], Edits())
    edit(path, "style", "reel")
    label_table.write(path, [row(style="reel", sources='{"style": "human"}')], label_table.read(path))
    assert words(path) == {"style": "reel"}
    edit(path, "style", "")
    assert words(path) == {}
    label_table.write(path, [row()], label_table.read(path))
    assert (cell(path, "style"), cell(path, "style_origin")) == ("jig", "transcriber@3")


def test_a_cell_that_goes_back_to_the_files_value_is_still_a_persons_word(path: Path) -> None:
    label_table.write(path, [row()], Edits())
    edit(path, "style", "reel")
    label_table.write(path, [row()], label_table.read(path))
    edit(path, "style", "jig")
    assert words(path) == {"style": "jig"}


def test_a_guess_is_confirmed_by_its_origin(path: Path) -> None:
    label_table.write(path, [row()], Edits())
    edit(path, "style_origin", "Human")
    assert words(path) == {"style": "jig"}


def test_a_word_that_was_taken_back_during_a_survey_does_not_come_back(path: Path) -> None:
    label_table.write(path, [row()], Edits())
    edit(path, "style", "reel")
    edits = label_table.read(path)
    edit(path, "style", "")
    label_table.write(path, [row(style="reel", sources='{"style": "human"}')], edits)
    assert words(path) == {} and cell(path, "style") == ""


def test_an_edit_that_is_made_during_a_survey_is_not_lost(path: Path) -> None:
    label_table.write(path, [row()], Edits())
    edits = label_table.read(path)
    edit(path, "key", "Em")
    label_table.write(path, [row()], edits)
    assert words(path) == {"key": "Em"} and cell(path, "key") == "Em"
    edits = label_table.read(path)
    edit(path, "key", "H#")
    before = path.read_bytes()
    with pytest.raises(BadInput, match=r"labels\.csv: row 2, column key"):
        label_table.write(path, [row()], edits)
    assert path.read_bytes() == before


def test_what_was_said_of_an_absent_track_is_kept_until_it_is_back(path: Path) -> None:
    label_table.write(path, [row(), row(B, "jig/b")], Edits())
    edit(path, "style", "reel")
    for rows in ([row(B, "jig/b")], [], [row(B, "jig/b")]):
        label_table.write(path, rows, label_table.read(path))
        assert words(path) == {"style": "reel"}
        assert (cell(path, "name", -1), cell(path, "absent", -1), cell(path, "notes", -1)) == ("jig/a", "yes", "")
    label_table.write(path, [row(), row(B, "jig/b")], label_table.read(path))
    assert words(path) == {"style": "reel"} and not any("yes" in line for line in cells(path))


def test_columns_of_ones_own_are_kept(path: Path) -> None:
    label_table.write(path, [row()], Edits())
    save(path, [[*line, text] for line, text in zip(cells(path), ["checked by", "Ann, -1"], strict=True)])
    label_table.write(path, [row()], label_table.read(path))
    assert cell(path, "checked by") == "Ann, -1" and words(path) == {}


SAVED_AS: dict[str, Callable[[Path, Table], None]] = {
    "Excel": lambda path, table: save(path, table),
    "Excel in Germany": lambda path, table: save(path, table, ";"),
    "LibreOffice": lambda path, table: save(path, table, encoding="utf-8", end="\n"),
    "Numbers": lambda path, table: save(path, table, ";", "utf-8", "\n"),
    "Unicode text": lambda path, table: save(path, table, "\t", "utf-16"),
    "UTF-16 without mark": lambda path, table: save(path, table, "\t", "utf-16-be"),
    "old Macintosh": lambda path, table: save(path, table, end="\r"),
    "sep=": lambda path, table: path.write_bytes(
        b"sep=;\r\n" + "\r\n".join(";".join(f'"{c}"' for c in line) for line in table).encode()
    ),
    "upper case": lambda path, table: save(path, [[name.upper() for name in table[0]], *table[1:]]),
    "sorted": lambda path, table: save(path, [table[0], *sorted(table[1:], reverse=True)]),
    "columns turned round": lambda path, table: save(path, [line[::-1] for line in table]),
    "columns deleted": lambda path, table: save(path, [[line[0], line[2], *line[12:]] for line in table]),
    "blank rows and columns": lambda path, table: save(
        path, [*([*line, "", ""] for line in table), [""] * (len(table[0]) + 2), []]
    ),
}


@pytest.mark.parametrize("program", SAVED_AS)
def test_however_it_is_saved_only_edits_are_edits(path: Path, program: str) -> None:
    rows = [row(title="Ünder; “Möön”", licence="=cmd|' /C calc'!A0"), row(B, "jig/b", consent=False), row(C, "c")]
    label_table.write(path, rows, Edits({B: Correction({"key": "Am", "bpm": 92.25})}))
    SAVED_AS[program](path, cells(path))
    assert label_table.read(path).corrections.keys() == {B}
    assert words(path, B) == {"key": "Am", "bpm": 92.25}


def test_other_spellings_of_the_same_are_no_edit_and_the_delimiter_is_kept(path: Path) -> None:
    rows = [row(), row(B, "jig/b", consent=False), row(C, "c", consent=True, bpm=92.5, meter="6/8")]
    label_table.write(path, rows, Edits())
    spelt = {"yes": "WAHR", "no": "FALSE", "120": "120,00", "92.5 bpm": "92,5", "jig": " Jig", "6/8 time": "6/8",
             "The Kesh": "The  Kesh", "D": "D major", "train": "Train"}  # fmt: skip
    save(path, [cells(path)[0], *([spelt.get(text, text) for text in line] for line in cells(path)[1:])], ";")
    edits = label_table.read(path)
    assert edits.corrections == {}
    label_table.write(path, rows, edits)
    assert path.read_bytes().startswith(b"\xef\xbb\xbftrack;name;")


def test_a_row_that_a_person_adds_is_their_word(path: Path) -> None:
    save(path, [["track", "style", "bpm", "written"], [C.upper(), "reel", "", ""]])
    assert words(path, C) == {"style": "reel"}


def test_a_row_that_a_person_deletes_says_nothing_more(path: Path) -> None:
    label_table.write(path, [row()], Edits({A: Correction({"style": "reel"})}))
    save(path, cells(path)[:1])
    assert label_table.read(path).corrections == {}


@pytest.mark.parametrize(
    ("column", "typed", "told"),
    [
        ("bpm", "fast", "column bpm: 'fast' is no tempo; write"), ("bpm", "12. Mai", "a spreadsheet made a date of it"),
        ("bpm", "nan", "no tempo"), ("bpm", "5", "outside 10..1000"), ("bpm", "120125", "outside"),
        ("key", "H#", "column key: key 'H#'"), ("meter", "03. Apr", "no meter, perhaps a spreadsheet made"),
        ("meter", "3-Apr", "date"), ("meter", "03/04/2026", "date"), ("meter", "2026-04-03 00:00:00", "date"),
        ("meter", "46115", "date"), ("meter", "waltz", "'waltz' is no meter; write it as `6/8 time`"),
        ("consent", "maybe", "column consent: 'maybe' is neither yes nor no"), ("split", "dunno", "column split"),
        ("style", "_", "column style"), ("track", "1,23E+31", "a spreadsheet made a number of it"),
        ("track", "", "no track id"), ("written", "v1 x", "it was changed"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_its_row_and_column(path: Path, column: str, typed: str, told: str) -> None:
    label_table.write(path, [row(), row(B, "jig/b", style_confidence=1.0)], Edits())
    edit(path, column, typed, line=2)
    with pytest.raises(BadInput, match=f"labels.csv: row 3,.*{re.escape(told)}") as caught:
        label_table.read(path)
    assert caught.value.reason == "bad table" and caught.value.file == path


def test_all_that_is_wrong_is_told_at_once(path: Path) -> None:
    label_table.write(path, [row(f"{index:032x}", f"{index}") for index in range(9)], Edits())
    for line in range(1, 9):
        edit(path, "bpm", "fast", line)
    with pytest.raises(BadInput, match=r"(?s)row 2,.*row 6,.*and 3 more"):
        label_table.read(path)


DAMAGES: dict[str, tuple[Callable[[Table], Any], str]] = {
    "two rows": (lambda table: [*table, table[1]], "row 4, it is the same track as in row 2"),
    "shuffled": (lambda table: [table[0], [*table[1][:-1], table[2][-1]], table[2]], "only some columns were sorted"),
    "no written": (lambda table: [line[:-1] for line in table], "column 'written' is missing"),
    "no track": (lambda table: [line[1:] for line in table], "no column 'track'"),
    "column twice": (lambda table: [[*line, line[2]] for line in table], "column 'style' is there twice"),
    "a word's column": (lambda table: [[*line[:2], *line[3:]] for line in table], "column style: it is missing"),
    "cut short": (lambda table: [*table[:2], table[2][:4]], "row 3: it has 4 cells"),
    "shifted": (lambda table: [*table[:2], ["t", *table[2]]], "row 3: a cell stands under no column"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_table_that_is_damaged_is_refused(path: Path, damage: str) -> None:
    change, told = DAMAGES[damage]
    label_table.write(
        path, [row(), row(B, "b")], Edits({A: Correction({"style": "reel"}), B: Correction({"key": "D"})})
    )
    save(path, change(cells(path)))
    with pytest.raises(BadInput, match=re.escape(told)):
        label_table.read(path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "it is empty"), (b"track;title;written\nt:" + A.encode() + ";Möön;\n".encode("cp1252"), "UTF-8"),
        (b'track,written\n"t:' + A.encode(), "quotes are damaged"), (b"\x89PNG\r\n\x1a\n\0\0", "it is not in UTF-8"),
        (b"track,title,written\nt:" + A.encode() + b",Gda?sk,\n", "lost letters"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_table_is_refused(path: Path, content: bytes, told: str) -> None:
    path.write_bytes(content)
    with pytest.raises(BadInput, match=told):
        label_table.read(path)


@pytest.mark.parametrize(
    "text", ["=1+1", "+49", "-1", "@SUM(A1)", "＝1", "x\n=1", "x,=1", "x;-1", "\t=1", "'=1", "''@"]
)
def test_no_cell_of_a_strangers_file_is_a_formula_wherever_a_program_cuts_it(path: Path, text: str) -> None:
    rows = [row(name=text, title=text, artist=text, licence=text, style=text, warnings=json.dumps([text]))]
    label_table.write(path, rows, Edits())
    assert not re.search(r"""[,;\t|\n]["]?[=+\-@＝]""", path.read_text(encoding="utf-8-sig"))
    assert label_table.read(path).corrections == {}


@pytest.mark.parametrize("text", ["007", "1/2", "1e5", "May 7", "3-4", "TRUE", "12:30", "5月3日", "'39", "1999"])
def test_no_text_becomes_a_number_or_a_date(path: Path, text: str) -> None:
    label_table.write(path, [row(title=text)], Edits({A: Correction({"artist": text})}))
    assert cell(path, "title") == cell(path, "artist") == f"'{text}"
    assert words(path) == {"artist": text}


@pytest.mark.parametrize("text", ["Symphony No. 5", "Track 01", "'Round Midnight", "99 Luftballons", "2-step"])
def test_other_text_is_left_as_it_is(path: Path, text: str) -> None:
    label_table.write(path, [row(title=text)], Edits())
    assert cell(path, "title") == text


NO_SURROGATES = st.characters(exclude_categories=["Cs"])
TEXT = st.text(NO_SURROGATES | st.sampled_from("=+-@'\",;\t\r\n\0?/19e"), max_size=12)
SAID = st.text(NO_SURROGATES | st.sampled_from("=+-@'\",;\n/19e"), min_size=1, max_size=12)


@settings(max_examples=150)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("name", "title", "artist", "licence", "style", "key"), TEXT)),
       st.none() | st.floats(10, 1000), st.sampled_from([",", ";", "\t"]), st.sampled_from(["\n", "\r\n"]))  # fmt: skip
def test_whatever_files_say_is_no_edit(
    tmp_path_factory: pytest.TempPathFactory, texts: dict[str, str], bpm: float | None, delimiter: str, end: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "said.csv"
    path.unlink(missing_ok=True)
    rows = [replace(row(bpm=bpm), **texts), row(B)]  # type: ignore[arg-type]
    label_table.write(path, rows, Edits())
    save(path, cells(path), delimiter, end=end)
    assert label_table.read(path).corrections == {}


@settings(max_examples=150)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(("title", "artist", "licence"), st.none() | SAID),
            "bpm": st.none() | st.integers(1000, 100_000).map(lambda hundredths: hundredths / 100),
            "meter": st.sampled_from([None, "3/4", "6/8", "12/8"]),
            "key": st.sampled_from([None, "C", "F#m", "Bb"]),
            "consent": st.sampled_from([None, True, False]),
            "split": st.sampled_from([None, "train", "valid", "test"]),
        },
    ),
    st.booleans(),
)
def test_whatever_people_say_is_read_back_unchanged(
    tmp_path_factory: pytest.TempPathFactory, said: dict[str, Any], there: bool
) -> None:
    path = tmp_path_factory.getbasetemp() / "words.csv"
    path.unlink(missing_ok=True)
    rows = [row(), row(B)] if there else [row(B)]
    # What a person can type: tidy text, and a dash alone means that there is none.
    said = {name: _typed(value) if isinstance(value, str) else value for name, value in said.items()}
    said = {name: value for name, value in said.items() if value not in ("", "–", "—")}
    label_table.write(path, rows, Edits({A: Correction(said)} if said else {}))
    edits = label_table.read(path)
    assert edits.of(A) == said and edits.of(B) == {}
    first = path.read_bytes()
    label_table.write(path, rows, edits)
    assert path.read_bytes() == first


def _typed(text: str) -> str:
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", "", text.replace("\r", "\n")).strip()


def test_the_editable_fields_are_columns(path: Path) -> None:
    label_table.write(path, [row()], Edits())
    assert set(EDITABLE) < set(cells(path)[0]) and cells(path)[0][-1] == "written"
