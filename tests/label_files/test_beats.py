"""Beats in every spelling that programs and people have for them."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musegen.errors import BadInput
from musegen.label_files import beats as beat_file
from musegen.labels import Beats

times = st.lists(st.integers(0, 10_000_000), min_size=1, max_size=30, unique=True).map(
    lambda ticks: np.array(sorted(ticks)) / 1000
)
HALVES = [0.5, 1.0, 1.5]
RUNNING = "".join(f"{0.5 * index}\t{index}\n" for index in range(1, 41))


def read(tmp_path: Path, content: bytes | str) -> Beats:
    (tmp_path / "a.beats").write_bytes(content if isinstance(content, bytes) else content.encode())
    return beat_file.read(tmp_path / "a.beats")


@given(times, st.data())
def test_what_is_written_is_read_again(
    tmp_path_factory: pytest.TempPathFactory, seconds: np.ndarray, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "a.beats"
    positions = data.draw(st.lists(st.integers(0, 12), min_size=len(seconds), max_size=len(seconds)))
    beats = Beats(seconds=seconds, positions=np.array(positions))
    beat_file.write(path, beats)
    assert beat_file.read(path) == beats


SPELLINGS = {
    "spaces": ("0.5 1\n1.0 2\n1.5 3\n", HALVES, [1, 2, 3]),
    "tabs": ("0.5\t1\n1.0\t2\n1.5\t3", HALVES, [1, 2, 3]),
    "mixed white space": ("0.50000 \t 1\n1.00000 \t 2\n 1.50000\t3  \n", HALVES, [1, 2, 3]),
    "Windows lines": ("0.5\t1\r\n1.0\t2\r\n1.5\t3\r\n", HALVES, [1, 2, 3]),
    "old Macintosh lines": ("0.5\t1\r1.0\t2\r1.5\t3\r", HALVES, [1, 2, 3]),
    "positions as fractions": ("0.5 1.0\n1.0 2.0\n1.5 3.0\n", HALVES, [1, 2, 3]),
    "with words": ("0.5 1 and words\n1.0 2\n1.5 3 # 1\n", HALVES, [1, 2, 3]),
    "remarks": ("# annotated by ear\n% twice\n\n0.5 1\n\n1.0 2\n  # end\n1.5 3\n", HALVES, [1, 2, 3]),
    "a remark in Latin-1": (b"# M\xfcller\n0.5 1\n1.0 2\n1.5 3\n", HALVES, [1, 2, 3]),
    "byte order mark": ("\ufeff0.5 1\n1.0 2\n1.5 3\n", HALVES, [1, 2, 3]),
    "UTF-16": ("0.5\t1\r\n1.0\t2\r\n1.5\t3\r\n".encode("utf-16"), HALVES, [1, 2, 3]),
    "UTF-16, big end first": (b"\xfe\xff" + "0,5;1\n1;2\n1,5;3\n".encode("utf-16-be"), HALVES, [1, 2, 3]),
    "times alone": ("0.5\n1.0\n1.5\n", HALVES, [0, 0, 0]),
    "decimal commas alone": ("0,5\n1,0\n1,5\n", HALVES, [0, 0, 0]),
    "decimal commas of many digits": ("0,512\n1,024\n1,536\n", [0.512, 1.024, 1.536], [0, 0, 0]),
    "decimal commas, tab": ("0,5\t1\n1,0\t2\n1,5\t3\n", HALVES, [1, 2, 3]),
    "decimal commas, space": ("0,5 1\n1,0 2\n1,5 3\n", HALVES, [1, 2, 3]),
    "decimal commas, semicolon": ("0,5;1\n1,0;2\n1,5;3\n", HALVES, [1, 2, 3]),
    "decimal commas, quoted": ('"0,5","1"\n"1,0","2"\n"1,5","3"\n', HALVES, [1, 2, 3]),
    "commas": ("0.5,1\n1.0,2\n1.5,3\n", HALVES, [1, 2, 3]),
    "commas and spaces": ("0.5, 1\n1.0, 2\n1.5, 3\n", HALVES, [1, 2, 3]),
    "whole seconds and positions": ("0,3\n1,1\n2,2\n3,3\n4,1\n", [0, 1, 2, 3, 4], [3, 1, 2, 3, 1]),
    "semicolons": ("0.5;1\n1.0;2\n1.5;3\n", HALVES, [1, 2, 3]),
    "no position here": ("0.5;1\n1.0;\n1.5;3\n", HALVES, [1, 0, 3]),
    "header": ("time,position\n0.5,1\n1.0,2\n1.5,3\n", HALVES, [1, 2, 3]),
    "header of tabs": ("Time (s)\tBeat\n0.5\t1\n1.0\t2\n1.5\t3\n", HALVES, [1, 2, 3]),
    "header, quoted": ('"onset";"bar_position"\n"0,5";"1"\n"1";"2"\n"1,5";"3"\n', HALVES, [1, 2, 3]),
    "header, other order": ("beat,bar,TIME\n1,7,0.5\n2,7,1.0\n3,7,1.5\n", HALVES, [1, 2, 3]),
    "header of a data frame": (",timestamp,beat position\n0,0.5,1\n1,1.0,2\n2,1.5,3\n", HALVES, [1, 2, 3]),
    "header of unknown names": ("Zeit Schlag\n0.5 1\n1.0 2\n1.5 3\n", HALVES, [1, 2, 3]),
    "header of one column": ("beats\n0.5\n1.0\n1.5\n", HALVES, [0, 0, 0]),
    "header, time alone is known": ("start,end\n0.5,1\n1.0,1.5\n1.5,2\n", HALVES, [0, 0, 0]),
    "milliseconds": ("time_ms,beat\n500,1\n1000,2\n1500,3\n", HALVES, [1, 2, 3]),
    "downbeat flags": ("seconds,downbeat\n0.5,0\n1.0,1\n1.5,0\n2.0,0\n2.5,1\n", [0.5, 1, 1.5, 2, 2.5], [0, 1, 2, 3, 1]),
    "downbeat words": ("time,is_downbeat\n0.5,True\n1.0,False\n1.5,\n", HALVES, [1, 2, 3]),
    "bar and beat": ("0.5 12.3\n1.0 12.4\n1.5 13.1\n", HALVES, [3, 4, 1]),
    "bar and beat, tabs": ("0.5\t1.1\n1.0\t1.2\n1.5\t1.3\n", HALVES, [1, 2, 3]),
    "clock": ("0:00.5 1\n0:01.0 2\n1:00:01,5 3\n", [0.5, 1.0, 3601.5], [1, 2, 3]),
    "Audacity": ("0.500000\t0.500000\t1\n1.000000\t1.000000\t2\n1.500000\t1.500000\t3\n", HALVES, [1, 2, 3]),
    "Audacity, spans": ("0.500000\t1.000000\t1\n1.000000\t1.500000\t2\n1.500000\t2.000000\t3\n", HALVES, [1, 2, 3]),
    "Audacity, no labels": ("0.500000\t0.500000\t\n1.000000\t1.000000\t\n1.500000\t1.500000\t\n", HALVES, [0, 0, 0]),
    "Audacity, decimal commas": ("0,500000\t0,500000\t1\n1,000000\t1,000000\t2\n", [0.5, 1.0], [1, 2]),
    "Audacity, words": ("0.500000\t0.500000\tdownbeat\n1.000000\t1.000000\ta beat\n", [0.5, 1.0], [1, 0]),
    "Audacity, spectral": (
        "0.500000\t0.500000\t1\n\\\t100.0\t200.0\n1.000000\t1.000000\t2\n\\\t90.5\t210.0\n", [0.5, 1.0], [1, 2],
    ),
    "Sonic Visualiser, bar and beat": ("0.500000000\t1.4\n1.000000000\t2.1\n", [0.5, 1.0], [4, 1]),
    "Sonic Visualiser, words": ("0.500000000\tNew Point\n1.000000000\tNew Point\n", [0.5, 1.0], [0, 0]),
    "running numbers": (RUNNING, [0.5 * index for index in range(1, 41)], [0] * 40),
    "just before the recording": ("-0.02 1\n0.5 2\n", [-0.02, 0.5], [1, 2]),
    "exponents": ("5e-1 1\n1.0E0 2\n", [0.5, 1.0], [1, 2]),
    "one beat": ("0.5 1", [0.5], [1]),
    "all on one line": ("0.5 1.0 1.5 2.0\n", [0.5, 1.0, 1.5, 2.0], [0, 0, 0, 0]),
    "all between commas": ("0.5, 1.0, 1.5, 2.0\n", [0.5, 1.0, 1.5, 2.0], [0, 0, 0, 0]),
    "one time": ("0,5", [0.5], [0]),
}  # fmt: skip


@pytest.mark.parametrize(("content", "seconds", "positions"), SPELLINGS.values(), ids=SPELLINGS)
def test_every_spelling_is_read(
    tmp_path: Path, content: bytes | str, seconds: list[float], positions: list[int]
) -> None:
    beats = read(tmp_path, content)
    assert beats.seconds.tolist() == pytest.approx(seconds)
    assert beats.positions.tolist() == positions


BROKEN = {
    "nothing": ("", "empty", ""),
    "blank lines": ("\n\n", "no beats", ""),
    "remarks alone": ("# nothing\n", "no beats", ""),
    "a header alone": ("time,position\n", "bad beats", "line 1 "),
    "words": ("0.5 1\none 2\n", "bad beats", "line 2 "),
    "words behind remarks": ("# by ear\n\n0.5 1\none 2\n", "bad beats", "line 4 "),
    "one position is a word": ("0.5 1\n1.0 two\n", "bad beats", "line 2 "),
    "twice the same time": ("0.5 1\n0.5 2\n", "not monotonic", "line 2 "),
    "backward": ("0.5 1\n1.0 2\n0.7 3\n", "not monotonic", "line 3 "),
    "backward with decimal commas": ("0,5;1\n0,4;2\n", "not monotonic", "line 2 "),
    "backward in Audacity's labels": ("1.5\t1.5\t1\n0.5\t0.5\t2\n", "not monotonic", "line 2 "),
    "no number": ("nan 1\n", "bad beats", "line 1 "),
    "no end": ("0.5 1\ninf 2\n", "bad beats", "line 2 "),
    "too great": ("1e999 1\n", "bad beats", "line 1 "),
    "position without end": ("0.5 inf\n", "bad beats", "line 1 "),
    "position not a number": ("0.5 nan\n", "bad beats", "line 1 "),
    "position below zero": ("0.5 -1\n", "bad beats", "line 1 "),
    "position beyond any bar": ("0.5 1\n1.0 1000000\n", "bad beats", "line 2 "),
    "position between": ("0.5 1\n1.0 1.5\n1.5 2.25\n", "bad beats", "line 2 "),
    "an odd flag": ("time,downbeat\n0.5,1\n1.0,perhaps\n", "bad beats", "line 3 "),
    "digits of another script": ("٠.٥ 1\n", "bad beats", "line 1 "),
    "thousands": ("1_000 1\n", "bad beats", "line 1 "),
    "before the recording": ("-3 1\n0.5 2\n", "bad times", "line 1 "),
    "samples, not seconds": ("22050 1\n44100 2\n", "bad times", "line 1 "),
    "seconds missing": ("time,position\n0.5,1\n,2\n", "bad beats", "line 3 "),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not text", "UTF-8"),
    "zeros": (b"\0" * 5000, "not text", "UTF-8"),
    "UTF-16 without its mark": ("0.5 1\n".encode("utf-16-le"), "not text", "UTF-8"),
    "half a UTF-16": (b"\xff\xfe0", "not text", "UTF-8"),
    "a novel": ("It was the best of times, it was the worst of times.\n" * 50, "bad beats", "line 1 "),
    "more than any track has": ("0.5\n" * 200_001, "too many beats", "200000"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "reason", "words"), BROKEN.values(), ids=BROKEN)
def test_what_is_broken_is_refused_with_its_reason_and_line(
    tmp_path: Path, content: bytes | str, reason: str, words: str
) -> None:
    with pytest.raises(BadInput) as caught:
        read(tmp_path, content)
    assert caught.value.reason == reason
    assert words in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "content",
    ["0.5;1\n" + "y" * 1_000_000 + ";2", "1" * 1_000_000, "x" + " " * 1_000_000 + "x", "0.5 " * 500_000 + "x"],
)
def test_a_line_of_a_million_letters_is_refused_at_once_and_in_short(tmp_path: Path, content: str) -> None:
    begun = time.perf_counter()
    with pytest.raises(BadInput) as caught:
        read(tmp_path, content)
    assert len(str(caught.value)) < 300
    assert time.perf_counter() - begun < 2


def test_a_missing_file_a_pipe_and_a_folder_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.beats")
    for path in (tmp_path, tmp_path / "pipe.beats", tmp_path / "none.beats"):
        with pytest.raises(BadInput) as caught:
            beat_file.read(path)
        assert caught.value.reason == "unreadable"


@given(st.binary(max_size=60) | st.text('0123456789.,;:\t \n\r"-+e#\\', max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.beats"
    path.write_bytes(content)
    try:
        beats = beat_file.read(path)
    except BadInput as error:
        assert error.reason
        return
    assert len(beats) and (np.diff(beats.seconds) > 0).all()


@given(times, st.integers(2, 7), st.sampled_from([",", ";", "\t", " "]), st.booleans(), st.booleans())
def test_separator_decimal_sign_and_header_do_not_change_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, seconds: np.ndarray, meter: int, separator: str, comma: bool, header: bool
) -> None:
    positions = (np.arange(len(seconds)) % meter + 1).tolist()
    lines = [f"{time:.3f}{separator}{position}" for time, position in zip(seconds, positions, strict=True)]
    if comma and separator != ",":
        lines = [line.replace(".", ",") for line in lines]
    path = tmp_path_factory.getbasetemp() / "a.beats"
    path.write_text("\n".join([f"time{separator}position"] * header + lines))
    beats = beat_file.read(path)
    assert np.allclose(beats.seconds, seconds) and beats.positions.tolist() == positions
