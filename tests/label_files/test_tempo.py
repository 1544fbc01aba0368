from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musegen.errors import BadInput
from musegen.label_files import tempo

FORMS = {
    "a number": ("79.988654\n", 79.988654, 1.0),
    "a decimal comma": ("79,5", 79.5, 1.0),
    "with its unit": ("120 bpm", 120.0, 1.0),
    "with its name": ("tempo: 120", 120.0, 1.0),
    "with a mark and remarks": ("\ufeff# by ear\r\n120\r\n", 120.0, 1.0),
    "three numbers, the slower one": ("87.5 175    0.7\n", 87.5, 0.7),
    "three numbers, the faster one": ("87.5\t175\t0.25", 175.0, 0.75),
    "two numbers": ("87.5 175", 87.5, 1.0),
}


@pytest.mark.parametrize(("content", "bpm", "confidence"), FORMS.values(), ids=FORMS)
def test_every_form_is_read(tmp_path: Path, content: str, bpm: float, confidence: float) -> None:
    (tmp_path / "a.bpm").write_text(content)
    found = tempo.read(tmp_path / "a.bpm")
    assert (found.bpm, found.confidence) == (bpm, confidence)


BROKEN = {
    "nothing": ("", "empty"),
    "remarks": ("# nothing", "bad tempo"),
    "a word": ("fast", "bad tempo"),
    "not a number": ("nan", "bad tempo"),
    "zero": ("0", "bad tempo"),
    "negative": ("-120", "bad tempo"),
    "absurd": ("1e9", "bad tempo"),
    "two lines": ("120\n130\n", "bad tempo"),
    "four numbers": ("1 2 3 4", "bad tempo"),
    "a salience above one": ("87.5 175 7", "bad tempo"),
    "binary": ("\0\0", "not text"),
}


@pytest.mark.parametrize(("content", "reason"), BROKEN.values(), ids=BROKEN)
def test_what_is_broken_is_refused_with_its_reason(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "a.bpm").write_text(content)
    with pytest.raises(BadInput) as caught:
        tempo.read(tmp_path / "a.bpm")
    assert caught.value.reason == reason


@given(st.binary(max_size=20) | st.text("0123. ,-e\n", max_size=20).map(str.encode))
def test_any_bytes_are_read_or_refused_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.bpm"
    path.write_bytes(content)
    try:
        assert 10 <= tempo.read(path).bpm <= 1000
    except BadInput as error:
        assert error.reason
