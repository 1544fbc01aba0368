"""Evaluation: the trained generator on the test split, beside two baselines and the champion."""

from prefect import flow

from musegen import tuned
from musegen.evaluation.report import Report
from musegen.params import load
from musegen.workspace import Workspace
from tasks import report, tuning, versions


@flow(name="evaluate-model")
def evaluate_model(record: bool = True) -> Report:
    """Judge by the `report` section, and record the stage; a model that this test split has not seen is counted."""
    workspace = Workspace.current().checked()
    tuned.start(workspace)
    params, written = load(workspace.params), load(workspace.params, as_written=True)
    judged = report.judge(workspace, params, tuning.count_attempt(workspace, params, written))
    if record:
        versions.record(workspace, ["report"])
    return judged


if __name__ == "__main__":
    evaluate_model(record=False)
