"""Data preparation: the corpus to a catalogue, the catalogue to the composing dataset."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from musegen import catalogue, label_table, prepare, removal
from musegen.cluster.shards import make_dataset
from musegen.cluster.survey import RayOpeners
from musegen.memory import Memory
from musegen.opening import LocalOpeners, Openers
from musegen.params import Params
from musegen.shards.manifest import Manifest
from musegen.survey import Survey, SurveySettings, survey
from musegen.survey_cache import SurveyCache
from musegen.workspace import Workspace

Tell = Callable[[int, int], None]


@dataclass(frozen=True)
class Prepared:
    """The dataset, and how many of its shards this run has made."""

    manifest: Manifest
    shards_made: int


def survey_corpus(
    workspace: Workspace,
    params: Params,
    on_progress: Tell = lambda done, total: None,
    rehash: bool = False,
) -> Survey:
    """Look at every file of the corpus and write catalogue, rejects and the table of labels.

    What people wrote into that table and what was removed for good is heeded; a track keeps the split that it had. Of a
    corpus in which nothing can be used (a disk that is not there, perhaps) the catalogue before stays.
    """
    settings = params.survey
    edits = label_table.read(workspace.labels)
    memory = Memory(edits, removal.read(workspace.removed), catalogue.read_splits(workspace.data, _shares(settings)))
    found = look_into(workspace.corpus(settings.corpus), settings, _cache_file(workspace), memory, on_progress, rehash)
    if found.rows:
        catalogue.write(workspace.data, found.rows, found.rejects, _shares(settings))
    else:
        catalogue.write_rejects(workspace.data, found.rejects)
    label_table.write(workspace.labels, [*found.rows, *found.barred], edits)
    return found


def survey_folder(
    workspace: Workspace, folder: Path, settings: SurveySettings, on_progress: Tell, rehash: bool
) -> Survey:
    """Survey any folder; nothing is written but, inside a workspace, what is remembered of the files."""
    file = _cache_file(workspace) if workspace.params.exists() else None
    return look_into(folder, settings, file, Memory(), on_progress, rehash)


def look_into(
    root: Path, settings: SurveySettings, cache_file: Path | None, memory: Memory, on_progress: Tell, rehash: bool
) -> Survey:
    """Survey `root` with the processors of this machine, or of the cluster that `RAY_ADDRESS` names."""
    cache = SurveyCache(cache_file, trusting=not rehash)
    try:
        with _openers(settings.workers) as openers:
            return survey(root, settings, cache, openers, memory, on_progress)
    finally:
        cache.close()


def make_composing(workspace: Workspace, params: Params, on_progress: Tell = lambda done, total: None) -> Prepared:
    """Make the stale shards of the composing dataset and commit it."""
    plans = prepare.plan(catalogue.read(workspace.data), params.composing)
    root = workspace.corpus(params.survey.corpus)
    dataset, made = make_dataset(plans, root, params.composing, workspace.composing, on_progress)
    return Prepared(dataset, made)


@contextmanager
def _openers(workers: int) -> Iterator[Openers]:
    if os.environ.get("RAY_ADDRESS"):
        yield RayOpeners()
    else:
        with LocalOpeners(workers or None) as openers:
            yield openers


def _cache_file(workspace: Workspace) -> Path:
    return workspace.hidden / "survey.db"


def _shares(settings: SurveySettings) -> str:
    return f"{settings.valid_share} {settings.test_share}"
