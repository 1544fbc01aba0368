import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musegen.errors import BadInput
from musegen.label_files import jams
from musegen.labels import Labels
from musegen.theory import Key
from musegen.track import Said

Row = tuple[Any, ...]


def annotation(namespace: str, *rows: Row) -> dict[str, Any]:
    """Rows are (time, duration, value) or (time, duration, value, confidence)."""
    data = [dict(zip(("time", "duration", "value", "confidence"), [*row, None][:4], strict=True)) for row in rows]
    return {"namespace": namespace, "data": data, "annotation_metadata": {}, "sandbox": {}, "time": 0, "duration": 9}


def read(tmp_path: Path, *annotations: dict[str, Any], **meta: Any) -> tuple[Labels, Said]:
    content = {"annotations": list(annotations), "file_metadata": {"jams_version": "0.3.4", **meta}, "sandbox": {}}
    (tmp_path / "a.jams").write_text(json.dumps(content))
    return jams.read(tmp_path / "a.jams")


def test_a_part_a_string_makes_the_notes_of_a_guitar(tmp_path: Path) -> None:
    labels, _ = read(
        tmp_path,
        annotation("pitch_contour", (0.0, 0.0, {"frequency": 106.4, "voiced": True})),
        annotation("note_midi", (1.0, 0.5, 44.02, 0.5), (0.5, 0.25, 43.9, 1.0)),
        annotation("note_midi", (0.75, 0.5, 51.04)),
    )
    assert labels.notes is not None
    assert labels.notes.table.tolist() == [
        (0.5, 0.25, 44, 80, 0, 0), (0.75, 0.5, 51, 80, 0, 1), (1.0, 0.5, 44, 80, 0, 0),
    ]  # fmt: skip
    assert labels.notes.confidence == 0.75
    assert set(labels.known()) == {"notes"}


def test_notes_in_hertz_are_notes(tmp_path: Path) -> None:
    notes = read(tmp_path, annotation("note_hz", (0, 1, 440.0), (1, 1, 261.6)))[0].notes
    assert notes is not None and notes.table["pitch"].tolist() == [69, 60]


def test_beats_know_their_bar_and_their_unit(tmp_path: Path) -> None:
    rows = [(0.5 * i, 0, {"position": i % 6 + 1, "beat_units": 8, "measure": 1, "num_beats": 6}) for i in range(8)]
    beats = read(tmp_path, annotation("beat", (9, 0, 1)), annotation("beat_position", *rows))[0].beats
    assert beats is not None
    assert beats.positions.tolist() == [1, 2, 3, 4, 5, 6, 1, 2] and beats.quarters_per_beat == 0.5


@pytest.mark.parametrize(
    ("values", "positions"), [([1, 2, 1], [1, 2, 1]), ([None] * 3, [0] * 3), ([98, 99, 100], [0] * 3)]
)
def test_beats_may_lack_a_position(tmp_path: Path, values: list[int | None], positions: list[int]) -> None:
    beats = read(tmp_path, annotation("beat", *[(float(i), 0, value) for i, value in enumerate(values)]))[0].beats
    assert beats is not None and beats.positions.tolist() == positions


def test_columns_are_read_like_observations(tmp_path: Path) -> None:
    columns = {"time": [0.0, 1.0], "duration": [0, 0], "value": [1, 2], "confidence": [float("nan"), None]}
    beats = read(tmp_path, {"namespace": "beat", "data": columns})[0].beats
    assert beats is not None and beats.seconds.tolist() == [0.0, 1.0] and beats.confidence == 1.0


def test_of_two_tempi_the_more_confident_is_taken(tmp_path: Path) -> None:
    tempo = read(tmp_path, annotation("tempo", (0, 9, 77.0, 0.31), (0, 9, 139.0, 0.69)))[0].tempo
    assert tempo is not None and (tempo.bpm, tempo.confidence) == (139.0, 0.69)


def test_the_first_annotation_that_says_something_is_taken(tmp_path: Path) -> None:
    labels, _ = read(
        tmp_path, annotation("tempo"), annotation("tempo", (0, 9, 80.0)), annotation("tempo", (0, 9, 90.0))
    )
    assert labels.tempo is not None and labels.tempo.bpm == 80.0


def test_chords_are_read(tmp_path: Path) -> None:
    labels, _ = read(tmp_path, annotation("chord", (1.0, 1.0, "G#:maj6(*5)/1"), (0.0, 1.0, "D#:sus2(7)/1")))
    assert labels.chords is not None
    assert labels.chords.names == ("Eb:sus2(7)/1", "Ab:maj6(*5)/1")
    assert labels.chords.ends.tolist() == [1.0, 2.0]


def test_the_key_that_holds_longest_is_the_key(tmp_path: Path) -> None:
    rows: list[Row] = [(0, 2, "C:major"), (2, 5, "Eb:minor"), (7, 90, "D:dorian"), (97, 9, "N")]
    labels, _ = read(tmp_path, annotation("key_mode", *rows))
    assert labels.tonality is not None and labels.tonality.key == Key(3, minor=True)


def test_title_artist_and_genre_are_said(tmp_path: Path) -> None:
    genre = annotation("tag_gtzan", (0, 9, "blues", 0.2), (0, 9, "jazz", 0.8))
    _, said = read(tmp_path, annotation("tag_open", (0, 9, "sad")), genre, title="Blue", artist="", release="x")
    assert said.known() == {"title": "Blue", "style": "jazz"} and said.source == ".jams"


def test_an_open_tag_is_a_style_where_it_stands_alone(tmp_path: Path) -> None:
    assert read(tmp_path, annotation("tag_open", (0, 9, "trance")))[1].style == "trance"
    assert read(tmp_path, annotation("tag_open", (0, 9, "sad"), (0, 9, "rain")))[1].style is None


def test_a_file_without_anything_we_know_has_no_labels(tmp_path: Path) -> None:
    labels, said = read(tmp_path, annotation("segment_open", (0, 9, "verse")), annotation("mood_thayer"))
    assert labels == Labels() and said.known() == {}


BROKEN = {
    "nothing": ("", "empty"),
    "no JSON": ("{", "bad jams"),
    "a list": ("[]", "bad jams"),
    "other JSON": ('{"title": "x"}', "bad jams"),
    "annotations of words": ('{"annotations": ["x"]}', "bad jams"),
    "columns of two lengths": ('{"annotations": [{"namespace": "beat", "data": {"time": [1], "duration": [], '
                               '"value": [1], "confidence": [1]}}]}', "bad jams"),
    "no time": (json.dumps({"annotations": [annotation("beat", (None, 0, 1))]}), "bad jams"),
    "backward": (json.dumps({"annotations": [annotation("beat", (-3, 0, 1))]}), "bad times"),
    "days": (json.dumps({"annotations": [annotation("note_midi", (0, 1e9, 60))]}), "bad times"),
    "huge": (json.dumps({"annotations": [annotation("beat", (10**400, 0, 1))]}), "bad jams"),
    "two beats at once": (json.dumps({"annotations": [annotation("beat", (1, 0, 1), (1, 0, 2))]}), "bad beats"),
    "no pitch": (json.dumps({"annotations": [annotation("note_midi", (1, 1, "C4"))]}), "bad notes"),
    "below any pitch": (json.dumps({"annotations": [annotation("note_hz", (1, 1, 0.0))]}), "bad notes"),
    "no chord": (json.dumps({"annotations": [annotation("chord", (1, 1, "H:maj"))]}), "bad chords"),
    "chords at once": (json.dumps({"annotations": [annotation("chord", (1, 1, "C"), (1.5, 1, "D"))]}), "not monotonic"),
    "no tempo": (json.dumps({"annotations": [annotation("tempo", (1, 1, "fast"))]}), "bad tempo"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "reason"), BROKEN.values(), ids=BROKEN)
def test_what_is_broken_is_refused_with_its_reason(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "a.jams").write_text(content)
    with pytest.raises(BadInput) as caught:
        jams.read(tmp_path / "a.jams")
    assert caught.value.reason == reason and len(str(caught.value)) < 300


spaces = st.sampled_from(["note_midi", "note_hz", "beat", "beat_position", "tempo", "chord", "key_mode", "tag_gtzan"])
odd = st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["C:maj", "A minor", "", "x"])
odd = odd | st.dictionaries(st.sampled_from(["position", "beat_units"]), odd, max_size=2) | st.lists(odd, max_size=1)
observations = st.fixed_dictionaries({}, optional={"time": odd, "duration": odd, "value": odd, "confidence": odd})
data = st.lists(observations | odd, max_size=3) | odd | st.dictionaries(
    st.sampled_from(["time", "duration", "value", "confidence"]), st.lists(odd, max_size=2) | odd, max_size=4
)  # fmt: skip


@given(st.lists(st.fixed_dictionaries({"namespace": spaces | odd, "data": data}), max_size=3), odd)
def test_whatever_is_in_it_labels_come_out_or_a_reason(
    tmp_path_factory: pytest.TempPathFactory, annotations: list[Any], meta: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "odd.jams"
    path.write_text(json.dumps({"annotations": annotations, "file_metadata": meta}))
    try:
        labels, _ = jams.read(path)
    except BadInput as error:
        assert error.reason
        return
    assert labels.beats is None or np.isfinite(labels.beats.seconds).all()
