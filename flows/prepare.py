"""Data preparation: corpus → catalogue → listening and composing datasets, recorded by DVC.

`python -m flows.prepare survey|listening|composing` runs one DVC stage and leaves the recording to `dvc repro`.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass

from prefect import flow

from musegen.cluster.shards import Dataset
from musegen.params import load
from musegen.survey import Survey
from musegen.workspace import Workspace
from tasks import corpus, versions

STAGES = ("survey", "listening", "composing")


@dataclass(frozen=True)
class PreparedCorpus:
    """What was found, and the datasets made of it."""

    survey: Survey
    listening: Dataset
    composing: Dataset


@flow(name="prepare-corpus")
def prepare_corpus(record: bool = True, mend: bool = False) -> PreparedCorpus:
    """Survey the corpus, make what is stale of the datasets, and record each stage that changed.

    With `mend` shards that are damaged are made again, and tracks that were left out are tried again.
    """
    workspace = Workspace.current().checked()
    params = load(workspace.params)
    if record:
        versions.start(workspace)
    found = corpus.survey_corpus(workspace, params)
    _record(workspace, "survey", record)
    listening = corpus.make_listening(workspace, params, mend)
    _record(workspace, "listening", record)
    composing = corpus.make_composing(workspace, params, mend)
    _record(workspace, "composing", record)
    return PreparedCorpus(found, listening, composing)


def _record(workspace: Workspace, stage: str, wanted: bool) -> None:
    """Stage by stage, so that what is made is recorded even where what comes after fails."""
    if wanted and versions.changes(workspace, stage):
        versions.record(workspace, [stage])


@flow(name="survey-corpus")
def survey_corpus() -> Survey:
    """The `survey` stage alone."""
    workspace = Workspace.current().checked()
    return corpus.survey_corpus(workspace, load(workspace.params))


@flow(name="make-listening-shards")
def make_listening() -> int:
    """The `listening` stage alone, from the catalogue that is there; returns how many shards were made."""
    workspace = Workspace.current().checked()
    return corpus.make_listening(workspace, load(workspace.params)).shards_made


@flow(name="make-composing-shards")
def make_composing() -> int:
    """The `composing` stage alone, from the catalogue that is there; returns how many shards were made."""
    workspace = Workspace.current().checked()
    return corpus.make_composing(workspace, load(workspace.params)).shards_made


if __name__ == "__main__":
    stage: dict[str, Callable[[], object]] = {
        "survey": survey_corpus,
        "listening": make_listening,
        "composing": make_composing,
    }
    if len(sys.argv) != 2 or sys.argv[1] not in stage:
        sys.exit(f"usage: python -m flows.prepare {'|'.join(STAGES)}")
    stage[sys.argv[1]]()
