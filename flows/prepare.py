"""Data preparation: corpus → catalogue → composing dataset, recorded by DVC.

`python -m flows.prepare survey|composing` runs one DVC stage and leaves the recording to `dvc repro`.
"""

import sys
from dataclasses import dataclass

from prefect import flow

from musegen.params import load
from musegen.shards.manifest import Manifest
from musegen.survey import Survey
from musegen.workspace import Workspace
from tasks import corpus, versions


@dataclass(frozen=True)
class PreparedCorpus:
    """What was found, the dataset made of it, and how many shards were written for that."""

    survey: Survey
    manifest: Manifest
    shards_made: int


@flow(name="prepare-corpus")
def prepare_corpus(record: bool = True) -> PreparedCorpus:
    """Survey the corpus, make what is stale of the dataset, and record both stages where they changed."""
    workspace = Workspace.current().checked()
    params = load(workspace.params)
    found = corpus.survey_corpus(workspace, params)
    prepared = corpus.make_composing(workspace, params)
    if record:
        versions.start(workspace)
        stale = [stage for stage in ("survey", "composing") if versions.changes(workspace, stage)]
        if stale:
            versions.record(workspace, stale)
    return PreparedCorpus(found, prepared.manifest, prepared.shards_made)


@flow(name="survey-corpus")
def survey_corpus() -> Survey:
    """The `survey` stage alone."""
    workspace = Workspace.current().checked()
    return corpus.survey_corpus(workspace, load(workspace.params))


@flow(name="make-composing-shards")
def make_composing() -> int:
    """The `composing` stage alone, from the catalogue that is there; returns how many shards were made."""
    workspace = Workspace.current().checked()
    return corpus.make_composing(workspace, load(workspace.params)).shards_made


if __name__ == "__main__":
    if sys.argv[1:] == ["survey"]:
        survey_corpus()
    elif sys.argv[1:] == ["composing"]:
        make_composing()
    else:
        sys.exit("usage: python -m flows.prepare survey|composing")
