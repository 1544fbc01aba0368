"""Deployment: register the judged generator, promote it where the gate is met."""

from prefect import flow

from musegen.params import load
from musegen.stages.deploy import Deployed
from musegen.workspace import Workspace
from tasks import report


@flow(name="deploy-model")
def deploy_model() -> Deployed:
    """The model and the report that are in the workspace become a version."""
    workspace = Workspace.current().checked()
    return report.deploy(workspace, load(workspace.params), report.read(workspace))


if __name__ == "__main__":
    deploy_model()
