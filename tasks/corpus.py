"""Data preparation."""

from prefect.artifacts import create_markdown_artifact

from musegen import survey_report
from musegen.cluster.shards import Dataset
from musegen.errors import BadInput
from musegen.params import Params
from musegen.stages import corpus, dataset_report
from musegen.survey import Survey
from musegen.workspace import Workspace
from tasks.progress import shown
from tasks.step import step


@step("survey-corpus")
def survey_corpus(workspace: Workspace, params: Params) -> Survey:
    """Every file of the corpus gets its verdict; the corpus report becomes an artifact."""
    with shown("survey", "tracks") as tell:
        found = corpus.survey_corpus(workspace, params, tell)
    if found.nothing:
        raise BadInput(found.nothing, "empty")
    create_markdown_artifact(survey_report.to_markdown(found), key="corpus-report", description="What the corpus holds")
    return found


@step("make-listening-shards")
def make_listening(workspace: Workspace, params: Params, mend: bool = False) -> Dataset:
    """Stale shards are made on Ray, then committed; what that took becomes an artifact."""
    with shown("listening", "tracks") as tell:
        made = corpus.make_listening(workspace, params, tell, mend)
    return _told("listening", made)


@step("make-composing-shards")
def make_composing(workspace: Workspace, params: Params, mend: bool = False) -> Dataset:
    """The same for the composing dataset."""
    with shown("composing", "tracks") as tell:
        made = corpus.make_composing(workspace, params, tell, mend)
    return _told("composing", made)


def _told(name: str, made: Dataset) -> Dataset:
    text = dataset_report.to_markdown(name, made)
    create_markdown_artifact(text, key=f"{name}-report", description=f"The {name} dataset")
    return made
