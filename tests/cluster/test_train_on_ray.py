"""Training under Ray loses nothing when a worker is killed."""

import hashlib
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from musegen.catalogue import CatalogueRow
from musegen.cluster.connect import connected
from musegen.cluster.shards import make_dataset
from musegen.cluster.train import TrainingJob, train_on_cluster
from musegen.models import TransformerSettings
from musegen.prepare import ComposingRecipe, ComposingSettings, plan
from musegen.score import SCORE_NOTE, Score
from musegen.theory import Meter
from musegen.tokens import TokenizerSettings
from musegen.training import Progress, TrainingResult, TrainingSettings
from musegen.vocabulary import Vocabulary

pytestmark = pytest.mark.slow


def corpus(folder: Path) -> Path:
    from musegen import midi

    for seed in range(16):
        pitches = np.random.default_rng(seed).choice([60, 62, 64, 65, 67, 69, 71], 32)
        rows = [(index * 480, 480, int(pitch), 80, 73, 0) for index, pitch in enumerate(pitches)]
        midi.write(folder / "march" / f"{seed}.mid", Score.steady(np.array(rows, SCORE_NOTE), Meter(4, 4), 100.0))
    return folder


def job_for(dataset: Path, run: Path) -> TrainingJob:
    run.mkdir()
    vocabulary = run / "vocabulary.json"
    Vocabulary.create(TokenizerSettings(), ("march",)).save(vocabulary)
    training = TrainingSettings(steps=40, global_batch=4, eval_every=10, checkpoint_every=5, patience=99)
    return TrainingJob(dataset, run, vocabulary, TransformerSettings(layers=1, width=16, heads=2, window=64), training)


def weights(result: TrainingResult) -> str:
    return hashlib.sha256((result.best / "weights.safetensors").read_bytes()).hexdigest()


def test_a_killed_worker_is_replaced_and_the_weights_are_those_of_an_undisturbed_run(
    tmp_path: Path, catalogue_of: Callable[[Path], list[CatalogueRow]]
) -> None:
    root = corpus(tmp_path / "corpus")
    rows = catalogue_of(root)
    recipe, dataset = ComposingRecipe(ComposingSettings(shards=2), root), tmp_path / "composing"
    killed: list[int] = []

    def kill_one(progress: Progress) -> None:
        if progress.step >= 10 and not killed:
            found = subprocess.run(["pgrep", "-f", "RayTrainWorker"], capture_output=True, text=True, check=False)
            killed.extend(int(pid) for pid in found.stdout.split()[:1])
            for pid in killed:
                os.kill(pid, signal.SIGKILL)

    with connected(cpus=2):
        make_dataset(plan(rows, recipe), recipe, dataset)
        calm = train_on_cluster(job_for(dataset, tmp_path / "calm"), 2)
        disturbed = train_on_cluster(job_for(dataset, tmp_path / "disturbed"), 2, kill_one)
    assert killed
    assert disturbed.resumed_from_step is not None
    assert (disturbed.steps, weights(disturbed)) == (calm.steps, weights(calm))
