"""Deployment: the judged generator becomes a version in the registry and, where the gate is met, the champion."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from musegen.errors import BadParams
from musegen.evaluation.report import Report
from musegen.params import Params
from musegen.registry import CHAMPION, GATE, GENERATOR, GENERATOR_EXPERIMENT, HAND, ModelVersion, Registry, Runs
from musegen.registry.connection import only_one
from musegen.stages import environment, lineage, tracking
from musegen.stages.generator import training_facts
from musegen.workspace import Workspace

_KEPT = ("params.yaml", "tuned.yaml", "dvc.yaml", "dvc.lock")
_FIGURES = ("nll_per_note", "nll_per_beat", "accuracy", "f1")
_PASSED, _FAILED = "passed", "failed"
_PLACE, _DEPLOYED = "report.place", "deployed"
_REPORT = "report"


@dataclass(frozen=True)
class Deployed:
    """What came of a deployment.

    `promoted`: this made the version champion, just now; `champion_before`: who served until then (the version itself
    where nothing changed, None where nobody did). `decision` as an `Outcome` has it: a model that passed and changes
    nothing, since it serves already or was replaced by hand, is "nothing new".
    """

    version: ModelVersion
    promoted: bool
    champion_before: int | None
    decision: Literal["promoted", "kept champion", "not promoted", "nothing new"]
    words: str


def deploy_generator(workspace: Workspace, params: Params, report: Report, tags: Mapping[str, str]) -> Deployed:
    """Register model, report, settings, dvc.lock and lineage as one version, and promote it if it passed.

    A model that is registered already keeps its version and its files; the tag `report.place` says where the report
    lies that its tags tell of, in the MLflow run. What a kill prevented is made up for; the tag `deployed` says of
    which report all is done. A version that served and was replaced by hand is promoted by hand only.

    Raises `BadParams` for the report of another model, and `Overtaken` where another is champion than the one that
    the report compares with: it is to be judged again.
    """
    registry, facts = Registry(workspace), training_facts(workspace.generator)
    _check_origin(report, facts)
    run_id = _run_of(workspace, facts)
    marks = {**tags, **_marks(report), "data.sha256": facts["data_sha256"], _PLACE: f"runs:/{run_id}/{_REPORT}"}
    # The report first: where there is a version already, its tags shall not tell of a report that lies nowhere.
    _tell(Runs(workspace), run_id, workspace.reports / "generator", report, marks["gate.result"])
    with _bundle(workspace, facts["data_sha256"]) as bundle:
        version = registry.register(GENERATOR, run_id, bundle, marks, _words(report))
    deployed = _serve(registry, version, report, marks[_PLACE])
    return replace(deployed, version=registry.tag(deployed.version, {_DEPLOYED: _hash_of(report)}))


def _serve(registry: Registry, version: ModelVersion, report: Report, place: str) -> Deployed:
    """Make the version challenger, and champion where it may be."""
    before, words = registry.find(GENERATOR, CHAMPION), _words(report)
    number = before.number if before else None
    if not _passed(report):
        if version.number != number:
            registry.challenge(version)
        refused = report.verdict.outcome if report.verdict else "not promoted"
        return Deployed(version, False, number, refused, words)
    if version.number == number:
        return Deployed(version, False, number, "nothing new", f"version {number} is the champion already: {words}")
    registry.challenge(version)
    if _replaced_by_hand(registry, version):
        said = f"version {version.number} served before and was replaced by hand"
        said += f"; `musegen promote {version.number}` makes it serve again"
        return Deployed(version, False, number, "nothing new", said)
    judged_beside = (report.champion or {}).get("version")
    version = registry.promote(version, judged_beside, f"{words} Its report: {place}", by=GATE)
    return Deployed(version, True, judged_beside, "promoted", words)


@dataclass(frozen=True)
class Standing:
    """How the trained generator stands in the registry: its version if it has one, and whether all is done with it.

    `settled`: registered with this very report, and promoted where that says so. `serves`: it is the champion.
    `has_served`: it was the champion at some time, or is. `replaced_by_hand`: somebody made another the champion in its
    place, so no report makes it serve again. `fairly_judged`: the report compares it with the champion of today, or
    needs not, as nothing would come of it.
    """

    version: int | None
    champion: int | None
    settled: bool
    serves: bool
    has_served: bool
    replaced_by_hand: bool
    fairly_judged: bool


def standing_of(workspace: Workspace, report: Report) -> Standing:
    """Hold `models/generator` and its report against the registry."""
    registry, facts = Registry(workspace), training_facts(workspace.generator)
    run_id = facts.get("run_id") or _found(workspace, facts)
    mine = next((version for version in registry.versions(GENERATOR) if version.run_id == run_id), None)
    champion = registry.find(GENERATOR, CHAMPION)
    now = champion.number if champion else None
    serves = mine is not None and mine.number == now
    has_served = serves or (mine is not None and _has_served(registry, mine))
    by_hand = not serves and mine is not None and _replaced_by_hand(registry, mine)
    told = mine is not None and mine.tags.get(_DEPLOYED) == _hash_of(report)
    return Standing(
        version=mine.number if mine else None,
        champion=now,
        settled=told and (not _passed(report) or has_served),
        serves=serves,
        has_served=has_served,
        replaced_by_hand=by_hand,
        fairly_judged=serves or by_hand or (report.champion or {}).get("version") == now,
    )


def promote_version(workspace: Workspace, which: str, why: str, anyway: bool = False) -> str:
    """Make a version (number or alias) the champion; returns what happened in words.

    Raises `BadParams` for one that the gate refused, unless `anyway`; the history says so then.
    """
    registry = Registry(workspace)
    version, before = registry.version(GENERATOR, which), registry.find(GENERATOR, CHAMPION)
    if before is not None and before.number == version.number:
        return f"version {version.number} is the champion already"
    if version.tags.get("gate.result") == _FAILED:
        refusal = version.tags.get("gate.words", "")
        if not anyway:
            raise BadParams(
                f"version {version.number}: the gate refused it ({refusal}); promote another, or this one with --anyway"
            )
        why = f"{why} [although the gate refused it: {refusal}]"
    return _serving(registry.promote(version, before, why), before)


def roll_back(workspace: Workspace, why: str) -> str:
    """Make the version that served before the champion again; returns what happened in words."""
    registry = Registry(workspace)
    before = registry.find(GENERATOR, CHAMPION)
    return _serving(registry.rollback(GENERATOR, why), before)


def _serving(version: ModelVersion, before: ModelVersion | None) -> str:
    return f"version {version.number} is the champion now" + (f", version {before.number} was" if before else "")


def _has_served(registry: Registry, version: ModelVersion) -> bool:
    """The tag is from before there was a history."""
    served = {entry.version for entry in registry.history(GENERATOR) if entry.accepted}
    return version.number in served or "promoted.why" in version.tags


def _replaced_by_hand(registry: Registry, version: ModelVersion) -> bool:
    """Whether a person, and not the gate, ended the last time that the version served."""
    history = registry.history(GENERATOR)
    ends = [entry.by for entry in history if entry.accepted and entry.instead_of == version.number]
    return ends[-1:] == [HAND]


def _check_origin(report: Report, facts: Mapping[str, Any]) -> None:
    """Raise `BadParams` unless the report is of the model with these facts."""
    mine = next((name for name in ("run", "run_id") if facts.get(name)), None)
    if report.data_sha256 != facts["data_sha256"] or (mine and report.model.get(mine) != facts[mine]):
        raise BadParams("reports/generator: the report is of another model; run `musegen evaluate`")


def _passed(report: Report) -> bool:
    return report.verdict is not None and report.verdict.passed


def _words(report: Report) -> str:
    return report.verdict.words if report.verdict else "Not judged."


def _marks(report: Report) -> dict[str, str]:
    """What the tags of a version say of its report."""
    return {
        "gate.result": _PASSED if _passed(report) else _FAILED,
        "gate.words": _words(report)[:4000],
        "nll_per_note": f"{report.figures['nll_per_note']:.4f}",
    }


def _hash_of(report: Report) -> str:
    return hashlib.sha256(json.dumps(report.to_json(), sort_keys=True).encode()).hexdigest()


def _run_of(workspace: Workspace, facts: Mapping[str, str]) -> str:
    """The MLflow run that made the model; where MLflow was away meanwhile, it is told of it first."""
    tracking.catch_up(workspace, also=facts.get("run"))
    run_id = facts.get("run_id") or _found(workspace, facts)
    if run_id is None:
        raise BadParams(
            f"run {facts.get('run')}: MLflow knows nothing of the training, and its folder below {workspace.runs} is "
            "gone; delete models/generator and retrain"
        )
    return run_id


def _found(workspace: Workspace, facts: Mapping[str, str]) -> str | None:
    return Runs(workspace).find(GENERATOR_EXPERIMENT, facts["run"]) if facts.get("run") else None


def _tell(runs: Runs, run_id: str, folder: Path, report: Report, result: str) -> None:
    """What the test split said goes beside the curves of the run, with the report that decided."""
    found = {f"test.{name}": report.figures.get(name) for name in _FIGURES}
    runs.log_values(run_id, {name: float(value) for name, value in found.items() if value is not None})
    runs.tag(run_id, {"gate.result": result})
    runs.log_files(run_id, folder, _REPORT)


@contextmanager
def _bundle(workspace: Workspace, data_sha256: str) -> Iterator[Path]:
    """Everything a version holds, side by side in one folder, with the list of the tracks it learnt from."""
    folder = workspace.hidden / "bundle"
    with only_one(workspace.hidden / "bundle.lock"):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(workspace.generator, folder / "generator")
        shutil.copytree(workspace.reports / "generator", folder / "report")
        lineage.keep(workspace, data_sha256, folder)
        environment.keep(folder)
        for name in _KEPT:
            if (workspace.root / name).exists():
                shutil.copy(workspace.root / name, folder / name)
        yield folder
        shutil.rmtree(folder, ignore_errors=True)
