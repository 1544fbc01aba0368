"""A search is known by data and settings, is read where it was made, goes on where it was cut short, and its best
settings are kept beside params.yaml; who trains is a fake here."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from musegen import outcome, params, tuned
from musegen.cluster.train import TrainingJob
from musegen.cluster.trials import Candidate, Trial
from musegen.errors import BadParams
from musegen.params import Params
from musegen.space import TuningSettings
from musegen.stages import tuning
from musegen.stages.tuning import Search
from musegen.workspace import Workspace

DATA = "d" * 64


def job_of(workspace: Workspace, settings: Params, data_sha256: str) -> TrainingJob:
    name = settings.generator.learnt_fingerprint()
    section = settings.generator
    return TrainingJob(workspace.composing, workspace.runs / name, Path("v"), section.model, section.training)


class Trainer:
    """In the place of Ray Tune: trial n ends with 2 + |learning rate - 0.02| nats a note; stops before `cut`."""

    def __init__(self) -> None:
        self.trained: list[int] = []
        self.cut: int | None = None

    def __call__(
        self,
        candidates: Sequence[Candidate],
        settings: TuningSettings,
        at_once: int,
        folder: Path,
        on_over: Callable[[Trial], None],
        learner: object,
    ) -> list[Trial]:
        over = []
        for candidate in candidates:
            if candidate.number == self.cut:
                raise KeyboardInterrupt
            trial = candidate.known
            if trial is None:
                self.trained.append(candidate.number)
                valid = 2 + abs(candidate.job.training.learning_rate - 0.02)
                trial = Trial(candidate.number, candidate.values, "finished", ((100, valid),), 1.0)
            over.append(trial)
            on_over(trial)
        return over


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> Trainer:
    made = Trainer()
    monkeypatch.setattr(tuning, "run_trials", made)
    monkeypatch.setattr(tuning, "job_of", job_of)
    monkeypatch.setattr(tuning, "_data_of", lambda workspace: DATA)
    monkeypatch.setattr(tuning._Sent, "__init__", lambda self, *_: None)
    monkeypatch.setattr(tuning._Sent, "send", lambda self, *_: None)
    monkeypatch.setattr(tuning._Sent, "close", lambda self, *_: None)
    return made


@pytest.fixture
def settled(workspace: Workspace) -> Workspace:
    params.write_template(workspace.root, "demo")
    return workspace


def sides(workspace: Workspace) -> tuple[Params, Params]:
    return params.load(workspace.params), params.load(workspace.params, as_written=True)


def search(workspace: Workspace) -> Search:
    return tuning.search(workspace, *sides(workspace), {})


def test_the_best_settings_are_kept_and_in_use_and_the_search_is_not_made_again(
    settled: Workspace, trainer: Trainer
) -> None:
    assert tuning.is_due(settled, *sides(settled))
    found = search(settled)
    assert trainer.trained == list(range(7)) and found.tried == 6
    assert found.better is not None and found.base == pytest.approx(2.008)
    assert tuning.is_due(settled, *sides(settled)), "what was found is not in use yet"
    assert tuning.in_use(settled, *sides(settled)) is None
    tuning.keep(settled, sides(settled)[1], found)
    used, written = sides(settled)
    assert used.generator.training.learning_rate == found.better.values["training.learning_rate"]
    assert written.generator.training.learning_rate == 0.012
    assert tuning.in_use(settled, used, written) == found
    assert not tuning.is_due(settled, used, written)
    assert search(settled) == found and len(trainer.trained) == 7
    assert "6 other settings were tried" in (settled.root / "tuned.yaml").read_text()


def test_a_search_that_was_cut_short_goes_on_with_what_is_left(settled: Workspace, trainer: Trainer) -> None:
    trainer.cut = 4
    with pytest.raises(KeyboardInterrupt):
        search(settled)
    assert tuning.finished(settled, *sides(settled)) is None
    trainer.cut, trainer.trained = None, []
    found = search(settled)
    assert trainer.trained == [4, 5, 6]
    assert [trial.number for trial in found.trials] == list(range(7))


def test_other_data_other_settings_or_more_trials_are_another_search(
    settled: Workspace, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = search(settled)
    tuning.keep(settled, sides(settled)[1], found)
    text = settled.params.read_text()
    for old, new in (("trials: 6", "trials: 7"), ("steps: 400", "steps: 500")):
        settled.params.write_text(text.replace(old, new))
        assert tuning.is_due(settled, *sides(settled))
    settled.params.write_text(text.replace("trials: 6", "trials: 0"))
    assert not tuning.is_due(settled, *sides(settled))
    with pytest.raises(BadParams, match=r"raise tuning\.trials"):
        search(settled)
    settled.params.write_text(text)
    assert not tuning.is_due(settled, *sides(settled))
    monkeypatch.setattr(tuning, "_data_of", lambda workspace: "e" * 64)
    assert tuning.is_due(settled, *sides(settled))
    again = search(settled)
    assert again.base == pytest.approx(found.best.valid_nll_per_note if found.best else 0)


def test_where_nothing_is_better_nothing_is_kept(settled: Workspace, trainer: Trainer) -> None:
    text = settled.params.read_text()
    settled.params.write_text(text.replace("    learning_rate: 0.012", "    learning_rate: 0.02"))
    found = search(settled)
    assert found.better is None and found.best is not None and found.best.number == 0
    assert tuning.keep(settled, sides(settled)[1], found) is None
    assert tuned.read(settled.root).values == {}
    assert not tuning.is_due(settled, *sides(settled))
    assert "none was better on `valid` than the 2.000 nats a note there was" in found.words


def test_a_search_tells_of_every_trial(settled: Workspace) -> None:
    trials = (
        Trial(0, {}, "finished", ((50, 3.5), (100, 3.1)), 9.0),
        Trial(1, {"training.learning_rate": 0.02}, "stopped early", ((50, 3.4),), 4.0),
        Trial(2, {"training.learning_rate": 0.9}, "failed", (), 1.0, "it diverged at step 3"),
        Trial(3, {"training.learning_rate": 0.01}, "finished", ((50, 2.9), (100, 2.95)), 9.0),
        Trial(4, {"training.learning_rate": 0.03}, "out of time", (), 0.0, "it was not begun"),
    )
    found = Search(trials, 23.4)
    assert (found.tried, found.base, found.better) == (3, 3.1, trials[3])
    assert Search.from_json(json.loads(json.dumps(found.to_json()))) == found
    lines = found.to_markdown().splitlines()
    assert lines[0].startswith("3 other settings were tried in 23 s (1 stopped early, 1 failed, 1 finished, 1 out of")
    assert lines[4] == "| 3 | 0.01 | 100 | 2.900 | finished | 9 |"
    assert "| 2 | 0.9 | 0 | – | failed: it diverged at step 3 | 1 |" in lines
    all_failed = Search((Trial(0, {}, "failed", (), 0.0, "x"), trials[2]), 1.0)
    assert all_failed.best is None and "no figure" in all_failed.words


def test_every_model_counts_once_on_its_test_pieces(workspace: Workspace) -> None:
    counted: list[Any] = [
        outcome.count_attempt(workspace, *attempt)
        for attempt in (("one", "a"), ("one", "b"), ("one", "a"), ("two", "a"), ("one", "c"))
    ]
    assert counted == [1, 2, 2, 1, 3]


def test_an_outcome_tells_its_story_in_order(workspace: Workspace) -> None:
    found = Search(
        (Trial(0, {}, "finished", ((9, 3.0),)), Trial(1, {"model.dropout": 0.1}, "finished", ((9, 2.0),))), 5
    )
    told = outcome.Outcome(
        "promoted",
        "all is well",
        first={"version": 1, "words": "Not promoted: too bad."},
        tuning=found.to_json(),
        attempts=2,
        version=2,
        champion=2,
        seconds={"tune": 5.0},
    )
    text = told.to_text()
    assert text.index("at first") < text.index("tuning") < text.index("attempts") < text.index("outcome")
    assert "| 1 | 0.1 | 9 | 2.000 | finished | 0 |" in told.to_markdown()
    told.write(workspace)
    with (workspace.hidden / "retrains" / "history.jsonl").open("a") as file:
        file.write('{"torn')
    assert [(entry["decision"], entry["trials"]) for entry in outcome.history(workspace)] == [("promoted", 1)]
