"""What a machine says of itself never costs a training anything."""

import pytest
import torch

from musegen.training import World, machine


@pytest.fixture
def ten_seconds_on(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(0, 1000, 10))
    monkeypatch.setattr(machine.time, "monotonic", lambda: float(next(now)))


def test_the_machine_is_asked_at_most_each_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(machine.time, "monotonic", lambda: now[0])
    asked = machine.Machine(World())
    assert asked.read() == {}
    now[0] = 10.0
    found = asked.read()
    assert 0 <= found["system/cpu_utilization_percentage"] <= 100
    assert found["system/system_memory_usage_megabytes"] > 10
    assert asked.read() == {}


@pytest.mark.usefixtures("ten_seconds_on")
def test_only_the_first_worker_asks() -> None:
    assert machine.Machine(World()).read()
    assert machine.Machine(World(1, 2)).read() == {}


@pytest.mark.usefixtures("ten_seconds_on")
def test_only_the_worker_s_own_accelerator_is_asked_and_what_it_does_not_say_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class NvmlError(Exception):
        pass

    def refuse(device: torch.device) -> float:
        raise NvmlError("Not Supported")

    asked: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: asked.append(device) or (1_000_000, 4_000_000))
    monkeypatch.setattr(torch.cuda, "utilization", refuse)
    monkeypatch.setattr(torch.cuda, "power_draw", lambda device: 350_000)
    own = torch.device("cuda", 2)
    found = machine.Machine(World(0, 8, own)).read()
    assert asked == [own]
    assert {name: value for name, value in found.items() if "gpu" in name} == {
        "system/gpu_2_memory_usage_megabytes": 3.0,
        "system/gpu_2_memory_usage_percentage": 75.0,
        "system/gpu_2_power_usage_watts": 350.0,
    }
