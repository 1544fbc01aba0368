"""Deployment: the judged generator becomes a version in the registry and, where the gate is met, the champion."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from musegen.evaluation.report import Report
from musegen.params import Params
from musegen.registry import CHAMPION, GENERATOR, ModelVersion, Registry
from musegen.stages import lineage
from musegen.stages.generator import training_facts
from musegen.workspace import Workspace


@dataclass(frozen=True)
class Deployed:
    """The registered version, whether it serves now, and who served before."""

    version: ModelVersion
    promoted: bool
    champion_before: int | None
    words: str


def deploy_generator(workspace: Workspace, params: Params, report: Report, tags: Mapping[str, str]) -> Deployed:
    """Register model, report, pieces, params.yaml, dvc.lock and lineage as one version, and promote it if it passed.

    A model that is registered already keeps its version; its promotion is made up for if a kill prevented it.
    """
    registry = Registry(workspace)
    before = registry.find(GENERATOR, CHAMPION)
    facts = training_facts(workspace.generator)
    verdict = report.verdict
    passed = verdict is not None and verdict.passed
    words = verdict.words if verdict else "Not judged."
    version = registry.register(
        GENERATOR,
        facts["run_id"],
        _bundle(workspace, facts["data_sha256"]),
        {
            **tags,
            "data.sha256": facts["data_sha256"],
            "gate.result": "passed" if passed else "failed",
            "gate.words": words[:4000],
            "nll_per_note": f"{report.figures['nll_per_note']:.4f}",
        },
        words,
    )
    if passed and (before is None or before.number != version.number):
        registry.challenge(version)
        version = registry.promote(registry.version(GENERATOR, str(version.number)), before, words)
    elif not passed:
        registry.challenge(version)
        version = registry.version(GENERATOR, str(version.number))
    return Deployed(version, passed, before.number if before else None, words)


@dataclass(frozen=True)
class Standing:
    """How the trained generator stands in the registry: its version if it has one, and whether all is done with it.

    `settled`: registered, and promoted where its report says so (a later rollback by hand is respected).
    `serves`: it is the champion. `fairly_judged`: the report compares it with the champion of today.
    """

    version: int | None
    champion: int | None
    settled: bool
    serves: bool
    fairly_judged: bool


def standing_of(workspace: Workspace, report: Report) -> Standing:
    """Hold `models/generator` and its report against the registry."""
    registry = Registry(workspace)
    run_id = training_facts(workspace.generator)["run_id"]
    mine = next((version for version in registry.versions(GENERATOR) if version.run_id == run_id), None)
    champion = registry.find(GENERATOR, CHAMPION)
    serves = mine is not None and champion is not None and champion.number == mine.number
    passed = report.verdict is not None and report.verdict.passed
    return Standing(
        version=mine.number if mine else None,
        champion=champion.number if champion else None,
        settled=mine is not None and (not passed or serves or "promoted.why" in mine.tags),
        serves=serves,
        fairly_judged=serves or (report.champion or {}).get("version") == (champion.number if champion else None),
    )


def promote_version(workspace: Workspace, which: str, why: str) -> str:
    """Make a version (number or alias) the champion; returns what happened in words."""
    registry = Registry(workspace)
    version, before = registry.version(GENERATOR, which), registry.find(GENERATOR, CHAMPION)
    if before is not None and before.number == version.number:
        return f"version {version.number} is the champion already"
    registry.promote(version, before, why)
    return f"version {version.number} is the champion now" + (f", version {before.number} was" if before else "")


def _bundle(workspace: Workspace, data_sha256: str) -> Path:
    """Everything a version holds, side by side in one folder, with the list of the tracks it learnt from."""
    folder = workspace.hidden / "bundle"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(workspace.generator, folder / "generator")
    shutil.copytree(workspace.reports / "generator", folder / "report")
    lineage.keep(workspace, data_sha256, folder)
    for name in ("params.yaml", "dvc.lock"):
        if (workspace.root / name).exists():
            shutil.copy(workspace.root / name, folder / name)
    return folder
