"""A recurrent generator: the same entrance and exit around a stack of GRU or LSTM layers."""

from typing import Any

from torch import Tensor, nn

from musegen.models.generator import Generator
from musegen.models.settings import RecurrentSettings, Sizes


class RecurrentMemory:
    """The state of all layers after the tokens so far; nothing before the first."""

    def __init__(self) -> None:
        self.state: Any = None
        self.length = 0


class Recurrent(Generator):
    """GRU or LSTM; has no limit of length, but was trained on passages of `window` tokens."""

    def __init__(self, settings: RecurrentSettings, sizes: Sizes) -> None:
        super().__init__(sizes, settings.width, settings.dropout)
        self.settings = settings
        layer = nn.GRU if settings.kind == "gru" else nn.LSTM
        between = settings.dropout if settings.layers > 1 else 0.0
        self.layers = layer(settings.width, settings.width, settings.layers, batch_first=True, dropout=between)
        self.norm = nn.LayerNorm(settings.width, bias=False)

    def memory(self, batch: int) -> RecurrentMemory:
        """An empty state."""
        return RecurrentMemory()

    def body(self, hidden: Tensor, memory: RecurrentMemory | None) -> Tensor:
        """See `Generator.body`."""
        output, state = self.layers(hidden, memory.state if memory else None)
        if memory:
            memory.state = state
            memory.length += hidden.shape[1]
        normed: Tensor = self.norm(hidden + output)
        return normed
