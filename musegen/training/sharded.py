"""Tensors that workers hold in parts (FSDP2's `DTensor`), next to ordinary ones that everyone holds whole.

PyTorch's module of them takes longer to import than all of musegen, so it is only where there are any.
"""

from typing import TYPE_CHECKING, TypeGuard

from torch import Tensor

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor


def in_parts(tensor: Tensor | None) -> "TypeGuard[DTensor]":
    """Whether each worker holds a part of it."""
    return hasattr(tensor, "placements")


def local(tensor: Tensor) -> Tensor:
    """The part that this worker holds, in the same memory; the tensor itself where it is not in parts."""
    held = tensor.detach()
    return held.to_local() if in_parts(held) else held


def whole(tensor: Tensor, like: Tensor | None = None) -> Tensor:
    """All parts together, on every worker, which all have to ask; a local part is one of `like`'s."""
    held = tensor.detach()
    if in_parts(like) and not in_parts(held):
        from torch.distributed.tensor import DTensor

        held = DTensor.from_local(held, like.device_mesh, like.placements, shape=like.shape, stride=like.stride())
    return held.full_tensor() if in_parts(held) else held


def placed(tensor: Tensor, like: Tensor) -> Tensor:
    """A whole tensor in parts as `like` is, if it is; nothing is sent, since every worker has the whole."""
    if not in_parts(like):
        return tensor
    from torch.distributed.tensor import distribute_tensor

    here = tensor.detach().to(like.device)
    return distribute_tensor(here, like.device_mesh, like.placements, src_data_rank=None)


def part(tensor: Tensor, like: Tensor) -> Tensor:
    """Of a whole tensor, what this worker holds of it when it is in parts as `like` is."""
    return local(placed(tensor, like))
