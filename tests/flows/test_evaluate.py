"""Whoever judges on the test pieces, that look at them is counted and told."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from musegen.workspace import Workspace


@pytest.mark.parametrize("record", [True, False])
def test_every_way_to_judge_counts_the_attempt_and_tells_of_it(
    record: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Prefect makes its folder when it is imported, but not the folder around it.
    Path(os.environ["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)
    from flows import evaluate

    told: dict[str, Any] = {}
    here = Workspace(tmp_path)
    here.pipeline.write_text("tuned.yaml")
    current = SimpleNamespace(current=lambda: SimpleNamespace(checked=lambda: here))
    monkeypatch.setattr(evaluate, "Workspace", current)
    monkeypatch.setattr(evaluate, "load", lambda path, as_written=False: "written" if as_written else "in use")
    counted = {"words": "1 model was judged", "judged": 1}
    monkeypatch.setattr(evaluate.tuning, "count_attempt", lambda *asked: told.update(asked=asked) or counted)
    monkeypatch.setattr(evaluate.report, "judge", lambda *asked: told.update(judged=asked) or "report")
    monkeypatch.setattr(evaluate.versions, "record", lambda *asked: told.update(recorded=asked))
    assert evaluate.evaluate_model.fn(record) == "report"
    assert told["asked"] == (here, "in use", "written")
    assert told["judged"] == (here, "in use", counted)
    assert ("recorded" in told) is record
