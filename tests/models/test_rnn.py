"""Layers of a recurrence one after the other, with dropout between that the seed alone decides."""

import pytest
import torch

from musegen.models import RecurrentSettings, Sizes
from musegen.models.rnn import Recurrent
from musegen.tokens import TokenizerSettings
from musegen.vocabulary import Vocabulary

SIZES = Sizes.of(Vocabulary.create(TokenizerSettings(), ("jig",)))


@pytest.mark.parametrize(("kind", "stack"), [("gru", torch.nn.GRU), ("lstm", torch.nn.LSTM)])
@torch.no_grad()
def test_layers_do_what_a_stack_of_them_does(kind: str, stack: type[torch.nn.RNNBase]) -> None:
    model = Recurrent(RecurrentSettings(kind=kind, layers=3, width=16, dropout=0.5), SIZES).eval()
    stacked = stack(16, 16, 3, batch_first=True)
    for number, layer in enumerate(model.layers):
        for name, parameter in layer.named_parameters():
            getattr(stacked, name.replace("_l0", f"_l{number}")).copy_(parameter)
    hidden = torch.randn(2, 7, 16)
    torch.testing.assert_close(model.body(hidden, None), model.norm(hidden + stacked(hidden)[0]))


@torch.no_grad()
def test_dropout_between_layers_hangs_on_the_seed_alone() -> None:
    model = Recurrent(RecurrentSettings(kind="gru", layers=2, width=16, dropout=0.5), SIZES).train()
    hidden = torch.randn(2, 7, 16)
    bodies = []
    for seed in (1, 2, 1):
        torch.manual_seed(seed)
        bodies.append(model.body(hidden, None))
    assert torch.equal(bodies[0], bodies[2])
    assert not torch.equal(bodies[0], bodies[1])
    # What cuDNN would drop by itself no seed resets.
    assert all((layer.dropout, layer.num_layers) == (0.0, 1) for layer in model.layers)
    assert torch.equal(model.eval().body(hidden, None), model.eval().body(hidden, None))
