"""Training of the generator."""

from prefect.artifacts import create_markdown_artifact
from prefect.runtime import flow_run

from musegen import versions
from musegen.params import Params
from musegen.stages import generator
from musegen.stages.generator import Fitted
from musegen.workspace import Workspace
from tasks.progress import shown
from tasks.step import step


@step("train-generator")
def train(workspace: Workspace, params: Params) -> Fitted:
    """Ray Train runs, MLflow listens; the curve becomes an artifact."""
    tags = {"prefect.flow_run_id": str(flow_run.id or ""), "git.sha": versions.code_revision(workspace)}
    with shown("train", "steps") as tell:
        fitted = generator.train_generator(
            workspace, params, tags, lambda progress: tell(progress.step, progress.steps, generator.words_of(progress))
        )
    create_markdown_artifact(fitted.to_markdown(), key="training-report", description="How the training went")
    return fitted
