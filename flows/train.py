"""Training: composing dataset → generator, tracked by MLflow and recorded by DVC."""

from prefect import flow

from musegen import tuned
from musegen.params import load
from musegen.stages.generator import Fitted
from musegen.workspace import Workspace
from tasks import generator, versions


@flow(name="train-model")
def train_model(record: bool = True) -> Fitted:
    """Train by the `generator` section; after a kill the same call goes on where the newest checkpoint stands."""
    workspace = Workspace.current().checked()
    tuned.start(workspace)
    fitted = generator.train(workspace, load(workspace.params))
    if record:
        versions.record(workspace, ["generator"])
    return fitted


if __name__ == "__main__":
    train_model(record=False)
