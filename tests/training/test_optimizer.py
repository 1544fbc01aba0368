import pytest
import torch
from torch import nn

from musegen.training import TrainingSettings
from musegen.training.optimizer import Muon, load_state, optimizers, orthogonal, set_learning_rates, share, state_of


@pytest.mark.parametrize("shape", [(3, 16, 16), (2, 64, 16), (2, 16, 48)])
def test_orthogonal_moves_every_singular_value_to_about_one(shape):
    values = torch.linalg.svdvals(orthogonal(torch.randn(shape, generator=torch.Generator().manual_seed(0))))
    assert 0.5 < values.min() < values.max() < 1.3


def test_a_muon_step_is_that_of_torch_up_to_its_lower_precision():
    torch.manual_seed(0)
    start, gradients = torch.randn(32, 16), [torch.randn(32, 16) for _ in range(3)]
    ends = []
    for kind in (Muon, torch.optim.Muon):
        parameter = nn.Parameter(start.clone())
        optimizer = kind([parameter], lr=0.1, weight_decay=0.1, momentum=0.95)
        for gradient in gradients:
            parameter.grad = gradient.clone()
            optimizer.step()
        ends.append(parameter.detach())
    torch.testing.assert_close(ends[0], ends[1], atol=0.02, rtol=0.02)


def test_the_matrices_inside_go_to_muon_and_all_else_to_adamw():
    model = nn.ModuleDict({"head": nn.Linear(4, 9), "blocks": nn.Linear(4, 4), "norm": nn.LayerNorm(4)})
    muon, adam = optimizers(model, TrainingSettings())
    assert [parameter.shape for group in muon.param_groups for parameter in group["params"]] == [(4, 4)]
    assert sum(len(group["params"]) for group in adam.param_groups) == 5
    assert len(optimizers(model, TrainingSettings(optimizer="adamw"))) == 1


def test_the_rate_rises_stays_and_falls():
    settings = TrainingSettings(steps=100, warmup=0.1, decay=0.5)
    shares = [share(step, settings) for step in range(100)]
    assert shares[0] == pytest.approx(0.1)
    assert shares[9] == shares[50] == 1.0
    assert shares[75] == pytest.approx(0.5)
    assert 0 < shares[99] < 0.03


def test_rates_are_set_from_the_full_one_each_time():
    optimizer = torch.optim.AdamW([nn.Parameter(torch.ones(2))], lr=0.5)
    for fraction in (0.1, 0.4):
        set_learning_rates([optimizer], fraction)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.2)


def test_what_optimizers_remember_survives_a_round_trip():
    model = nn.ModuleDict({"blocks": nn.Linear(4, 4)})
    active = optimizers(model, TrainingSettings())
    model["blocks"](torch.ones(1, 4)).sum().backward()
    for optimizer in active:
        optimizer.step()
    fresh = optimizers(model, TrainingSettings())
    load_state(fresh, state_of(active))
    kept, found = state_of(active), state_of(fresh)
    assert kept.keys() == found.keys()
    assert all(torch.equal(kept[name], found[name]) for name in kept)
