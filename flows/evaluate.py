"""Evaluation: the trained generator on the test split, beside the count model and the champion."""

from prefect import flow

from musegen.evaluation.report import Report
from musegen.params import load
from musegen.workspace import Workspace
from tasks import report, versions


@flow(name="evaluate-model")
def evaluate_model(record: bool = True) -> Report:
    """Judge by the `report` section, and record the stage."""
    workspace = Workspace.current().checked()
    judged = report.judge(workspace, load(workspace.params))
    if record:
        versions.record(workspace, ["report"])
    return judged


if __name__ == "__main__":
    evaluate_model(record=False)
