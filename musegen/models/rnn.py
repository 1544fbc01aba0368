"""A recurrent generator: the same entrance and exit around a stack of GRU or LSTM layers."""

from typing import Any

import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor, nn

from musegen.models.generator import Generator
from musegen.models.settings import RecurrentSettings, Sizes


class RecurrentMemory:
    """The state of each layer after the tokens so far; nothing before the first."""

    def __init__(self, layers: int) -> None:
        self.states: list[Any] = [None] * layers
        self.length = 0


class Recurrent(Generator):
    """GRU or LSTM; has no limit of length, but was trained on passages of `window` tokens."""

    def __init__(self, settings: RecurrentSettings, sizes: Sizes) -> None:
        super().__init__(sizes, settings.width, settings.dropout)
        self.settings = settings
        layer = nn.GRU if settings.kind == "gru" else nn.LSTM
        # One at a time: the dropout between layers that cuDNN offers keeps a state of its own, which no seed resets.
        self.layers = nn.ModuleList(
            layer(settings.width, settings.width, batch_first=True) for _ in range(settings.layers)
        )
        self.norm = nn.LayerNorm(settings.width, bias=False)

    def memory(self, batch: int) -> RecurrentMemory:
        """An empty state."""
        return RecurrentMemory(len(self.layers))

    def body(self, hidden: Tensor, memory: RecurrentMemory | None) -> Tensor:
        """See `Generator.body`."""
        output = hidden
        for index, layer in enumerate(self.layers):
            if index:
                output = F.dropout(output, self.settings.dropout, self.training)
            output, state = layer(output, memory.states[index] if memory else None)
            if memory:
                memory.states[index] = state
        if memory:
            memory.length += hidden.shape[1]
        normed: Tensor = self.norm(hidden + output)
        return normed
