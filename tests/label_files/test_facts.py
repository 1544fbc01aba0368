import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musegen.errors import BadInput
from musegen.label_files import facts
from musegen.label_files.facts import said_from
from musegen.theory import Key
from musegen.track import Said


def test_the_keys_of_audiocraft_are_read_and_empty_ones_say_nothing(tmp_path: Path) -> None:
    content = {
        "key": "", "artist": "Voyager I", "sample_rate": 48000, "file_extension": "mp3", "description": "A cool song",
        "keywords": "bright, cool", "duration": 15.0, "bpm": "", "genre": "electronic", "title": "Enracinement",
        "name": "electro_1", "instrument": "Mix", "moods": ["uplifting"],
    }  # fmt: skip
    (tmp_path / "a.json").write_text(json.dumps(content))
    said, warnings = facts.read(tmp_path / "a.json")
    assert said.known() == {"artist": "Voyager I", "style": "electronic", "title": "Enracinement"}
    assert said.source == ".json" and warnings == ()


MEANINGS: list[tuple[dict[str, Any], str, Any]] = [
    ({"Genre": "Slip Jig"}, "style", "Slip Jig"),
    ({"style": "funk/groove1"}, "style", "funk"),
    ({"genres": ["rock", "pop"]}, "style", "rock"),
    ({"genre": "R&B/Soul; Pop"}, "style", "R&B"),
    ({"genre": "electronic", "label": "Warp"}, "style", "electronic"),
    ({"label": "jig"}, "style", "jig"),
    ({"style": "unknown", "genre": "jig"}, "style", "jig"),
    ({"canonical_title": "Étude"}, "title", "Étude"),
    ({"title": "Two\nlines "}, "title", "Two lines"),
    ({"title": 1999}, "title", "1999"),
    ({"title": "half a letter \ud83d"}, "title", "half a letter ?"),
    ({"name": "one"}, "title", "one"),
    ({"name": "one", "title": "two"}, "title", "two"),
    ({"canonical_composer": "Clara Schumann"}, "artist", "Clara Schumann"),
    ({"drummer": "drummer1"}, "artist", "drummer1"),
    ({"artists": ["A", "B"]}, "artist", "A"),
    ({"License": "CC BY 4.0"}, "licence", "CC BY 4.0"),
    ({"licence": "CC0", "copyright": "me"}, "licence", "CC0"),
    ({"licence": "unknown", "rights": "© Ann, CC BY 4.0"}, "licence", "CC BY 4.0"),
    ({"consent": "Yes"}, "consent", True),
    ({"consent": False}, "consent", False),
    ({"consent": 0}, "consent", False),
    ({"consent": "yes", "Consent given": "no"}, "consent", False),
    ({"consent": "no", "CONSENT": "yes"}, "consent", False),
    ({"consent": ["yes", "no"]}, "consent", False),
    ({"consent": "Nein"}, "consent", False),
    ({"consent": "ja"}, "consent", True),
    ({"split": "validation"}, "split", "validation"),
    ({"BPM": "120,5"}, "bpm", 120.5),
    ({"tempo": "120 bpm"}, "bpm", 120.0),
    ({"tempo": 99}, "bpm", 99.0),
    ({"bpm": [90, 180]}, "bpm", 90.0),
    ({"time_signature": "4-4"}, "meter", "4/4"),
    ({"Time Signature": "6/8"}, "meter", "6/8"),
    ({"meter": "C|"}, "meter", "2/2"),
    ({"time-signature": 3}, "meter", "3/4"),
    ({"key": "a minor"}, "key", "Am"),
    ({"initial key": "8A"}, "key", "Am"),
    ({"musical_key": "D# Major"}, "key", "Eb"),
]


@pytest.mark.parametrize(("row", "field", "value"), MEANINGS)
def test_columns_are_known_by_many_names(row: dict[str, Any], field: str, value: Any) -> None:
    said, warnings = said_from(row, "metadata.csv")
    assert said.known() == {field: value} and said.source == "metadata.csv"
    assert warnings == ()


@pytest.mark.parametrize("empty", ["", "  ", "nan", float("nan"), None, "N/A", "unknown", "null", [], {}, [None], "-"])
def test_empty_cells_say_nothing(empty: Any) -> None:
    columns = ("style", "title", "artist", "licence", "split", "bpm", "key", "meter")
    said, warnings = said_from(dict.fromkeys(columns, empty), "a table")
    assert said.known() == {} and warnings == ()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("bpm", "fast"), ("bpm", 0), ("bpm", -3), ("bpm", 1e9), ("tempo", float("inf")), ("key", "H"), ("key", 5),
        ("key", "D dorian"), ("meter", "waltz"), ("meter", "4/5"), ("style", "/"),
    ],
)  # fmt: skip
def test_a_value_that_can_not_be_used_is_left_out_with_a_warning(column: str, value: Any) -> None:
    said, (warning,) = said_from({column: value, "title": "x"}, "metadata.csv")
    assert said.known() == {"title": "x"}
    assert column in warning and "metadata.csv" in warning and "left out" in warning


@pytest.mark.parametrize("empty", ["", " ", "nan", "NaN", "NA", "null", float("nan"), None, [], [None], {}, "-"])
def test_a_consent_that_nobody_wrote_says_nothing(empty: Any) -> None:
    assert said_from({"consent": empty}, "a table") == (Said("a table"), ())


@pytest.mark.parametrize(
    "word",
    ["never", "revoked", "withdrawn", "pending", "unknown", "?", "none", "n/a", "perhaps", 2, {"by": "Ann"}],
)
def test_a_consent_that_is_neither_yes_nor_no_is_taken_for_no_aloud(word: Any) -> None:
    said, (warning,) = said_from({"consent": word, "title": "x"}, "metadata.csv")
    assert said.known() == {"consent": False, "title": "x"}
    assert str(word).replace("'", "") in warning.replace("'", "").replace('"', "")
    assert 'taken for "no"' in warning and "write yes or no" in warning and "metadata.csv" in warning


@pytest.mark.parametrize("column", ["rights", "copyright"])
@pytest.mark.parametrize("words", ["All rights reserved", "© 2019 A Label", "Ann"])
def test_a_copyright_notice_is_no_licence(column: str, words: str) -> None:
    assert said_from({column: words}, "a table") == (Said("a table"), ())


@pytest.mark.parametrize("words", ["All rights reserved", "No licence", "unlicensed"])
def test_a_licence_that_is_denied_is_said_to_be_none(words: str) -> None:
    said, (warning,) = said_from({"licence": words}, "a table")
    assert said.licence == "" and words in warning and "is no licence" in warning


@pytest.mark.parametrize(
    ("spelling", "key"),
    [
        ("C", Key(0)), ("Am", Key(9, True)), ("AM", Key(9)), ("F#m", Key(6, True)), ("Eb:major", Key(3)),
        ("A:min", Key(9, True)), ("B-flat minor", Key(10, True)), ("F sharp major", Key(6)), ("c moll", Key(0, True)),
        ("8B", Key(0)), ("1A", Key(8, True)), ("12B", Key(4)), ("bb minor", Key(10, True)), ("D♭ Major", Key(1)),
    ],
)  # fmt: skip
def test_keys_are_read_in_any_usual_spelling(spelling: str, key: Key) -> None:
    assert facts.key_of(spelling) == key


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"), (b"[1, 2]", "bad facts"), (b"3", "bad facts"), (b"{", "bad facts"), (b"\xff\xfe\0", "not text"),
        (b"[" * 100_000, "bad facts"), (b'{"title": ' + b"9" * 10_000 + b"}", "bad facts"),
    ],
)  # fmt: skip
def test_what_is_no_object_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(BadInput) as caught:
        facts.read(tmp_path / "a.json")
    assert caught.value.reason == reason and len(str(caught.value)) < 300


def test_a_byte_order_mark_is_no_obstacle(tmp_path: Path) -> None:
    for encoding in ("utf-8-sig", "utf-16"):
        (tmp_path / "a.json").write_text('{"title": "é"}', encoding=encoding)
        assert facts.read(tmp_path / "a.json")[0].title == "é"


columns = st.sampled_from([name for names in facts._NAMES.values() for name in names]) | st.text(max_size=5)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=3,
)


@given(st.dictionaries(columns, values, max_size=6))
def test_whatever_a_table_holds_something_or_nothing_is_said(row: dict[str, Any]) -> None:
    said, warnings = said_from(row, "a table")
    for name, value in said.known().items():
        assert not isinstance(value, str) or value.encode()
        assert value != "" or name == "licence"
    assert all(isinstance(warning, str) for warning in warnings)
