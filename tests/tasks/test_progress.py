"""Artifacts are a courtesy: no work fails by them."""

import os
import re
from pathlib import Path
from typing import Any

import pytest

from musegen.errors import BadInput, Unavailable

# Prefect makes its home when it is imported, but not the folder of that.
Path(os.environ["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)

from tasks import generator, progress  # noqa: E402


def test_prefect_may_be_away_while_work_is_shown(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[float] = []

    def refuse(share: float, **_: Any) -> None:
        asked.append(share)
        raise ConnectionError("502 from the API")

    monkeypatch.setattr(progress, "_ARTIFACT_SECONDS", -1.0)
    monkeypatch.setattr(progress, "create_progress_artifact", refuse)
    monkeypatch.setattr(progress.FlowRunContext, "get", lambda: object())
    with progress.shown("train", "steps") as tell:
        for done in range(1, 4):
            tell(done, 3)
    assert len(asked) == 3 and caplog.text.count("502 from the API") == 1


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyboardInterrupt(), r"interrupted \(a signal\); the next one goes on from its newest checkpoint"),
        (Unavailable("the disk is full"), r"interrupted \(the disk is full\); the next one goes on"),
        (BadInput("no music"), r"refused \(no music\)$"),
    ],
)
def test_only_a_training_that_can_go_on_is_promised_to(error: BaseException, words: str) -> None:
    assert re.search(words, generator._farewell(error))
