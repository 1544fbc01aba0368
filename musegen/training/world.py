"""The workers of a training run and the machine under them."""

import contextlib
import ctypes
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.distributed as dist
from torch import nn

from musegen.training.settings import TrainingSettings

# glibc's mallopt: parameters M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4


@dataclass(frozen=True)
class World:
    """This worker's place among all; `wrap` makes a module whose backward pass averages gradients over them (DDP).

    With `size` > 1 the caller has set up `torch.distributed`.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    wrap: Callable[[nn.Module], nn.Module] = lambda module: module

    def total(self, *numbers: float) -> list[float]:
        """Each number summed over all workers."""
        if self.size == 1:
            return list(numbers)
        values = torch.tensor(numbers, dtype=torch.float64, device=self.device)
        dist.all_reduce(values)
        summed: list[float] = values.tolist()
        return summed

    def agreed(self, text: str | None) -> str | None:
        """What the first worker says."""
        if self.size == 1:
            return text
        said = [text]
        dist.broadcast_object_list(said, src=0, device=self.device)
        return said[0]


def autocast(settings: TrainingSettings, device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Bfloat16 where it is asked for, or automatically where the hardware multiplies it; float32 otherwise."""
    if settings.precision == "float32" or (settings.precision == "auto" and not _multiplies_bfloat16(device)):
        return contextlib.nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def keep_freed_memory() -> None:
    """Tell glibc to keep what is freed: each step asks for the same large blocks, and on virtual machines handing them
    back and faulting them in again took as long as computing (2 to 4 times per operation)."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            adjust = ctypes.CDLL(None).mallopt
            adjust(_MMAP_MAX, 0)
            adjust(_TRIM_THRESHOLD, 2**31 - 1)
            adjust(_TOP_PAD, 64 * 2**20)
