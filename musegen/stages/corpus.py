"""Data preparation: the corpus to a catalogue, the catalogue to the datasets."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from musegen import catalogue, features, label_table, removal
from musegen.audio import Audio
from musegen.augment.sounds import FolderSounds
from musegen.cluster.shards import Dataset, make_dataset
from musegen.cluster.survey import RayOpeners
from musegen.errors import Unavailable
from musegen.memory import Memory
from musegen.opening import LocalOpeners, Openers
from musegen.params import Params
from musegen.prepare import ComposingRecipe, ListeningRecipe, plan
from musegen.shards import elsewhere
from musegen.shards.store import Store
from musegen.survey import Survey, SurveySettings, survey
from musegen.survey_cache import SurveyCache
from musegen.workspace import Workspace

Tell = Callable[[int, int], None]


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


def make_listening(
    workspace: Workspace, params: Params, on_progress: Tell = lambda done, total: None, mend: bool = False
) -> Dataset:
    """Make what is stale of the listening dataset and commit it; without recordings it is empty.

    With `mend` every shard is read, what is damaged is made again, and what was left out is tried again. Raises
    `BadParams` for noises and impulse responses that can't be used, before any work.
    """
    recipe = ListeningRecipe(params.listening, workspace.corpus(params.survey.corpus), workspace.root)
    with _alone(workspace, recipe.name):
        place = Store.at(params.listening.place or workspace.listening)
        plans = plan(catalogue.read(workspace.data), recipe)
        made = make_dataset(plans, recipe, place, on_progress, mend=mend, on_start=partial(_make_ready, recipe))
        elsewhere.point(workspace.listening, place, made.manifest)
        return made


def make_composing(
    workspace: Workspace, params: Params, on_progress: Tell = lambda done, total: None, mend: bool = False
) -> Dataset:
    """Make what is stale of the composing dataset and commit it; it is empty where no track has notes and downbeats."""
    recipe = ComposingRecipe(params.composing, workspace.corpus(params.survey.corpus))
    with _alone(workspace, recipe.name):
        plans = plan(catalogue.read(workspace.data), recipe)
        return make_dataset(plans, recipe, workspace.composing, on_progress, mend=mend)


@contextmanager
def _alone(workspace: Workspace, dataset: str) -> Iterator[None]:
    """Two runs that stage shards of one dataset would take them from each other."""
    workspace.hidden.mkdir(parents=True, exist_ok=True)
    try:
        held = FileLock(str(workspace.hidden / f"{dataset}.lock")).acquire(timeout=0)
    except Timeout as error:
        raise Unavailable(f"{dataset}: another run is making this dataset; wait for it, or stop it") from error
    with held:
        yield


def _make_ready(recipe: ListeningRecipe) -> None:
    """Refuse what would spoil every track, and fill numba's cache: workers that fill it at once can spoil it for good
    (numba#10128)."""
    for folder in recipe.folders:
        FolderSounds(recipe.workspace, {}).check(folder)
    asked = recipe.settings.features
    if asked.kind == "cqt":
        features.analyse(Audio(np.zeros((1, 2 * asked.rate), np.float32), asked.rate), asked)


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
