"""The story of a retrain."""

from prefect.artifacts import create_markdown_artifact

from musegen.outcome import Outcome
from musegen.workspace import Workspace
from tasks.step import step


@step("write-outcome")
def write(workspace: Workspace, outcome: Outcome) -> Outcome:
    """Into the history of the workspace, and as an artifact."""
    outcome.write(workspace)
    create_markdown_artifact(outcome.to_markdown(), key="retrain-report", description="What this retrain came to")
    return outcome
