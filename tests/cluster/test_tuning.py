"""A search tries what it is given, stops what falls behind, and is sunk by no trial; the learner is a fake one."""

import json
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ray import cloudpickle

from musegen.cluster.connect import connected
from musegen.cluster.train import PROGRESS, TrainingJob
from musegen.cluster.trials import Candidate, Trial
from musegen.cluster.tune import run_trials
from musegen.errors import BadInput
from musegen.models import TransformerSettings
from musegen.space import TuningSettings
from musegen.training import Progress, TrainingResult, TrainingSettings, World, journal

pytestmark = pytest.mark.slow
STEPS = 20


def learn(job: TrainingJob, world: World, tell: Callable[[Progress], None], stop: Callable[[], bool]) -> TrainingResult:
    """Falls towards a floor that is 1 + |log10(learning rate / 0.01)|; goes on from the step in its folder."""
    rate = job.training.learning_rate
    if rate == 0.5:
        raise BadInput("a piece is broken", "broken")
    if rate == 0.6:
        raise MemoryError
    if rate == 0.7:
        os._exit(1)
    job.run.mkdir(parents=True, exist_ok=True)
    saved = job.run / "step"
    step = int(saved.read_text()) if saved.exists() else 0
    history = []
    while step < job.training.steps and not stop():
        step += 1
        time.sleep(0.02 if rate != 0.9 else 0.3)
        valid = math.nan if rate == 0.8 else 1 + abs(math.log10(rate / 0.01)) + 1 / step
        word = Progress(step, job.training.steps, 0.0, valid, rate, 1.0, valid if step % 2 == 0 else None)
        history += [word] if step % 2 == 0 else []
        tell(word)
    saved.write_text(str(step))
    with (job.run / "calls").open("a") as file:
        file.write(f"{step}\n")
    return TrainingResult(step, job.run, step, None, None, False, step < job.training.steps, tuple(history))


def candidate(folder: Path, number: int, rate: float, **others: Any) -> Candidate:
    training = TrainingSettings(steps=STEPS, learning_rate=rate)
    job = TrainingJob(folder, folder / f"run-{number}", folder / "vocabulary.json", TransformerSettings(), training)
    return Candidate(number, {"training.learning_rate": rate}, job, **others)


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    with connected(cpus=2):
        yield


def run(folder: Path, *rates: float, **settings: Any) -> tuple[list[Trial], list[int]]:
    heard: list[int] = []
    candidates = [candidate(folder, number, rate) for number, rate in enumerate(rates)]
    asked = TuningSettings(trials=len(rates), **settings)
    busy = threading.Lock()  # who listens need not be something that can be written down

    def hear(trial: Trial) -> None:
        with busy:
            heard.append(trial.number)

    trials = run_trials(candidates, asked, 2, folder / "ray", hear, learn)
    return trials, heard


def test_what_falls_behind_is_stopped_with_its_checkpoint_and_what_fails_is_named(
    cluster: None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    trials, heard = run(tmp_path, 0.01, 0.0001, 0.5, 0.6, 0.7, 0.8, 1.0, 0.02, reduction=2)
    assert [trial.number for trial in trials] == sorted(heard) == list(range(8))
    by_rate = {trial.values["training.learning_rate"]: trial for trial in trials}
    best = by_rate[0.01]
    assert (best.state, best.steps) == ("finished", STEPS)
    assert best.valid_nll_per_note == pytest.approx(1 + 1 / STEPS)
    assert by_rate[1.0].state == "stopped early" and 0 < by_rate[1.0].steps < STEPS
    assert int((tmp_path / "run-6" / "step").read_text()) >= by_rate[1.0].steps
    why = {rate: (by_rate[rate].state, by_rate[rate].why) for rate in (0.5, 0.6, 0.7, 0.8)}
    assert why == {
        0.5: ("failed", "a piece is broken"),
        0.6: ("failed", "it ran out of memory"),
        0.7: ("failed", "its worker died, perhaps for lack of memory"),
        0.8: ("failed", "it diverged at step 1"),
    }
    assert all(by_rate[rate].valid_nll_per_note is None for rate in why)
    assert not [line for line in capfd.readouterr().out.splitlines() if "(raylet)" not in line]
    words, _ = journal.read(tmp_path / "run-0" / PROGRESS)
    assert [word.step for word in words] == list(range(1, STEPS + 1))


def test_trials_that_are_known_count_without_being_trained(cluster: None, tmp_path: Path) -> None:
    known = Trial(0, {}, "finished", tuple((step, 1 / step) for step in range(2, STEPS + 1, 2)), 3.0)
    candidates = [candidate(tmp_path, 0, 0.01, known=known), candidate(tmp_path, 1, 0.02)]
    trials = run_trials(candidates, TuningSettings(reduction=2), 1, tmp_path / "ray", learner=learn)
    assert trials[0] == known
    assert trials[1].state == "stopped early"
    assert not (tmp_path / "run-0").exists()


def test_a_trial_goes_on_where_its_run_stands(cluster: None, tmp_path: Path) -> None:
    (tmp_path / "run-0").mkdir()
    (tmp_path / "run-0" / "step").write_text("16")
    (trial,), _ = run(tmp_path, 0.01)
    assert [step for step, _ in trial.curve] == [18, 20]


def test_when_time_is_up_what_runs_is_saved_and_the_rest_not_begun(cluster: None, tmp_path: Path) -> None:
    trials, heard = run(tmp_path, 0.9, 0.9, 0.9, minutes=3 / 60)
    assert [trial.state for trial in trials] == ["out of time"] * 3
    assert trials[2].why == "it was not begun" and sorted(heard) == [0, 1, 2]
    begun = [trial for trial in trials if not trial.why]  # a busy machine has no second worker so soon
    assert begun
    for trial in begun:
        assert trial.steps <= int((tmp_path / f"run-{trial.number}" / "step").read_text()) < STEPS
    assert json.dumps([trial.curve for trial in trials])
