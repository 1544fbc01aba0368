"""All of it, as far as something is new: prepare, train, evaluate, deploy, and say what came of it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from filelock import FileLock, Timeout
from prefect import flow

from flows.deploy import deploy_model
from flows.evaluate import evaluate_model
from flows.prepare import prepare_corpus
from flows.train import train_model
from musegen.evaluation.report import Report
from musegen.outcome import Outcome
from musegen.workspace import Workspace
from tasks import outcome as story
from tasks import report, versions


class _Clock:
    """How long each step took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        start = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - start, 1)


@flow(name="retrain")
def retrain() -> Outcome:
    """Skip what is not stale; one retrain a workspace at a time, a second one says so and leaves."""
    workspace = Workspace.current().checked()
    workspace.hidden.mkdir(parents=True, exist_ok=True)
    try:
        held = FileLock(str(workspace.hidden / "retrain.lock")).acquire(timeout=0)
    except Timeout:
        return story.write(workspace, Outcome("skipped", "another retrain of this workspace is running"))
    with held:
        outcome = story.write(workspace, _retrain(workspace))
        versions.push(workspace)
    return outcome


def _retrain(workspace: Workspace) -> Outcome:
    clock = _Clock()
    with clock.step("prepare"):
        prepared = prepare_corpus()
    why = versions.changes(workspace, "generator")
    if why:
        with clock.step("train"):
            train_model()
    with clock.step("evaluate"):
        judged, anew = _judged(workspace)
    standing = report.standing(workspace, judged)
    evidence: dict[str, Any] = {
        "tracks": len(prepared.survey.rows),
        "hours": prepared.survey.hours,
        "rejects": len(prepared.survey.rejects),
        "shards": len(prepared.composing.manifest.shards),
        "shards_made": prepared.composing.shards_made,
        "data_sha256": prepared.composing.manifest.data_sha256,
        "listening_shards": len(prepared.listening.manifest.shards),
        "listening_shards_made": prepared.listening.shards_made,
        "nll_per_note": judged.figures["nll_per_note"],
        "baseline_nll_per_note": (judged.baseline or {}).get("nll_per_note"),
        "seconds": clock.seconds,
        "why_trained": tuple(why),
    }
    if standing.settled and (standing.serves or not anew):
        words = f"the model is that of the last retrain; its verdict stands: {_words(judged)}"
        return Outcome("nothing new", words, version=standing.version, champion=standing.champion, **evidence)
    with clock.step("deploy"):
        deployed = deploy_model()
    champion = deployed.version.number if deployed.promoted else deployed.champion_before
    decision = judged.verdict.outcome if judged.verdict else "not promoted"
    return Outcome(decision, deployed.words, version=deployed.version.number, champion=champion, **evidence)


def _judged(workspace: Workspace) -> tuple[Report, bool]:
    """The report of the model that is there, and whether it was made just now.

    A report that is recorded is judged again where somebody else became champion since.
    """
    if not versions.changes(workspace, "report"):
        judged = report.read(workspace)
        if report.standing(workspace, judged).fairly_judged:
            return judged, False
    return evaluate_model(), True


def _words(judged: Report) -> str:
    return judged.verdict.words if judged.verdict else "not judged"


if __name__ == "__main__":
    retrain()
