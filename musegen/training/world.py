"""The workers of a training run and the machine under them."""

import contextlib
import ctypes
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from musegen.training.settings import TrainingSettings

# glibc's mallopt: parameters M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_STEPS_A_VOTE = 10


@dataclass(frozen=True)
class World:
    """This worker's place among all, each of which holds the whole model (`none`) or a part of it (`full`, FSDP2).

    `wrap` makes a module whose backward pass averages gradients over the workers (DDP); where the model is in parts, it
    is not needed. With `size` > 1 the caller has set up `torch.distributed`.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    wrap: Callable[[nn.Module], nn.Module] = lambda module: module
    sharding: Literal["none", "full"] = "none"

    def joined(self, model: nn.Module) -> nn.Module:
        """The model, on this worker's device, as all workers train it together."""
        model = model.to(self.device)
        if self.size == 1:
            return model
        if self.sharding == "none":
            return self.wrap(model)
        from torch.distributed.device_mesh import init_device_mesh  # see musegen.training.sharded
        from torch.distributed.fsdp import fully_shard

        mesh = init_device_mesh(self.device.type, (self.size,))
        # The root too gives up what it gathered after each forward pass: averaged weights come and go in between.
        for module in (*getattr(model, "blocks", ()), model):
            fully_shard(module, mesh=mesh, reshard_after_forward=True)
        return model

    @property
    def steps_a_vote(self) -> int:
        """Steps between votes of the workers: for a vote, those on accelerators have to wait until these are done."""
        return _STEPS_A_VOTE if self.size > 1 and self.device.type == "cuda" else 1

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


def accumulating(model: nn.Module, is_last: bool) -> contextlib.AbstractContextManager[object]:
    """Gradients of what is computed inside stay with the worker, but those of the last micro-batch take all along."""
    if (take_along := getattr(model, "set_requires_gradient_sync", None)) is not None:  # FSDP2's
        take_along(is_last)
    elif isinstance(model, DistributedDataParallel) and not is_last:
        return model.no_sync()
    return contextlib.nullcontext()


def computes_bfloat16(settings: TrainingSettings, world: World) -> bool:
    """True where bfloat16 is asked for, or automatic and every worker's hardware multiplies it; all ask at once."""
    if settings.precision != "auto":
        return settings.precision == "bfloat16"
    return world.total(float(_multiplies_bfloat16(world.device)))[0] == world.size


def _multiplies_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
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
