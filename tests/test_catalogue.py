import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from musegen import catalogue
from musegen.catalogue import CatalogueRow, Reject
from musegen.errors import BadInput, Unavailable

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
rows = st.builds(
    CatalogueRow,
    **dict.fromkeys(
        (
            "track",
            "name",
            "layout",
            "group",
            "split",
            "labels_sha256",
            "composes",
            "misfits",
            "files_sha256",
            "grouped_by",
        ),
        text,
    ),
    **dict.fromkeys(("audio", "style", "key", "meter", "title", "artist", "licence"), st.none() | text),
    **dict.fromkeys(("sample_rate", "channels", "notes", "beats", "chords"), st.none() | st.integers(0, 2**31 - 1)),
    **dict.fromkeys(("style_confidence", "notes_confidence", "beats_confidence"), st.none() | st.floats(0, 1)),
    files=st.dictionaries(text, text, max_size=2).map(json.dumps),
    sources=st.dictionaries(text, text, max_size=2).map(json.dumps),
    warnings=st.lists(text, max_size=2).map(json.dumps),
    seconds=st.floats(0, 1e6),
    bpm=st.none() | st.floats(1, 1000),
    consent=st.none() | st.booleans(),
)
rejects = st.builds(Reject, **dict.fromkeys(("path", "stage", "reason", "detail"), text))
ROW = CatalogueRow(
    track="0" * 32, name="jig/a", layout="folder", group="0" * 32, grouped_by="melody", split="train", audio=None,
    files='{"midi": "jig/a.mid"}', labels_sha256="1" * 64, files_sha256="2" * 64,
    seconds=8.0, sample_rate=None, channels=None, style="jig",
    style_confidence=1.0, notes=64, notes_confidence=1.0, beats=32, beats_confidence=1.0, chords=None, bpm=120.0,
    key=None, meter="4/4", title=None, artist=None, licence="CC0", consent=None,
    sources='{"style": "folder", "notes": ".mid", "bpm": "human", "beats": "crnn@3"}', composes="",
    misfits='["beats"]', warnings='["odd"]',
)  # fmt: skip


@contextmanager
def full_disk() -> Iterator[None]:
    """No file may grow beyond a few bytes: what a full disk does to a writer."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@settings(max_examples=30)
@given(st.lists(rows, max_size=4), st.lists(rejects, max_size=4))
def test_what_is_written_is_read_again_and_twice_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, some: list[CatalogueRow], bad: list[Reject]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "catalogue"
    catalogue.write(folder, some, bad)
    first = [(folder / name).read_bytes() for name in (catalogue.CATALOGUE, catalogue.REJECTS)]
    assert (catalogue.read(folder), catalogue.read_rejects(folder)) == (some, bad)
    catalogue.write(folder, some, bad)
    assert [(folder / name).read_bytes() for name in (catalogue.CATALOGUE, catalogue.REJECTS)] == first


def test_without_a_catalogue_one_is_told_to_survey(tmp_path: Path) -> None:
    for read in (catalogue.read, catalogue.read_rejects):
        with pytest.raises(BadInput, match="musegen survey"):
            read(tmp_path)


@pytest.mark.parametrize("damage", ["empty", "cut", "text", "other columns"])
def test_a_damaged_catalogue_is_refused(tmp_path: Path, damage: str) -> None:
    catalogue.write(tmp_path, [ROW], [])
    path = tmp_path / catalogue.CATALOGUE
    content = path.read_bytes()
    if damage == "other columns":
        pq.write_table(pa.table({"a": [1]}), path)
    else:
        path.write_bytes({"empty": b"", "cut": content[:-20], "text": b"hello" * 50}[damage])
    with pytest.raises(BadInput) as caught:
        catalogue.read(tmp_path)
    assert caught.value.reason == "damaged"


def test_a_flipped_bit_is_noticed_or_without_consequence(tmp_path: Path) -> None:
    catalogue.write(tmp_path, [ROW, replace(ROW, name="jig/b")], [])
    expected = catalogue.read(tmp_path)
    path = tmp_path / catalogue.CATALOGUE
    content = path.read_bytes()
    for place in range(0, len(content), max(1, len(content) // 200)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(bytes(damaged))
        try:
            assert catalogue.read(tmp_path) == expected
        except BadInput as error:
            assert error.reason == "damaged"


def test_a_full_disk_leaves_the_old_catalogue(tmp_path: Path) -> None:
    catalogue.write(tmp_path, [ROW], [])
    with full_disk(), pytest.raises(Unavailable, match="free space"):
        catalogue.write(tmp_path, [ROW, replace(ROW, name="jig/b")], [])
    assert catalogue.read(tmp_path) == [ROW]


@pytest.mark.parametrize("column", ["track", "name", "layout", "group", "split", "labels_sha256"])
def test_what_decides_the_rows_of_a_track_is_in_its_fingerprint(column: str) -> None:
    assert replace(ROW, **{column: "other"}).fingerprint() != ROW.fingerprint()


def test_where_the_files_lie_is_not_in_the_fingerprint() -> None:
    assert replace(ROW, files='{"midi": "elsewhere.mid"}', audio="a.wav").fingerprint() == ROW.fingerprint()


def test_a_row_knows_who_says_what() -> None:
    assert [ROW.origin(field) for field in ("style", "notes", "bpm", "beats", "key")] == [
        "file", "file", "human", "crnn@3", None,
    ]  # fmt: skip
    assert (ROW.source("style"), ROW.warning_list()) == ("folder", ("odd",))


def test_who_stood_in_which_split_is_remembered_for_the_same_shares(tmp_path: Path) -> None:
    assert catalogue.read_splits(tmp_path, "0.1 0.1") == {}
    catalogue.write(tmp_path, [ROW], [], "0.1 0.1")
    assert catalogue.read_splits(tmp_path, "0.1 0.1") == {"0" * 32: "train"}
    assert catalogue.read_splits(tmp_path, "0.2 0.1") == {}
    (tmp_path / catalogue.CATALOGUE).write_bytes(b"damaged")
    assert catalogue.read_splits(tmp_path, "0.1 0.1") == {}
