from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musegen.errors import BadInput
from musegen.label_files import chords
from musegen.labels import Chords


def read(tmp_path: Path, content: bytes | str) -> Chords:
    (tmp_path / "a.lab").write_bytes(content if isinstance(content, bytes) else content.encode())
    return chords.read(tmp_path / "a.lab")


SPELLINGS = {
    "Isophonics": "0.000000 1.5 N\n1.5 3.0 C:maj/3\n3.0 4.0 A:min7\n",
    "tabs, POP909": "0.0\t1.5\tN\n1.5\t3.0\tC:maj/3\n3.0\t4.0\tA:min7\n",
    "decimal commas": "0,0\t1,5\tN\n1,5\t3,0\tC:maj/3\n3,0\t4,0\tA:min7\n",
    "semicolons and decimal commas": "0,0;1,5;N\n1,5;3,0;C:maj/3\n3,0;4,0;A:min7\n",
    "commas and a header": 'start,end,chord\n0.0,1.5,N\n1.5,3.0,"C:maj/3"\n3.0,4.0,A:min7\n',
    "words for no chord": "0 1.5 NC\n1.5 3 C:maj/3\n3 4 A:min7\n4 4 N\n4 4 end\n",
    "ends rounded over starts": "0 1.501 N\n1.5 3.002 C:maj/3\n3 4 A:min7\n",
    "UTF-16 and remarks": "# by ear\r\n0 1.5 N\r\n\r\n1.5 3 C:maj/3\r\n3 4 A:min7\r\n".encode("utf-16"),
}


@pytest.mark.parametrize("content", SPELLINGS.values(), ids=SPELLINGS)
def test_every_spelling_is_read(tmp_path: Path, content: bytes | str) -> None:
    found = read(tmp_path, content)
    assert found.names == ("N", "C:maj/3", "A:min7")
    assert found.starts.tolist() == [0.0, 1.5, 3.0] and found.ends[-1] == 4.0
    assert (found.starts[1:] >= found.ends[:-1]).all()


def test_sharps_with_commas_in_brackets_and_gaps_are_read(tmp_path: Path) -> None:
    found = read(tmp_path, "0 1 C#:maj(*3,9)\n2,3,Bb:(1,5)\n")
    assert found.names == ("C#:maj(*3,9)", "Bb:(1,5)")


BROKEN = {
    "nothing": ("", "empty", ""),
    "remarks": ("# nothing\n", "no chords", ""),
    "no length at all": ("1 1 C\n", "no chords", ""),
    "sections": ("0 1 intro\n1 2 verse\n", "bad chords", "line 1"),
    "one is no chord": ("0 1 C\n1 2 H:maj\n", "bad chords", "line 2"),
    "two columns": ("0 1 C\n1 D\n", "bad chords", "line 2"),
    "a key": ("0 10 Key C\n", "bad chords", "line 1"),
    "no number": ("0 nan C\n", "bad chords", "line 1"),
    "ends before it begins": ("0 1 C\n2 1.5 D\n", "bad times", "line 2"),
    "negative": ("-1 1 C\n", "bad times", "line 1"),
    "samples, not seconds": ("0 441000 C\n", "bad times", "line 1"),
    "overlap": ("0 2 C\n1 3 D\n", "not monotonic", "line 2"),
    "backward": ("# by ear\n5 6 C\n0 1 D\n", "not monotonic", "line 3"),
    "binary": (b"\0\1\2", "not text", ""),
}


@pytest.mark.parametrize(("content", "reason", "words"), BROKEN.values(), ids=BROKEN)
def test_what_is_broken_is_refused_with_its_reason_and_line(
    tmp_path: Path, content: bytes | str, reason: str, words: str
) -> None:
    with pytest.raises(BadInput) as caught:
        read(tmp_path, content)
    assert caught.value.reason == reason and words in str(caught.value)


@given(st.binary(max_size=40) | st.text("0123. \t\nCABN:#b/m(,)", max_size=40).map(str.encode))
def test_any_bytes_are_read_or_refused_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.lab"
    path.write_bytes(content)
    try:
        assert len(chords.read(path))
    except BadInput as error:
        assert error.reason
