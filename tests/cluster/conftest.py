"""A tiny dataset and the job of learning it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pytest

from musegen import midi
from musegen.score import SCORE_NOTE, Score
from musegen.theory import Meter
from musegen.workspace import Workspace

if TYPE_CHECKING:
    from musegen.catalogue import CatalogueRow
    from musegen.cluster.train import TrainingJob


class JobFor(Protocol):
    """Makes the folder of a run of that name and the job to train there; `frozen_seconds` of silence are death."""

    def __call__(self, name: str, *, steps: int = 400, frozen_seconds: float = 30.0) -> "TrainingJob": ...


@pytest.fixture(scope="module")
def job_for(
    shared_workspace: Workspace,
    tmp_path_factory: pytest.TempPathFactory,
    catalogue_of: "Callable[[Path], list[CatalogueRow]]",
) -> JobFor:
    """Jobs over one dataset of sixteen tunes, with checkpoints at every fiftieth step."""
    from musegen.cluster.shards import make_dataset
    from musegen.cluster.train import TrainingJob, Workers
    from musegen.models import TransformerSettings
    from musegen.prepare import ComposingRecipe, ComposingSettings, plan
    from musegen.tokens import TokenizerSettings
    from musegen.training import TrainingSettings
    from musegen.vocabulary import Vocabulary

    root, dataset = tmp_path_factory.mktemp("corpus"), shared_workspace.composing
    for seed in range(16):
        pitches = np.random.default_rng(seed).choice([60, 62, 64, 65, 67, 69, 71], 32)
        rows = [(index * 480, 480, int(pitch), 80, 73, 0) for index, pitch in enumerate(pitches)]
        midi.write(root / "march" / f"{seed}.mid", Score.steady(np.array(rows, SCORE_NOTE), Meter(4, 4), 100.0))
    recipe = ComposingRecipe(ComposingSettings(shards=2), root)
    make_dataset(plan(catalogue_of(root), recipe), recipe, dataset)

    def make(name: str, *, steps: int = 400, frozen_seconds: float = 30.0) -> TrainingJob:
        run = shared_workspace.runs / name
        run.mkdir(parents=True, exist_ok=True)
        vocabulary = run / "vocabulary.json"
        Vocabulary.create(TokenizerSettings(), ("march",)).save(vocabulary)
        model = TransformerSettings(layers=1, width=16, heads=2, window=64)
        training = TrainingSettings(
            steps=steps, global_batch=4, micro_batch=2, eval_every=50, checkpoint_every=50, patience=99
        )
        return TrainingJob(dataset, run, vocabulary, model, training, Workers(frozen_seconds=frozen_seconds))

    return make
