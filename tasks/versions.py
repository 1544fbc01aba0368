"""What DVC knows and is told."""

from musegen import versions
from musegen.versions import Pushed
from musegen.workspace import Workspace
from tasks.step import step


@step("start-versions")
def start(workspace: Workspace) -> None:
    """Make the workspace a DVC project if it is none."""
    versions.start(workspace)


@step("what-changed")
def changes(workspace: Workspace, stage: str) -> list[str]:
    """Why a stage ought to run."""
    return versions.changes(workspace, stage)


@step("record-stages")
def record(workspace: Workspace, stages: list[str]) -> None:
    """Write outputs and parameters to dvc.lock."""
    versions.record(workspace, stages)


@step("push-data")
def push(workspace: Workspace) -> Pushed:
    """Send recorded outputs to the remote, and see that they are there."""
    return versions.push(workspace)
