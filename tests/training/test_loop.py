import dataclasses

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from musegen.errors import BadInput, BadParams
from musegen.models import RecurrentSettings, TransformerSettings, load_model
from musegen.score import SCORE_NOTE, Score
from musegen.theory import Meter
from musegen.tokens import TokenizerSettings
from musegen.training import Piece, TrainingSettings, World, checkpoint, train
from musegen.vocabulary import Conditions, Vocabulary

VOCABULARY = Vocabulary.create(TokenizerSettings(), ("scale",))
MODEL = TransformerSettings(layers=1, width=16, heads=1, window=48, dropout=0.1)
SETTINGS = TrainingSettings(steps=20, global_batch=4, eval_every=5, checkpoint_every=5, seed=3)
UNEVEN = SETTINGS.model_copy(update={"steps": 12, "checkpoint_every": 3})


def pieces(count, seed):
    random = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        pitches = 60 + np.cumsum(random.integers(-2, 3, 24))
        rows = [(index * 240, 240, int(pitch), 80, 0, 0) for index, pitch in enumerate(pitches)]
        score = Score.steady(np.array(rows, SCORE_NOTE), Meter(4, 4), 100.0)
        conditions = Conditions("scale", 100.0, None, Meter(4, 4), len(score.bars))
        made.append(Piece(VOCABULARY.tokenizer.encode(score), conditions, len(rows)))
    return made


def run(folder, settings=SETTINGS, model=MODEL, world=None, **more):
    return train(settings, model, VOCABULARY, pieces(12, 1), pieces(4, 2), folder, world, **more)


def weights(result):
    return load_file(result.best / "weights.safetensors")


def assert_equal_weights(one, other):
    for name, tensor in weights(one).items():
        assert torch.equal(tensor, weights(other)[name]), name


class StopAt:
    """Asks for the end after so many steps, as a preempted machine would."""

    def __init__(self, step):
        self.left = step

    def __call__(self):
        self.left -= 1
        return self.left == 0


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
    assert_equal_weights(whole, second)


def test_a_truncated_checkpoint_is_passed_over_for_the_one_before(tmp_path):
    whole = run(tmp_path / "whole")
    run(tmp_path / "torn", stop=StopAt(10))
    torn = tmp_path / "torn" / "step-00000010" / "weights.safetensors"
    torn.write_bytes(torn.read_bytes()[:-7])
    resumed = run(tmp_path / "torn")
    assert resumed.resumed_from_step == 5
    assert_equal_weights(whole, resumed)


@pytest.mark.parametrize("damage", ["manifest", "missing", "state"])
def test_no_damage_to_a_checkpoint_goes_unseen(tmp_path, damage):
    run(tmp_path, stop=StopAt(5))
    found = checkpoint.newest_valid(tmp_path)
    assert found is not None
    if damage == "manifest":
        (found / "manifest.json").write_text("{")
    elif damage == "missing":
        (found / "optimizer.safetensors").unlink()
    else:
        (found / "state.json").write_text("{}")
    assert checkpoint.newest_valid(tmp_path) is None


def test_only_the_newest_checkpoints_are_kept(tmp_path):
    run(tmp_path)
    assert sorted(path.name for path in tmp_path.glob("step-*")) == ["step-00000015", "step-00000020"]


def test_a_checkpoint_made_with_other_settings_is_not_resumed(tmp_path):
    run(tmp_path, stop=StopAt(5))
    with pytest.raises(BadParams, match="other settings"):
        run(tmp_path, SETTINGS.model_copy(update={"steps": 30}))


def test_a_finished_run_has_nothing_left_to_do(tmp_path):
    first = run(tmp_path)
    again = run(tmp_path)
    assert (again.steps, again.resumed_from_step) == (20, 20)
    assert_equal_weights(first, again)


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


def _work(rank, folder):
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=2)
    world = World(rank, 2, wrap=torch.nn.parallel.DistributedDataParallel)
    result = run(folder / "two", UNEVEN, MODEL.model_copy(update={"dropout": 0.0}), world)
    if rank == 0:
        entries = [dataclasses.asdict(entry) for entry in result.history]
        torch.save(
            [(entry["train_nll_per_token"], entry["valid_nll_per_note"]) for entry in entries], folder / "losses"
        )
    torch.distributed.destroy_process_group()


def test_two_workers_learn_what_one_would(tmp_path):
    alone = run(tmp_path / "one", UNEVEN, MODEL.model_copy(update={"dropout": 0.0}))
    torch.multiprocessing.spawn(_work, (tmp_path,), nprocs=2)
    expected = [(entry.train_nll_per_token, entry.valid_nll_per_note) for entry in alone.history]
    np.testing.assert_allclose(torch.load(tmp_path / "losses"), expected, rtol=2e-3)
