"""The journal of a run: whole lines, whatever a kill leaves."""

import time
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from musegen.training import Progress, journal

WORD = Progress(10, 400, 0.5, 1.25, 0.01, 1000.0, system={"system/cpu_utilization_percentage": 50.0}, milliseconds=7)


def test_what_is_appended_is_read_from_there_on(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    assert journal.read(path) == ([], 0)
    journal.append(path, WORD)
    words, offset = journal.read(path)
    assert words == [WORD]
    last = Progress(20, 400, 1.0, 1.0, 0.01, 900.0, 3.5, Path("run/step-00000020"), resumed=True)
    journal.append(path, last)
    assert journal.read(path, offset) == ([last], path.stat().st_size)


@given(st.integers(0, 400))
def test_a_torn_line_is_left_for_later_and_passed_over_once_another_follows(tmp_path_factory, cut: int) -> None:
    path = tmp_path_factory.mktemp("run") / "progress.jsonl"
    journal.append(path, WORD)
    line = path.read_bytes()
    torn = line[: min(cut, len(line) - 2)]
    path.write_bytes(line + torn)
    assert journal.read(path) == ([WORD], len(line))
    journal.append(path, WORD)
    assert journal.read(path) == ([WORD, WORD], path.stat().st_size)


def test_a_line_of_a_later_musegen_is_read_as_far_as_it_is_known(tmp_path: Path) -> None:
    assert Progress.of_json({**WORD.to_json(), "new": 1}) == WORD


def test_a_word_costs_less_than_half_a_millisecond(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    costs = []
    for _ in range(200):
        began = time.thread_time()
        journal.append(path, WORD)
        costs.append(time.thread_time() - began)
    assert sorted(costs)[100] < 5e-4
