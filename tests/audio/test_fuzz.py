"""A few hundred broken files: each gets one verdict, and none passes with a length that it does not have."""

from pathlib import Path

import pytest

from benchmarks.fuzz import judge, verdict
from benchmarks.mutants import FORMATS, mutants, originals


@pytest.mark.parametrize("format", FORMATS)
def test_no_broken_file_passes_with_a_wrong_length(tmp_path: Path, format: str) -> None:
    path = tmp_path / ("mutant.mid" if format == "midi" else f"mutant.{format}")
    found = set()
    for original, way, content in mutants(originals(format), 120, seed=7):
        path.write_bytes(content)
        found.add(verdict(judge({"path": str(path)}), original, way))
    assert not {name for name in found if name.startswith("exception") or "wrong" in name}
    assert any(name.startswith("refused") for name in found)


@pytest.mark.parametrize("format", FORMATS)
def test_originals_pass(tmp_path: Path, format: str) -> None:
    path = tmp_path / ("original.mid" if format == "midi" else f"original.{format}")
    for original in originals(format):
        path.write_bytes(original.content)
        assert verdict(judge({"path": str(path)}), original, "") == "passed"
