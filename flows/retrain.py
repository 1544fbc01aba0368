"""All of it, as far as something is new: prepare, train, evaluate, tune where the gate refuses, deploy, and say what
came of it. Killed anywhere, the next retrain goes on there."""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from prefect import flow

from flows.deploy import deploy_model
from flows.evaluate import evaluate_model
from flows.prepare import PreparedCorpus, prepare_corpus
from flows.train import train_model
from flows.tune import tune_model
from musegen import tuned
from musegen.cluster.connect import kept_open
from musegen.errors import MusegenError, Overtaken
from musegen.evaluation.report import Report
from musegen.outcome import Decision, Outcome
from musegen.params import Params, load
from musegen.stages.attempts import where_training_stands
from musegen.stages.deploy import Deployed
from musegen.stages.tuning import Search
from musegen.workspace import Workspace
from tasks import outcome as story
from tasks import report, tuning, versions

_OVERTAKEN_AT_MOST = 3


@dataclass
class _Made:
    """What a retrain has come to so far, and how long each step took; kept where it fails."""

    evidence: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    since: float = field(default_factory=time.time)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        start = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0) + time.monotonic() - start, 1)

    def outcome(self, decision: Decision, reason: str, **others: Any) -> Outcome:
        return Outcome(decision, reason, **{**self.evidence, **others}, seconds=self.seconds)


@flow(name="retrain")
def retrain() -> Outcome:
    """Skip what is not stale; one retrain a workspace at a time, a second one says so and leaves."""
    workspace = Workspace.current().checked()
    workspace.hidden.mkdir(parents=True, exist_ok=True)
    holder = workspace.hidden / "retrain.holder"
    try:
        held = FileLock(str(workspace.hidden / "retrain.lock")).acquire(timeout=0)
    except Timeout:
        return story.write(workspace, Outcome("skipped", f"another retrain of this workspace is running{_of(holder)}"))
    made = _Made()
    with held:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        holder.write_text(json.dumps({"since": now, "process": os.getpid(), "machine": socket.gethostname()}))
        try:
            with kept_open():
                outcome = _retrain(workspace, made)
        except BaseException as error:
            # Without a task: Prefect starts none while a flow is being cancelled.
            _unfinished(workspace, made, error).write(workspace)
            raise
        finally:
            holder.unlink(missing_ok=True)
        outcome = story.write(workspace, outcome)
        versions.push(workspace)
    return outcome


def _retrain(workspace: Workspace, made: _Made) -> Outcome:
    tuned.start(workspace)
    with made.step("prepare"):
        prepared = prepare_corpus()
    made.evidence |= _prepared(prepared)
    judged, anew = _trained_and_judged(workspace, made)
    standing = report.standing(workspace, judged)
    due = not _passed(judged) and tuning.is_due(workspace, *_params(workspace))
    if standing.settled and (standing.serves or standing.replaced_by_hand or not anew) and not due:
        words = f"the model is that of the last retrain; its verdict stands: {_words(judged)}"
        return made.outcome("nothing new", words, version=standing.version, champion=standing.champion)
    judged, deployed = _deployed(workspace, made, judged)
    if not _passed(judged) and due:
        found = _tuned(made, deployed)
        if found.better is not None:
            judged, _ = _trained_and_judged(workspace, made)
            judged, deployed = _deployed(workspace, made, judged)
    champion = deployed.version.number if deployed.promoted else deployed.champion_before
    return made.outcome(deployed.decision, deployed.words, version=deployed.version.number, champion=champion)


def _trained_and_judged(workspace: Workspace, made: _Made) -> tuple[Report, bool]:
    """The report of the model by the present settings, and whether it was made just now.

    A report that is recorded is made again where somebody else became champion since.
    """
    why = versions.changes(workspace, "generator")
    made.evidence["why_trained"] = (*made.evidence.get("why_trained", ()), *why)
    if why:
        with made.step("train"):
            train_model()
    if not versions.changes(workspace, "report"):
        judged = report.read(workspace)
        if report.standing(workspace, judged).fairly_judged:
            made.evidence |= _figures(judged)
            return judged, False
    return _judged(workspace, made), True


def _judged(workspace: Workspace, made: _Made) -> Report:
    params = _params(workspace)
    with made.step("evaluate"):
        judged = evaluate_model()
    made.evidence |= _figures(judged)
    found = tuning.in_use(workspace, *params)
    made.evidence |= {"tuning": found.to_json()} if found else {}
    return judged


def _deployed(workspace: Workspace, made: _Made, judged: Report) -> tuple[Report, Deployed]:
    """Register, and promote what passed; where another became champion meanwhile, judge again beside that one."""
    for _ in range(_OVERTAKEN_AT_MOST - 1):
        try:
            with made.step("deploy"):
                return judged, deploy_model()
        except Overtaken:
            judged = _judged(workspace, made)
    with made.step("deploy"):
        return judged, deploy_model()


def _tuned(made: _Made, refused: Deployed) -> Search:
    """Look for better settings than those of the model that was refused, and say so in the evidence."""
    made.evidence["first"] = {"version": refused.version.number, "words": refused.words}
    with made.step("tune"):
        found = tune_model()
    made.evidence["tuning"] = found.to_json()
    return found


def _params(workspace: Workspace) -> tuple[Params, Params]:
    """The settings in use, and params.yaml as the person wrote it."""
    return load(workspace.params), load(workspace.params, as_written=True)


def _passed(judged: Report) -> bool:
    return judged.verdict is not None and judged.verdict.passed


def _words(judged: Report) -> str:
    return judged.verdict.words if judged.verdict else "not judged"


def _prepared(prepared: PreparedCorpus) -> dict[str, Any]:
    return {
        "tracks": len(prepared.survey.rows),
        "hours": prepared.survey.hours,
        "rejects": len(prepared.survey.rejects),
        "shards": len(prepared.composing.manifest.shards),
        "shards_made": prepared.composing.shards_made,
        "data_sha256": prepared.composing.manifest.data_sha256,
        "listening_shards": len(prepared.listening.manifest.shards),
        "listening_shards_made": prepared.listening.shards_made,
    }


def _figures(judged: Report) -> dict[str, Any]:
    return {
        "nll_per_note": judged.figures["nll_per_note"],
        "baseline_nll_per_note": (judged.baseline or {}).get("nll_per_note"),
        "attempts": int(judged.attempts.get("judged", 0)),
    }


def _unfinished(workspace: Workspace, made: _Made, error: BaseException) -> Outcome:
    """What is told of a retrain that raised: its own errors in their words, a signal with where training stands."""
    if isinstance(error, Exception):
        words = str(error).strip()
        return made.outcome("failed", words if isinstance(error, MusegenError) else f"{type(error).__name__}: {words}")
    stands = where_training_stands(workspace, made.since)
    return made.outcome("interrupted", f"{stands}; run `musegen retrain` again to go on")


def _of(holder: Path) -> str:
    try:
        told = json.loads(holder.read_text(encoding="utf-8"))
        return f": process {told['process']} on {told['machine']}, since {told['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return ""


if __name__ == "__main__":
    retrain()
