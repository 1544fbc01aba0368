from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musegen import beat_file
from musegen.errors import BadInput
from musegen.labels import Beats

times = st.lists(st.integers(0, 10_000_000), min_size=1, max_size=30, unique=True).map(
    lambda ticks: np.array(sorted(ticks)) / 1000
)


@given(times, st.data())
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, seconds: np.ndarray, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "a.beats"
    positions = data.draw(st.lists(st.integers(0, 12), min_size=len(seconds), max_size=len(seconds)))
    beats = Beats(seconds=seconds, positions=np.array(positions))
    beat_file.write(path, beats)
    assert beat_file.read(path) == beats


@pytest.mark.parametrize(
    "text", ["0.5 1\n1.0 2\n", "0.5\t1\r\n1.0\t2\r\n", "\ufeff0.5 1.0\n\n# a remark\n  1.0   2.0  and words\n"]
)
def test_any_white_space_and_remarks_are_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.beats").write_text(text, encoding="utf-8", newline="")
    beats = beat_file.read(tmp_path / "a.beats")
    assert (beats.seconds.tolist(), beats.positions.tolist()) == ([0.5, 1.0], [1, 2])


def test_times_alone_leave_the_positions_unknown(tmp_path: Path) -> None:
    (tmp_path / "a.beats").write_text("0.5\n1.0\n")
    beats = beat_file.read(tmp_path / "a.beats")
    assert beats.positions.tolist() == [0, 0] and not beats.has_downbeats


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no beats"),
        (b"\n# nothing\n", "no beats"),
        (b"0.5 1\none 2\n", "line 2 is 'one 2'"),
        (b"0,5;1\n", "line 1"),
        (b"0.5 1\n0.5 2\n", "line 2 is not later"),
        (b"nan 1\n", "line 1"),
        (b"0.5 1\ninf 2\n", "line 2"),
        (b"0.5 inf\n", "line 1"),
        (b"0.5 nan\n", "line 1"),
        (b"0.5 -1\n", "line 1"),
        (b"0.5 1e9\n", "line 1"),
        (b"\xff\xfe\x00\x01", "UTF-8"),
        (b"\x00" * 5000, "line 1"),
    ],
)
def test_what_is_no_beat_file_is_refused_with_its_line(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "a.beats").write_bytes(content)
    with pytest.raises(BadInput, match=words) as caught:
        beat_file.read(tmp_path / "a.beats")
    assert caught.value.reason == "bad beats"
    assert len(str(caught.value)) < 300


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.beats"
    path.write_bytes(content)
    try:
        assert len(beat_file.read(path))
    except BadInput as error:
        assert error.reason == "bad beats"
