"""Data preparation."""

from prefect.artifacts import create_markdown_artifact

from musegen import survey_report
from musegen.errors import BadInput
from musegen.params import Params
from musegen.stages import corpus
from musegen.stages.corpus import Prepared
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


@step("make-composing-shards")
def make_composing(workspace: Workspace, params: Params) -> Prepared:
    """Stale shards are made on Ray, then committed."""
    with shown("prepare", "shards") as tell:
        return corpus.make_composing(workspace, params, tell)
