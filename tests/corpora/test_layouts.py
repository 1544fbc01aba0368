"""Which layout a folder has."""

from pathlib import Path

import pytest

from musegen import corpora
from musegen.errors import BadInput

GROOVE = "drummer,session,id,style,midi_filename\n"


@pytest.mark.parametrize(
    ("files", "layout"),
    [
        ({"a.wav": ""}, "folder"),
        ({}, "folder"),
        ({"a.wav": "", "notes.csv": "time,value\n"}, "folder"),
        ({"a.wav": "", ".hidden/metadata.csv": "file_name\n"}, "folder"),
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
    assert corpora.loader("auto").find(tmp_path) == corpora.loader(layout).find(tmp_path)


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
