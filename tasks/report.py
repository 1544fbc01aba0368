"""Evaluation and deployment of the generator."""

from collections.abc import Mapping
from typing import Any

from prefect.artifacts import create_markdown_artifact
from prefect.runtime import flow_run

from musegen import versions
from musegen.evaluation.report import Report
from musegen.params import Params
from musegen.stages import deploy as deployment
from musegen.stages import report as evaluation
from musegen.stages.deploy import Deployed, Standing
from musegen.workspace import Workspace
from tasks.progress import shown
from tasks.step import step


@step("judge-generator")
def judge(workspace: Workspace, params: Params, attempts: Mapping[str, Any] | None = None) -> Report:
    """The whole report becomes an artifact, and the gate's decision one of its own."""
    with shown("evaluate", "steps") as tell:
        report = evaluation.judge_generator(workspace, params, tell, attempts)
    words = report.to_markdown(with_files=False)
    create_markdown_artifact(words, key="evaluation-report", description="How good the model is")
    create_markdown_artifact(report.decision(), key="gate-decision", description="May it serve?")
    return report


@step("read-report")
def read(workspace: Workspace) -> Report:
    """The report of the model that is there."""
    return evaluation.read_report(workspace)


@step("standing-in-registry")
def standing(workspace: Workspace, report: Report) -> Standing:
    """Which version the trained generator is, and whether all is done with it."""
    return deployment.standing_of(workspace, report)


@step("deploy-generator")
def deploy(workspace: Workspace, params: Params, report: Report) -> Deployed:
    """Register, and promote where the gate is met."""
    tags = {"prefect.flow_run_id": str(flow_run.id or ""), "git.sha": versions.code_revision(workspace)}
    return deployment.deploy_generator(workspace, params, report, tags)
