"""A decoder-only transformer.

Rotary positions, normalised queries and keys, GELU, no biases, output projections that start at zero. Layer norm
without bias instead of RMS norm, because PyTorch has a fused kernel for it on the CPU as well (3.5 times as fast).
"""

import torch
import torch.nn.functional as F  # noqa: N812 (its usual name)
from torch import Tensor, nn

from musegen.models.generator import Generator
from musegen.models.settings import Sizes, TransformerSettings

_ROTARY_BASE = 10_000.0


class KeyValueCache:
    """Keys and values (layers, 2, batch, heads, window, size) of the tokens so far; `length` of them are filled."""

    def __init__(self, settings: TransformerSettings, batch: int, like: Tensor) -> None:
        size = settings.width // settings.heads
        self.room = like.new_empty(settings.layers, 2, batch, settings.heads, settings.window, size)
        self.length = 0

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Store keys and values (batch, heads, time, size) of new tokens; return those of all."""
        end = self.length + keys.shape[2]
        self.room[layer, 0, :, :, self.length : end] = keys
        self.room[layer, 1, :, :, self.length : end] = values
        return self.room[layer, 0, :, :, :end], self.room[layer, 1, :, :, :end]


class Attention(nn.Module):
    """Causal self-attention over the tokens given and those in the cache."""

    def __init__(self, settings: TransformerSettings) -> None:
        super().__init__()
        self.heads, self.size = settings.heads, settings.width // settings.heads
        self.inward = nn.Linear(settings.width, 3 * settings.width, bias=False)
        self.outward = nn.Linear(settings.width, settings.width, bias=False)
        nn.init.zeros_(self.outward.weight)

    def forward(self, hidden: Tensor, turns: Tensor, cache: KeyValueCache | None, layer: int) -> Tensor:
        """Hidden (batch, time, width); `turns` (2, time, size) are the cosines and sines of the positions."""
        batch, time, width = hidden.shape
        mixed = self.inward(hidden).view(batch, time, 3, self.heads, self.size)
        both = F.layer_norm(mixed[:, :, :2], (self.size,))
        cosines, sines = turns[:, :, None, None]
        left, right = both.chunk(2, dim=-1)
        both = both * cosines + torch.cat([-right, left], dim=-1) * sines
        queries, keys = both.permute(2, 0, 3, 1, 4)
        values = mixed[:, :, 2].transpose(1, 2)
        mask = None
        if cache is not None:
            start = cache.length
            keys, values = cache.extend(layer, keys, values)
            if start and time > 1:
                mask = torch.ones(time, start + time, dtype=torch.bool, device=hidden.device).tril(start)
        causal = time > 1 and mask is None
        heard = F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask, is_causal=causal)
        outward: Tensor = self.outward(heard.transpose(1, 2).reshape(batch, time, width))
        return outward


class Block(nn.Module):
    """Attention, then a perceptron, each added to what came in."""

    def __init__(self, settings: TransformerSettings) -> None:
        super().__init__()
        width = settings.width
        self.before_attention = nn.LayerNorm(width, bias=False)
        self.attention = Attention(settings)
        self.before_perceptron = nn.LayerNorm(width, bias=False)
        self.inward = nn.Linear(width, 4 * width, bias=False)
        self.outward = nn.Linear(4 * width, width, bias=False)
        self.dropout = nn.Dropout(settings.dropout)
        nn.init.zeros_(self.outward.weight)

    def forward(self, hidden: Tensor, turns: Tensor, cache: KeyValueCache | None, layer: int) -> Tensor:
        """Hidden (batch, time, width) in and out."""
        hidden = hidden + self.dropout(self.attention(self.before_attention(hidden), turns, cache, layer))
        widened = F.gelu(self.inward(self.before_perceptron(hidden)))
        narrowed: Tensor = self.dropout(self.outward(widened))
        return hidden + narrowed


class Transformer(Generator):
    """Blocks between the common entrance and exit; sees at most `window` tokens."""

    def __init__(self, settings: TransformerSettings, sizes: Sizes) -> None:
        super().__init__(sizes, settings.width, settings.dropout)
        self.settings = settings
        self.turns: Tensor
        self.blocks = nn.ModuleList(Block(settings) for _ in range(settings.layers))
        self.norm = nn.LayerNorm(settings.width, bias=False)
        size = settings.width // settings.heads
        speeds = _ROTARY_BASE ** -(torch.arange(0, size, 2) / size)
        angles = (torch.arange(settings.window)[:, None] * speeds).repeat(1, 2)
        self.register_buffer("turns", torch.stack([angles.cos(), angles.sin()]), persistent=False)

    def memory(self, batch: int) -> KeyValueCache:
        """An empty cache with room for a window of `batch` sequences."""
        return KeyValueCache(self.settings, batch, self.embedding.detach())

    def body(self, hidden: Tensor, memory: KeyValueCache | None) -> Tensor:
        """See `Generator.body`; raises `ValueError` where the window is full."""
        start = memory.length if memory else 0
        end = start + hidden.shape[1]
        if end > self.settings.window:
            raise ValueError(f"{end} tokens do not fit the window of {self.settings.window}")
        turns = self.turns[:, start:end].to(hidden.dtype)
        for layer, block in enumerate(self.blocks):
            hidden = block(hidden, turns, memory, layer)
        if memory:
            memory.length = end
        normed: Tensor = self.norm(hidden)
        return normed
