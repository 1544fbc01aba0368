"""Tables of tracks, as spreadsheets, data sets and people write them."""

import gzip
import json
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from musegen import corpora
from musegen.corpora import Found, rows, tables
from musegen.corpora.stems import Stem
from musegen.track import Track

TABLE = corpora.loader("table")


def find(root: Path, names: Sequence[str], content: str | bytes, table: str = "metadata.csv") -> Found:
    for name in (*names, table):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / table).write_bytes(content if isinstance(content, bytes) else content.encode())
    return TABLE.find(root)


def titles(found: Found) -> dict[str, str | None]:
    """The title that the best source gives, by track."""
    return {track.name: next((said.title for said in track.said if said.title), None) for track in found.tracks}


def styles(track: Track) -> list[tuple[str, str]]:
    return [(said.source, said.style) for said in track.said if said.style]


@pytest.mark.parametrize(
    "content",
    [
        "file_name,title\na.wav,Tüne\n",
        "file_name;title\r\na.wav;Tüne\r\n",
        "file_name\ttitle\na.wav\tTüne\n",
        '"File Name","Title","Notes"\n"a.wav","Tüne","x, y; z"\n',
        "filename,name\na,Tüne\n",
        "title,path\nTüne,./a.wav\n",
        "\n\naudio-filename,TITLE\na.wav,Tüne\n\n",
        "\ufefffile,title\na.wav,Tüne\n",
        "file_name,title\na.wav,Tüne\n".encode("utf-16"),
        "file_name,title\na.wav,Tüne\n".encode("latin-1"),
        "file_name,title\ra.wav,Tüne\r",
        "id,title\na,Tüne\n",
        "file_name,title,more\na.wav,Tüne\n",
    ],
)
def test_a_table_is_read_as_it_is_written(tmp_path: Path, content: str | bytes) -> None:
    found = find(tmp_path, ["a.wav"], content)
    assert titles(found) == {"a": "Tüne"}
    assert found.tables == (tmp_path / "metadata.csv",) and not found.warnings and not found.refused


@pytest.mark.parametrize("name", ["metadata.jsonl", "sub/labels.jsonl.gz", "x.tsv", "index.csv"])
def test_tables_go_by_many_names(tmp_path: Path, name: str) -> None:
    content = b"file_name\ttitle\na.wav\tTune\n"
    if "json" in name:
        content = json.dumps({"file_name": "a.wav", "title": "Tune"}).encode() + b"\n"
    assert titles(find(tmp_path, ["a.wav"], gzip.compress(content) if "gz" in name else content, name)) == {"a": "Tune"}


@pytest.mark.parametrize(
    ("value", "track"),
    [
        ("a.wav", "sub/a"),  # from the table's folder
        ("sub/a.wav", "sub/a"),  # from the corpus
        ("../b.wav", "b"),
        ("b.wav", "b"),
        ("b", "b"),
        ("b.mp3", "b"),  # the recording was converted since
        ("B.WAV", "b"),
        ("/home/me/corpus/x/y/c.d.wav", "x/y/c.d"),  # another machine's path
        ("C:\\music\\x\\y\\c.d.wav", "x/y/c.d"),
        ("y/c.d", "x/y/c.d"),
        ("/elsewhere/other/e.wav", "other/e"),
        ("/elsewhere/e.wav", None),  # two fit equally well
        ("none.wav", None),
        ("", None),
    ],
)
def test_a_row_names_a_file_from_its_folder_or_the_corpus_or_another_machine(
    tmp_path: Path, value: str, track: str | None
) -> None:
    files = ["sub/a.wav", "a.wav", "b.wav", "x/y/c.d.wav", "other/e.wav", "another/e.wav", "sure.wav"]
    found = find(tmp_path, files, f"file_name,title\n{value},Here\n../sure.wav,Sure\n", "sub/metadata.csv")
    assert [name for name, title in titles(found).items() if title == "Here"] == ([track] if track else [])
    assert bool(found.warnings) is (track is None)


def test_an_id_names_every_file_of_that_stem(tmp_path: Path) -> None:
    found = find(tmp_path, ["midi/reel/t1.mid", "abc/reel/t1.abc", "t2.mid"], "id,title\nt1,One\nt2,Two\n")
    assert titles(found) == {"midi/reel/t1": "One", "abc/reel/t1": "One", "t2": "Two"}


def test_ids_that_are_about_something_else_are_no_names_of_tracks(tmp_path: Path) -> None:
    events = "id,start,end\n1,0.0,0.5\n2,0.5,1.0\n"
    found = find(tmp_path, ["1.wav", "2.wav", "x.wav"], events, "x.csv")
    assert found.ignored[tmp_path / "x.csv"] == "no row of it names a file of this corpus" and not found.tables


def test_recordings_and_midi_that_one_row_names_are_one_track(tmp_path: Path) -> None:
    content = "audio_filename,midi_filename,title\nwav/a.wav,midi/b.mid,One\nwav/c.wav,midi/none.mid,Two\n"
    found = find(tmp_path, ["wav/a.wav", "wav/a.beats", "midi/b.mid", "wav/c.wav", "midi/d.mid"], content)
    tracks = {track.name: track for track in found.tracks}
    assert set(tracks) == {"wav/a", "wav/c", "midi/d"}
    assert tracks["wav/a"].files == {"midi": tmp_path / "midi/b.mid", "beats": tmp_path / "wav/a.beats"}
    assert titles(found) == {"wav/a": "One", "wav/c": "Two", "midi/d": None} and not found.warnings


def test_files_are_not_given_to_two_tracks(tmp_path: Path) -> None:
    content = "audio_filename,midi_filename\na.wav,x.mid\nb.wav,x.mid\nc.wav,d.wav\n"
    found = find(tmp_path, ["a.wav", "b.wav", "c.wav", "d.wav", "x.mid"], content)
    assert [track.name for track in found.tracks if track.files] == ["a"]
    assert len(found.tracks) == 4 and sum("stay apart" in warning for warning in found.warnings) == 2


def test_rows_that_name_no_file_are_counted_and_some_are_named(tmp_path: Path) -> None:
    content = "file_name,title\na.wav,A\n" + "".join(f"gone{number}.wav,G\n" for number in range(5))
    (warning,) = find(tmp_path, ["a.wav"], content).warnings
    assert warning == ("metadata.csv: 5 of 6 rows name no file of this corpus (gone0.wav, gone1.wav, gone2.wav, …)")


def test_of_two_rows_about_a_file_the_first_is_used(tmp_path: Path) -> None:
    found = find(tmp_path, ["a.wav"], "file_name,title\na.wav,First\na.wav,Second\n")
    assert titles(found) == {"a": "First"}
    assert found.warnings == ("metadata.csv: line 3 is about a again; its first row is used",)


def test_a_row_with_more_values_than_columns_is_left_out_with_its_line(tmp_path: Path) -> None:
    found = find(tmp_path, ["a.wav", "b.wav"], "file_name,title,genre\na.wav,Me, myself,pop\nb.wav,B,jazz\n")
    assert titles(found) == {"a": None, "b": "B"}
    assert "line 2 has 4 values for 3 columns" in found.warnings[0]


def test_values_that_can_not_be_used_are_told_with_their_line(tmp_path: Path) -> None:
    (warning,) = find(tmp_path, ["a.wav"], "file_name,bpm\na.wav,fast\n").warnings
    assert warning.startswith("metadata.csv: line 2: bpm 'fast'")


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("metadata.jsonl", b'{"file_name": "a.wav"}\n{"file_name": \n', "line 2 is not JSON"),
        ("metadata.jsonl", b'{"file_name": "a.wav"}\n[1]\n', "line 2 is no JSON object"),
        ("metadata.jsonl", b'{"file_name": ' + b"[" * 100_000, "line 1 is not JSON"),
        ("metadata.csv", b"\x00\x01\x02\x03", "not text"),
        ("metadata.csv", b'"file_name,title\na.wav,A\n', "a quote that opens in line 1 or later is never closed"),
        ("metadata.csv", b'file_name,title\na.wav,"A\nb.wav,B\n', "a quote that opens in line 2 or later is never"),
        ("metadata.csv", b"file_name,title\na.wav," + b"x" * 200_000 + b"\n", "damaged after line"),
        ("metadata.jsonl.gz", b"no gzip", "can't be read"),
        ("metadata.jsonl.gz", gzip.compress(b'{"file_name": "a.wav"}\n' * 9)[:-9], "can't be read"),
    ],
)
def test_a_damaged_table_is_refused_and_the_corpus_goes_on(
    tmp_path: Path, name: str, content: bytes, problem: str
) -> None:
    found = find(tmp_path, ["a.wav"], content, name)
    error = found.refused[tmp_path / name]
    assert error.reason == "bad table" and name not in str(error) and problem in str(error)
    assert error.file == tmp_path / name
    assert [track.name for track in found.tracks] == ["a"] and not found.tables
    (warning,) = found.warnings
    assert warning.startswith(f"{name} is not read (") and "consent" in warning


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("song,genre\na,pop\n", "no column that names files"),
        ("file_name,genre\nx.wav,pop\n", "no row of it names a file"),
        ("", "no column that names files"),
    ],
)
def test_a_table_about_nothing_here_is_ignored_aloud_if_it_is_called_metadata(
    tmp_path: Path, content: str, reason: str
) -> None:
    quiet = find(tmp_path / "quiet", ["a.wav"], content, "notes.csv")
    loud = find(tmp_path / "loud", ["a.wav"], content, "metadata.csv")
    assert loud.warnings[0].startswith("metadata.csv is not read (")
    assert reason in quiet.ignored[tmp_path / "quiet/notes.csv"] and not quiet.warnings
    assert reason in loud.ignored[tmp_path / "loud/metadata.csv"] and reason in loud.warnings[0]


def test_the_nearest_table_is_believed_first(tmp_path: Path) -> None:
    (tmp_path / "index.csv").write_text("file,style\nsub/a.wav,pop\n")
    found = find(tmp_path, ["sub/a.wav"], "file,style\na.wav,jazz\n", "sub/labels.csv")
    assert styles(found.tracks[0])[:2] == [("sub/labels.csv", "jazz"), ("index.csv", "pop")]


def test_the_folder_of_a_table_of_styles_is_a_collection_and_no_style(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x.wav").touch()
    table = "file,style\na.wav,pop\nreel/b.wav,jig\n"
    found = find(tmp_path, ["mine/a.wav", "mine/reel/b.wav", "mine/c.wav"], table, "mine/index.csv")
    assert {track.name: styles(track) for track in found.tracks} == {
        "mine/a": [("mine/index.csv", "pop")],
        "mine/c": [],
        "mine/reel/b": [("mine/index.csv", "jig")],
        "other/x": [("folder", "other")],
    }


def test_a_licence_text_counts_for_what_lies_beside_and_below_it(tmp_path: Path) -> None:
    for name, text in (("LICENSE", "MIT License"), ("jazz/COPYING.txt", "CC0"), ("empty/LICENCE", "")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    found = find(tmp_path, ["a.wav", "jazz/deep/b.wav", "empty/c.wav"], "x\n", "notes.csv")
    said = {track.name: [(said.source, said.licence) for said in track.said if said.licence] for track in found.tracks}
    mit, free = ("LICENSE", "MIT"), ("COPYING.txt", "CC0 1.0")
    assert said == {"a": [mit], "jazz/deep/b": [free], "empty/c": [mit]}
    assert found.refused[tmp_path / "empty/LICENCE"].reason == "empty"
    assert [path.name for path in found.tables] == ["LICENSE", "COPYING.txt"]


def test_records_by_column_are_rows_as_well(tmp_path: Path) -> None:
    columns = {"title": {"0": "A", "1": "B"}, "midi_filename": {"1": "b.mid", "0": "a.mid"}}
    (tmp_path / "maestro.json").write_text(json.dumps(columns))
    first, second = (row for _, row in tables.read(tmp_path / "maestro.json").rows)
    assert (first, second) == ({"title": "A", "midi_filename": "a.mid"}, {"title": "B", "midi_filename": "b.mid"})


def test_a_table_of_thousands_of_files_of_one_name_is_matched_by_their_folders(tmp_path: Path) -> None:
    stems = [Stem(f"song {number}", "vocals", {"audio": tmp_path / "x.wav"}) for number in range(20_000)]
    index = rows.Index(stems)
    started = time.process_time()
    assert all(index.find(f"/data/musdb/{stem.folder}/vocals.wav", "") == [stem] for stem in stems)
    assert len(index.find("vocals.wav", "")) == len(stems)
    assert time.process_time() - started < 5


def test_a_style_in_a_table_leaves_the_folder_nothing_to_say_and_other_tracks_keep_theirs(tmp_path: Path) -> None:
    table = "file_name,style,title\ndir/a.wav,Funk,A\nreel/b.wav,,B\n"
    found = find(tmp_path, ["dir/a.wav", "reel/b.wav", "jig/c.wav"], table)
    assert {track.name: styles(track) for track in found.tracks} == {
        "dir/a": [("metadata.csv", "Funk")], "jig/c": [("folder", "jig")], "reel/b": [("folder", "reel")],
    }  # fmt: skip


def test_a_no_counts_in_whichever_row_it_stands(tmp_path: Path) -> None:
    table = "file_name,title,consent\na.wav,First,yes\na.wav,Second,no\nx.wav,,no\n"
    found = find(tmp_path, ["a.wav", "p/x.wav", "q/x.wav", "c.wav"], table)
    refused = {track.name for track in found.tracks if any(said.consent is False for said in track.said)}
    assert refused == {"a", "p/x", "q/x"}
    assert titles(found)["a"] == "First"


def test_a_row_that_is_left_out_grants_nothing(tmp_path: Path) -> None:
    table = "file_name,title,consent\na.wav,Me, myself,no\nb.wav,B,yes\n"
    found = find(tmp_path, ["a.wav", "b.wav"], table)
    assert [[said.consent for said in track.said] for track in found.tracks] == [[False], [True]]
    assert "line 2 has 4 values for 3 columns" in found.warnings[0] and any(
        "write yes or no" in w for w in found.warnings
    )


@pytest.mark.parametrize("layout", ["folder", "table"])
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("metadata.csv", "a link that leads out of the corpus"),
        ("Metadata.xlsx", "a spreadsheet; export it as CSV"),
        ("metadata.json", "a label without a recording"),
        ("sub/metadata.jsonl", "a link that leads nowhere"),
    ],
)
def test_metadata_that_is_not_read_for_whatever_reason_is_told(
    tmp_path: Path, name: str, reason: str, layout: str
) -> None:
    (tmp_path / "corpus/sub").mkdir(parents=True)
    (tmp_path / "elsewhere.csv").write_text("file_name,consent\na.wav,no\n")
    path = tmp_path / "corpus" / name
    if "leads" in reason:
        path.symlink_to(tmp_path / ("none" if "nowhere" in reason else "elsewhere.csv"))
    else:
        path.touch()
    (tmp_path / "corpus/a.wav").touch()
    (warning,) = corpora.loader(layout).find(tmp_path / "corpus").warnings
    assert warning.startswith(f"{name} is not read ({reason}")


def test_the_layout_without_tables_says_that_it_reads_no_metadata(tmp_path: Path) -> None:
    for name in ("a.wav", ".git/metadata.csv", "metadata.wav", "other.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "metadata.csv").write_text("file_name,consent\na.wav,no\n")
    (warning,) = corpora.loader("folder").find(tmp_path).warnings
    assert warning.startswith("metadata.csv is not read (a table, which this layout does not read; ")


@pytest.mark.parametrize(
    ("content", "why"), [(b'"a,b\n1,2\n', "a quote that opens in line 1"), (b"\0", "it is not text")]
)
def test_what_is_called_a_table_and_is_none_is_not_said_to_be_one(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "notes.csv").write_bytes(content)
    (tmp_path / "a.wav").touch()
    found = corpora.loader("auto").find(tmp_path)
    assert found.ignored[tmp_path / "notes.csv"].startswith(f"it can't be read as a table: {why}")


def test_a_first_line_of_any_length_is_read(tmp_path: Path) -> None:
    line = json.dumps({"embedding": [0.25] * 50_000, "file_name": "a.wav", "title": "Tune"})
    (tmp_path / "a.wav").touch()
    (tmp_path / "labels.jsonl").write_text(f"{line}\n")
    assert titles(corpora.loader("auto").find(tmp_path)) == {"a": "Tune"}


def test_a_cell_as_long_as_a_book_is_no_name_of_a_file_and_takes_no_time(tmp_path: Path) -> None:
    started = time.process_time()
    long, deep = "/a" * 2_000_000, "/a" * 2000
    content = "".join(json.dumps({"file_name": name}) + "\n" for name in (long, "b.wav", *[deep] * 300))
    found = find(tmp_path, ["b.wav"], content, "metadata.jsonl")
    assert time.process_time() - started < 2
    (warning,) = found.warnings
    assert "301 of 302 rows" in warning and len(warning) < 600


def test_a_table_larger_than_a_table_is_refused(tmp_path: Path) -> None:
    found = find(tmp_path, ["a.wav"], b"file_name\n" + b"a.wav\n" * (11 << 20))
    assert str(found.refused[tmp_path / "metadata.csv"]) == "it is larger than 64 MiB; split it into several tables"


def test_the_licence_of_a_folder_that_denies_one_hides_that_of_the_folder_above(tmp_path: Path) -> None:
    (tmp_path / "label").mkdir()
    (tmp_path / "LICENSE").write_text("MIT License")
    (tmp_path / "label/LICENSE").write_text("© A Label. All rights reserved.")
    found = find(tmp_path, ["a.wav", "label/b.wav"], "x\n", "notes.csv")
    told = {track.name: [said.licence for said in track.said if said.source == "LICENSE"] for track in found.tracks}
    assert told == {"a": ["MIT"], "label/b": [""]}
    assert found.warnings == ("label/LICENSE names no licence; write its name (CC BY 4.0, …) into it",)
