"""Data preparation: the corpus to a catalogue, the catalogue to the composing dataset."""

from collections.abc import Callable
from dataclasses import dataclass

from musegen import catalogue, prepare
from musegen.cluster.shards import make_dataset
from musegen.params import Params
from musegen.shards.manifest import Manifest
from musegen.survey import Survey, survey
from musegen.survey_cache import SurveyCache
from musegen.workspace import Workspace


@dataclass(frozen=True)
class Prepared:
    """The dataset, and how many of its shards this run has made."""

    manifest: Manifest
    shards_made: int


def survey_corpus(
    workspace: Workspace, params: Params, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> Survey:
    """Look at every file of the corpus and write catalogue and rejects."""
    cache = SurveyCache(workspace.hidden / "survey.db")
    try:
        found = survey(workspace.corpus(params.survey.corpus), params.survey, cache, on_progress)
    finally:
        cache.close()
    catalogue.write(workspace.data, found.rows, found.rejects)
    return found


def make_composing(
    workspace: Workspace, params: Params, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> Prepared:
    """Make the stale shards of the composing dataset and commit it."""
    dataset, made = make_dataset(
        _plans(workspace, params),
        workspace.corpus(params.survey.corpus),
        params.survey.layout,
        params.composing,
        workspace.composing,
        on_progress,
    )
    return Prepared(dataset, made)


def _plans(workspace: Workspace, params: Params) -> list[prepare.ShardPlan]:
    return prepare.plan(catalogue.read(workspace.data), params.composing, params.survey.layout)
