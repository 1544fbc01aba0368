"""What every generator has in common: how tokens enter it and how it says what comes next."""

from abc import ABC, abstractmethod
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor, nn

from musegen.models.settings import Sizes

# Twenty embeddings of this deviation add up to about one.
_EMBEDDING_DEVIATION = 0.25


class Generator(nn.Module, ABC):
    """Ids and their contexts in, logits of the next id out.

    A token enters as the sum of the embeddings of all that is known about its place (one table, one lookup). On the way
    out every echo's logit gets a bonus that the model decides on: repeating what stood there before costs it no memory.
    """

    def __init__(self, sizes: Sizes, width: int, dropout: float) -> None:
        super().__init__()
        self.sizes = sizes
        counts = (sizes.vocabulary, *sizes.contexts)
        offsets = torch.tensor(counts).cumsum(0) - torch.tensor(counts)
        self.offsets: Tensor
        self.register_buffer("offsets", offsets, persistent=False)
        self.embedding = nn.Parameter(torch.randn(sum(counts), width) * _EMBEDDING_DEVIATION)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, sizes.vocabulary, bias=False)
        self.bonus = nn.Linear(width, len(sizes.echoes))
        for parameter in (self.head.weight, self.bonus.weight, self.bonus.bias):
            nn.init.zeros_(parameter)

    @abstractmethod
    def body(self, hidden: Tensor, memory: Any | None) -> Tensor:
        """Hidden states (batch, time, width) in and out; `memory`, where given, is read and extended in place."""

    @abstractmethod
    def memory(self, batch: int) -> Any:
        """Room for what `step` has to remember of `batch` sequences, on the device of the weights."""

    def forward(self, ids: Tensor, contexts: Tensor) -> Tensor:
        """Ids (batch, time), contexts (batch, time, columns), both int64 → logits (batch, time, vocabulary)."""
        return self._leave(self.body(self._enter(ids, contexts), None), contexts)

    def step(self, ids: Tensor, contexts: Tensor, memory: Any) -> Tensor:
        """The next ids (batch, time ≥ 1) of sequences under way → logits (batch, vocabulary) after the last of them."""
        hidden = self.body(self._enter(ids, contexts), memory)[:, -1:]
        return self._leave(hidden, contexts[:, -1:])[:, 0]

    def _enter(self, ids: Tensor, contexts: Tensor) -> Tensor:
        batch, time = ids.shape
        rows = torch.cat([ids[..., None], contexts], dim=-1) + self.offsets
        hidden = F.embedding_bag(rows.view(batch * time, -1), self.embedding, mode="sum")
        dropped: Tensor = self.dropout(hidden.view(batch, time, -1))
        return dropped

    def _leave(self, hidden: Tensor, contexts: Tensor) -> Tensor:
        echoes = contexts[..., list(self.sizes.echoes)]
        bonus = self.bonus(hidden).float() * (echoes > 0)
        logits: Tensor = self.head(hidden).float()
        return logits.scatter_add(-1, echoes, bonus)


def parameter_count(model: nn.Module) -> int:
    """Trainable numbers in the model."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
