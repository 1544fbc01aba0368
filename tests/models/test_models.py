import numpy as np
import pytest
import torch
from pydantic import ValidationError

from musegen.errors import BadInput
from musegen.models import (
    RecurrentSettings,
    Sizes,
    TransformerSettings,
    build,
    load_model,
    parameter_count,
    save_model,
)
from musegen.tokens import TokenizerSettings
from musegen.vocabulary import Vocabulary

VOCABULARY = Vocabulary.create(TokenizerSettings(), ("jig",))
SIZES = Sizes.of(VOCABULARY)
KINDS = [
    TransformerSettings(layers=2, width=32, heads=2, window=24, dropout=0.2),
    RecurrentSettings(kind="gru", layers=2, width=32, window=24, dropout=0.2),
    RecurrentSettings(kind="lstm", layers=1, width=32, window=24),
]


def random_input(batch=3, time=24, seed=0):
    random = np.random.default_rng(seed)
    ids = torch.from_numpy(random.integers(0, SIZES.vocabulary, (batch, time)))
    columns = [random.integers(0, size, (batch, time)) for size in SIZES.contexts]
    return ids, torch.from_numpy(np.stack(columns, axis=-1))


def random_model(settings):
    torch.manual_seed(0)
    model = build(settings, SIZES).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model


@pytest.mark.parametrize("settings", KINDS, ids=lambda settings: settings.kind)
@pytest.mark.parametrize("cuts", [[24], [6] + [1] * 18, [7, 1, 9, 3, 4]], ids=["at once", "one by one", "in pieces"])
@torch.no_grad()
def test_step_by_step_the_logits_are_those_of_the_whole(settings, cuts):
    model, (ids, contexts) = random_model(settings), random_input()
    whole = model(ids, contexts)
    memory, end = model.memory(len(ids)), 0
    for cut in cuts:
        start, end = end, end + cut
        logits = model.step(ids[:, start:end], contexts[:, start:end], memory)
        torch.testing.assert_close(logits, whole[:, end - 1], rtol=1e-4, atol=1e-4)
    assert memory.length == 24


@pytest.mark.parametrize("settings", KINDS, ids=lambda settings: settings.kind)
@torch.no_grad()
def test_no_token_hears_of_those_after_it(settings):
    model, (ids, contexts), (other, others) = random_model(settings), random_input(), random_input(seed=1)
    mixed, mixed_contexts = ids.clone(), contexts.clone()
    mixed[:, 10:], mixed_contexts[:, 10:] = other[:, 10:], others[:, 10:]
    torch.testing.assert_close(model(ids, contexts)[:, :10], model(mixed, mixed_contexts)[:, :10])


@pytest.mark.parametrize("settings", KINDS, ids=lambda settings: settings.kind)
@torch.no_grad()
def test_fresh_weights_hold_every_token_for_equally_likely(settings):
    assert not build(settings, SIZES)(*random_input()).any()


@pytest.mark.parametrize("settings", KINDS, ids=lambda settings: settings.kind)
def test_every_parameter_learns(settings):
    model = random_model(settings).train()
    model(*random_input()).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())


@torch.no_grad()
def test_an_echo_gets_the_bonus_that_the_model_decides_on():
    model, (ids, contexts) = random_model(KINDS[0]), random_input()
    echoes = contexts[..., list(SIZES.echoes)]
    with_bonus = model(ids, contexts)
    model.bonus.weight.zero_()
    model.bonus.bias.fill_(1.0)
    first = model(ids, contexts)
    model.bonus.bias.zero_()
    added = first - model(ids, contexts)
    expected = torch.zeros_like(added).scatter_add(-1, echoes, (echoes > 0).float())
    torch.testing.assert_close(added, expected, atol=1e-4, rtol=1e-4)
    assert not torch.equal(with_bonus, first)


def test_more_tokens_than_the_window_holds_are_refused():
    model, (ids, contexts) = random_model(KINDS[0]), random_input(time=25)
    with pytest.raises(ValueError, match="window of 24"):
        model(ids, contexts)


def test_a_width_that_the_heads_cannot_share_is_refused():
    with pytest.raises(ValidationError, match="can't be split"):
        TransformerSettings(width=30, heads=4)


@pytest.mark.parametrize("settings", KINDS, ids=lambda settings: settings.kind)
@torch.no_grad()
def test_a_saved_model_comes_back_the_same(tmp_path, settings):
    model = random_model(settings)
    save_model(tmp_path, model, settings, VOCABULARY)
    loaded, loaded_settings, vocabulary = load_model(tmp_path)
    assert (loaded_settings, vocabulary) == (settings, VOCABULARY)
    assert torch.equal(loaded(*random_input()), model(*random_input()))
    assert parameter_count(loaded) == parameter_count(model) > 0


@pytest.mark.parametrize("name", ["weights.safetensors", "model.json"])
def test_a_broken_model_is_refused(tmp_path, name):
    save_model(tmp_path, random_model(KINDS[0]), KINDS[0], VOCABULARY)
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(BadInput, match="not a whole model"):
        load_model(tmp_path)
