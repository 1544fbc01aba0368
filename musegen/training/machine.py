"""How busy the machine is on which a worker trains, by the names that MLflow gives such figures."""

import time
from collections.abc import Callable
from contextlib import suppress

import psutil  # type: ignore[import-untyped]
import torch

from musegen.training.world import World

_SECONDS = 10.0
_MEGABYTE = 1e6


class Machine:
    """Figures of the first worker's machine and accelerator, at most every ten seconds; the others have none."""

    def __init__(self, world: World) -> None:
        self._world = world
        psutil.cpu_percent()  # what it says next is since now
        self._next = time.monotonic() + _SECONDS

    def read(self) -> dict[str, float]:
        """The figures by name (`system/…`); none where the last ones are too fresh."""
        if self._world.rank > 0 or time.monotonic() < self._next:
            return {}
        self._next = time.monotonic() + _SECONDS
        memory = psutil.virtual_memory()
        found = {
            "system/cpu_utilization_percentage": psutil.cpu_percent(),
            "system/system_memory_usage_megabytes": memory.used / _MEGABYTE,
            "system/system_memory_usage_percentage": memory.percent,
        }
        if self._world.device.type == "cuda":
            found |= _accelerator(self._world.device)
        return found


def _accelerator(device: torch.device) -> dict[str, float]:
    """Of this process's own: asking for another's memory would take some of it for good."""
    free, total = torch.cuda.mem_get_info(device)
    index = device.index or 0
    found = {
        f"system/gpu_{index}_memory_usage_megabytes": (total - free) / _MEGABYTE,
        f"system/gpu_{index}_memory_usage_percentage": 100 * (total - free) / total,
    }
    asked: dict[str, Callable[[], float]] = {
        "utilization_percentage": lambda: float(torch.cuda.utilization(device)),
        "power_usage_watts": lambda: torch.cuda.power_draw(device) / 1000,
    }
    for name, ask in asked.items():
        # NVIDIA's management library may be absent, not allowed or not know; its errors are of many kinds, and no
        # figure is worth a training.
        with suppress(Exception):
            found[f"system/gpu_{index}_{name}"] = ask()
    return found
