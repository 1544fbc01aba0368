"""Which layout a folder has."""

import json
from pathlib import Path

import pytest

from musegen import corpora
from musegen.corpora.merge import Source, merge
from musegen.errors import BadInput

GROOVE = "drummer,session,id,style,midi_filename\n"


@pytest.mark.parametrize(
    ("files", "layout"),
    [
        ({"a.wav": ""}, "folder"),
        ({}, "folder"),
        ({"a.wav": "", "notes.csv": "time,value\n"}, "folder"),
        ({"a.wav": "", ".hidden/metadata.csv": "file_name\n"}, "folder"),
        ({"a.wav": "", "metadata.csv": '"file_name,style\na.wav,jig\n'}, "table"),
        ({"a.wav": "", "metadata.csv": "\0"}, "table"),
        ({"a.wav": "", "x.jsonl": '{"vector": "' + "x" * 200_000 + '", "path": "a.wav"}\n'}, "table"),
        ({"a.wav": "", "metadata.csv": "file_name,genre\n"}, "table"),
        ({"x/a.wav": "", "x/index.csv": "file\tstyle\n"}, "table"),
        ({"x/a.wav": "", "labels.jsonl": '{"path": "x/a.wav"}\n'}, "table"),
        ({"midi/a.mid": "", "index.csv": "id,style\n"}, "table"),
        ({"a.wav": "", "data.jsonl": '{"path": "a.wav"}\n'}, "audiocraft"),
        ({"a.wav": "", "data.jsonl.gz": ""}, "audiocraft"),
        ({"x/a.wav": "", "x/data.jsonl": '{"path": "a.wav"}\n'}, "table"),
        ({"2004/a.wav": "", "maestro-v3.0.0.csv": "audio_filename\n"}, "maestro"),
        ({"2004/a.wav": "", "maestro-v3.0.0.json": '{"audio_filename": {"0": "2004/a.wav"}}'}, "maestro"),
        ({"a.mid": "", "info.csv": GROOVE}, "groove"),
        ({"a.mid": "", "info.csv": "file,drums\n"}, "table"),
        ({"001/001.mid": "", "001/beat_midi.txt": "", "001/versions/a.mid": "", "001/versions/b.mid": ""}, "pop909"),
        ({"001.mid": "", "001.beat_midi.txt": "", "index.csv": "id,title\n"}, "pop909"),
        ({"a.wav": "", "b.wav": "", "pop/001.mid": "", "pop/001.beat_midi.txt": ""}, "folder"),
    ],
)
def test_a_folder_has_the_layout_that_its_files_tell(tmp_path: Path, files: dict[str, str], layout: str) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    assert corpora.detect(tmp_path) == layout
    auto, named = (corpora.loader(name).find(tmp_path) for name in ("auto", layout))
    assert (auto.tracks, auto.ignored, auto.tables) == (named.tracks, named.ignored, named.tables)
    assert (auto.refused.keys(), auto.warnings) == (named.refused.keys(), named.warnings)


def test_a_folder_that_is_not_there_has_none(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such folder"):
        corpora.detect(tmp_path / "none")


def test_maestro_is_classical_and_its_composer_the_artist(tmp_path: Path) -> None:
    (tmp_path / "2004").mkdir()
    (tmp_path / "2004/a.midi").touch()
    (tmp_path / "maestro-v3.0.0.csv").write_text(
        "canonical_composer,canonical_title,split,midi_filename\nClara Schumann,Op. 6,validation,2004/a.midi\n"
    )
    (track,) = corpora.loader("maestro").find(tmp_path).tracks
    row, implied = track.said
    assert (row.artist, row.title, row.split, row.style) == ("Clara Schumann", "Op. 6", "validation", None)
    assert (implied.source, implied.style) == ("maestro", "classical")


def test_groove_has_its_style_meter_and_tempo_in_the_table(tmp_path: Path) -> None:
    (tmp_path / "drummer1/session1").mkdir(parents=True)
    (tmp_path / "drummer1/session1/1.mid").touch()
    (tmp_path / "info.csv").write_text(
        "drummer,session,id,style,bpm,beat_type,time_signature,midi_filename,audio_filename,duration,split\n"
        "drummer1,s,i,jazz/funk,116,fill,6-8,drummer1/session1/1.mid,drummer1/session1/1.wav,1.8,train\n"
    )
    (track,) = corpora.loader("groove").find(tmp_path).tracks
    (row,) = track.said
    assert (row.style, row.bpm, row.meter, row.split) == ("jazz", 116.0, "6/8", "train")


SPECIAL = {
    "audiocraft": (
        "a.wav",
        "data.jsonl",
        '{"path": "/x/a.wav", "genre": "funk", "title": "Theirs", "license": "MIT"}\n',
    ),
    "maestro": ("a.wav", "maestro-v3.0.0.csv", "canonical_title,audio_filename\nTheirs,a.wav\n"),
    "groove": ("a.mid", "info.csv", GROOVE.replace(",style", ",title") + "d,s,i,Theirs,a.mid\n"),
    "pop909": ("001.mid", "index.csv", "id,title\n001,Theirs\n"),
}


@pytest.mark.parametrize("layout", SPECIAL)
@pytest.mark.parametrize("table", ["metadata.csv", "metadata.tsv", "metadata.jsonl"])
def test_every_layout_reads_the_creators_own_table_before_its_own(tmp_path: Path, layout: str, table: str) -> None:
    name, own, content = SPECIAL[layout]
    (tmp_path / name).touch()
    (tmp_path / own).write_text(content)
    if layout == "pop909":
        (tmp_path / "001.beat_midi.txt").touch()
    row = {"file_name": name, "title": "Mine", "consent": "no", "licence": "CC0"}
    separator = "\t" if table.endswith(".tsv") else ","
    lines = [separator.join(row), separator.join(row.values())]
    (tmp_path / table).write_text(json.dumps(row) if "json" in table else "\n".join(lines))
    found = corpora.loader("auto").find(tmp_path)
    assert corpora.detect(tmp_path) == layout and set(found.tables) == {tmp_path / own, tmp_path / table}
    (track,) = found.tracks
    said = merge([Source("said", said.source, said) for said in track.said]).said
    assert (said.title, said.licence, said.consent) == ("Mine", "CC0", False)
    assert not found.warnings


def test_a_no_in_the_table_of_a_data_set_counts_as_well(tmp_path: Path) -> None:
    (tmp_path / "a.wav").touch()
    (tmp_path / "data.jsonl").write_text('{"path": "a.wav", "consent": "no"}\n')
    (tmp_path / "metadata.csv").write_text("file_name,consent\na.wav,yes\n")
    (track,) = corpora.loader("auto").find(tmp_path).tracks
    reading = merge([Source("said", said.source, said) for said in track.said])
    assert reading.said.consent is False
    assert reading.warnings == ("consent: data.jsonl says no, metadata.csv says yes; no is used",)
