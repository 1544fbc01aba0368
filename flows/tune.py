"""Tuning: other settings than the present ones, tried on `valid` alone; the best of them go to tuned.yaml."""

from prefect import flow

from musegen.params import load
from musegen.stages.tuning import Search
from musegen.workspace import Workspace
from tasks import tuning


@flow(name="tune-model")
def tune_model() -> Search:
    """Search by the `tuning` section; the next training takes what was found better."""
    workspace = Workspace.current().checked()
    written = load(workspace.params, as_written=True)
    found = tuning.search(workspace, load(workspace.params), written)
    tuning.keep(workspace, written, found)
    return found


if __name__ == "__main__":
    tune_model()
