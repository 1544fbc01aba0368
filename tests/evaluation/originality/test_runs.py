"""Runs of shared notes: where they begin and end."""

import numpy as np
import pytest

from musegen.evaluation.originality.runs import shared_runs


@pytest.mark.parametrize(
    ("shared", "runs"),
    [
        ("", []),
        ("....", []),
        ("xxxx", [(0, 4)]),
        ("..xxx..", [(2, 5)]),
        ("xxx.xxx", [(0, 7)]),
        ("x..x", [(0, 1), (3, 4)]),
        ("xxxx......xxxx", [(0, 4), (10, 14)]),
        ("x" * 40 + "." * 12 + "x" * 40, [(0, 40), (52, 92)]),
        ("x" * 40 + "." * 11 + "x" * 40, [(0, 91)]),
    ],
)
def test_a_run_goes_on_as_long_as_more_is_shared_than_not(shared: str, runs: list[tuple[int, int]]) -> None:
    assert shared_runs(np.array([note == "x" for note in shared], bool)) == runs
