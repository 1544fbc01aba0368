import numpy as np
import pytest
import torch

from musegen.errors import BadInput, BadParams
from musegen.models import RecurrentSettings, load_model
from musegen.training import World, checkpoint, train
from musegen.training.world import computes_bfloat16
from tests.training.runs import MODEL, SETTINGS, VOCABULARY, StopAt, pieces, run, sha256


@pytest.mark.parametrize("kind", ["transformer", "gru"])
@pytest.mark.parametrize("stop", [7, 10])
def test_a_run_that_was_stopped_and_resumed_ends_with_the_same_bits(tmp_path, stop, kind):
    model = MODEL if kind == "transformer" else RecurrentSettings(kind="gru", layers=1, width=16, window=48)
    whole = run(tmp_path / "whole", model=model)
    first = run(tmp_path / "parts", model=model, stop=StopAt(stop))
    assert first.interrupted
    assert first.steps == stop
    second = run(tmp_path / "parts", model=model)
    assert second.resumed_from_step == stop
    assert second.best_valid_nll_per_note == whole.best_valid_nll_per_note
    assert [entry.step for entry in second.history] == [5, 10, 15, 20]
    assert sha256(second) == sha256(whole)


def test_a_checkpoint_made_with_other_settings_is_not_resumed(tmp_path):
    run(tmp_path, stop=StopAt(5))
    with pytest.raises(BadParams, match="other settings"):
        run(tmp_path, SETTINGS.model_copy(update={"steps": 30}))


def test_a_checkpoint_made_with_other_data_is_not_resumed(tmp_path):
    run(tmp_path, stop=StopAt(5))
    for other in (pieces(5, 1), pieces(12, 7, notes=30)):
        with pytest.raises(BadParams, match="made with other data; train in another folder"):
            run(tmp_path, source=other)


def test_a_finished_run_has_nothing_left_to_do(tmp_path):
    first = run(tmp_path)
    again = run(tmp_path)
    assert (again.steps, again.resumed_from_step) == (20, 20)
    assert sha256(first) == sha256(again)


def test_workers_on_accelerators_vote_on_the_end_every_ten_steps_only():
    processor, accelerator = torch.device("cpu"), torch.device("cuda")
    assert [World(0, 4, device).steps_a_vote for device in (processor, accelerator)] == [1, 10]
    assert World(device=accelerator).steps_a_vote == 1


def test_somebody_who_wants_the_end_is_asked_when_there_is_a_vote(tmp_path, monkeypatch):
    monkeypatch.setattr(World, "steps_a_vote", 10)
    stopped = run(tmp_path, stop=lambda: True)
    assert (stopped.steps, stopped.interrupted) == (10, True)


@pytest.mark.parametrize("capable", [2.0, 1.0])
def test_bfloat16_is_automatic_only_where_all_workers_multiply_it(monkeypatch, capable):
    monkeypatch.setattr(World, "total", lambda self, *numbers: [capable])
    assert computes_bfloat16(SETTINGS, World(0, 2)) is (capable == 2)


@pytest.mark.parametrize("optimizer", ["muon", "adamw"])
def test_it_learns(tmp_path, optimizer):
    words = []
    result = run(tmp_path, SETTINGS.model_copy(update={"steps": 60, "optimizer": optimizer}), on_progress=words.append)
    assert result.history[-1].valid_nll_per_note < 0.6 * result.history[0].valid_nll_per_note
    assert words[-1].step == 60
    assert words[-1].checkpoint is not None
    assert words[-1].train_nll_per_token < words[0].train_nll_per_token


def test_the_best_weights_are_a_model_of_their_own(tmp_path):
    result = run(tmp_path)
    model, settings, vocabulary = load_model(result.best)
    assert settings == MODEL
    assert vocabulary == VOCABULARY
    assert not model.training


def test_patience_ends_a_run_that_gets_no_better(tmp_path):
    settings = SETTINGS.model_copy(
        update={"patience": 2, "eval_every": 1, "learning_rate": 3.0, "muon_learning_rate": 9.0}
    )
    result = run(tmp_path, settings)
    assert result.stopped_early
    assert result.steps < settings.steps


def test_without_validation_pieces_the_last_weights_are_the_best(tmp_path):
    result = train(SETTINGS, MODEL, VOCABULARY, pieces(12, 1), [], tmp_path)
    assert result.best_valid_nll_per_note is None
    assert result.best_step == 20


def test_without_training_pieces_there_is_an_error(tmp_path):
    with pytest.raises(BadInput, match="no pieces"):
        train(SETTINGS, MODEL, VOCABULARY, [], [], tmp_path)


def test_a_run_that_goes_on_says_where_and_with_which_loss(tmp_path):
    words = []
    run(tmp_path, stop=StopAt(7), on_progress=words.append)
    said = words[-1]
    words.clear()
    result = run(tmp_path, on_progress=words.append)
    first = words[0]
    assert (first.resumed, first.step, first.train_nll_per_token) == (True, 7, said.train_nll_per_token)
    assert (result.resumed_from_step, result.resumed_nll) == (7, said.train_nll_per_token)
    assert not any(word.resumed for word in words[1:])


def test_a_fresh_run_says_nothing_of_going_on(tmp_path):
    words = []
    result = run(tmp_path, on_progress=words.append)
    assert result.resumed_nll is None
    assert not any(word.resumed for word in words)


def test_checkpoints_are_told_of_once_they_are_whole(tmp_path):
    told = []

    def listen(word):
        if word.checkpoint:
            told.append((word.checkpoint.name, checkpoint.is_valid(word.checkpoint)))

    run(tmp_path, on_progress=listen)
    assert told[-1] == ("step-00000020", True)
    assert all(whole for _, whole in told)
    assert len({name for name, _ in told}) == len(told)


def test_it_says_how_long_it_waited_for_data_and_when(tmp_path):
    words = []
    run(tmp_path, on_progress=words.append)
    assert all(0 <= word.data_wait_share <= 1 for word in words)
    assert [word.milliseconds for word in words] == sorted(word.milliseconds for word in words)


def test_what_was_computed_is_told_step_by_step(tmp_path):
    told = {}
    run(tmp_path, on_windows=told.__setitem__)
    assert list(told) == list(range(1, 21))
    assert all(len(passages) == 4 for passages in told.values())
    assert all(0 <= piece < 12 and 0 <= start < stop for step in told.values() for _, piece, start, stop in step)


def test_the_size_of_micro_batches_changes_no_more_than_the_order_of_sums(tmp_path):
    model = MODEL.model_copy(update={"dropout": 0.0})
    losses = []
    for size in (1, 3, 4):
        settings = SETTINGS.model_copy(update={"micro_batch": size, "steps": 10})
        result = run(tmp_path / str(size), settings, model)
        losses.append([entry.valid_nll_per_note for entry in result.history])
    np.testing.assert_allclose(losses[1:], [losses[0]] * 2, rtol=1e-3)


def test_an_interruption_before_the_first_evaluation_leaves_a_model_and_changes_nothing(tmp_path):
    whole = run(tmp_path / "whole")
    early = run(tmp_path / "parts", stop=StopAt(3))
    assert load_model(early.best)[1] == MODEL
    assert sha256(run(tmp_path / "parts")) == sha256(whole)
