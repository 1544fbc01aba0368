"""Training of the generator."""

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.runtime import flow_run

from musegen import versions
from musegen.errors import BadInput, BadParams
from musegen.params import Params
from musegen.stages import generator
from musegen.stages.generator import Fitted
from musegen.training import Progress
from musegen.workspace import Workspace
from tasks.progress import Artifacts, shown
from tasks.step import step


@step("train-generator")
def train(workspace: Workspace, params: Params) -> Fitted:
    """Ray Train runs, MLflow listens; the curve becomes an artifact, a resume and an interruption a line of the log."""
    tags = {"prefect.flow_run_id": str(flow_run.id or ""), "git.sha": versions.code_revision(workspace)}
    log = get_run_logger()
    with shown("train", "steps") as tell:

        def hear(progress: Progress) -> None:
            words = generator.words_of(progress)
            tell(progress.step, progress.steps, words)
            if progress.resumed:
                log.info("Training %s", words)

        try:
            fitted = generator.train_generator(workspace, params, tags, hear)
        except BaseException as error:
            log.warning("%s", _farewell(error))
            raise
    words = fitted.to_markdown()
    Artifacts().make(
        lambda: create_markdown_artifact(words, key="training-report", description="How the training went")
    )
    return fitted


def _farewell(error: BaseException) -> str:
    """What the log says of a training that ended early: whether the next one goes on."""
    why = str(error) or "a signal"
    if isinstance(error, BadInput | BadParams):
        return f"Training refused ({why})"
    return f"Training interrupted ({why}); the next one goes on from its newest checkpoint"
