"""One worker or many, with or without interruptions: the same passages in the same order, and the same losses."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from musegen.models import RecurrentSettings
from tests.training.runs import MODEL, SETTINGS, STREAMED, Crew, Told, crew, dataset, in_order

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crew]:
    with crew(tmp_path_factory.mktemp("meetings")) as made:
        yield made


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dataset(tmp_path_factory.mktemp("dataset"))


@pytest.fixture(scope="module")
def alone(workers: Crew, shards: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Told]:
    return workers(1, tmp_path_factory.mktemp("alone"), STREAMED, MODEL, shards)


def losses(told: list[Told]) -> list[tuple[float, float | None]]:
    return [(each.train_nll_per_token, each.valid_nll_per_note) for each in told[0].result.history]


@pytest.mark.parametrize("size", [2, 4])
def test_the_order_does_not_depend_on_the_number_of_workers(
    workers: Crew, shards: Path, alone: list[Told], tmp_path: Path, size: int
) -> None:
    together = workers(size, tmp_path, STREAMED, MODEL, shards)
    assert in_order(together, STREAMED) == in_order(alone, STREAMED)
    assert {epoch for step in in_order(alone, STREAMED) for epoch, *_ in step} >= {0, 1}
    np.testing.assert_allclose(losses(together), losses(alone), rtol=2e-3)


def test_nor_on_interruptions_after_which_fewer_go_on_and_more_again(
    workers: Crew, shards: Path, alone: list[Told], tmp_path: Path
) -> None:
    parts = [
        workers(2, tmp_path, STREAMED, MODEL, shards, stop=3),
        workers(1, tmp_path, STREAMED, MODEL, shards, stop=5),
        workers(2, tmp_path, STREAMED, MODEL, shards),
    ]
    assert [part[0].result.resumed_from_step for part in parts] == [None, 3, 8]
    assert [step for part in parts for step in in_order(part, STREAMED)] == in_order(alone, STREAMED)
    ends = [losses(told)[-1][1] for told in (parts[-1], alone)]
    assert ends[0] == pytest.approx(ends[1], rel=2e-3)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_same_workers_end_with_the_same_bits_after_an_interruption(
    workers: Crew, shards: Path, tmp_path: Path, size: int
) -> None:
    whole = workers(size, tmp_path / "whole", STREAMED, MODEL, shards)
    workers(size, tmp_path / "parts", STREAMED, MODEL, shards, stop=7)
    parts = workers(size, tmp_path / "parts", STREAMED, MODEL, shards)
    assert parts[0].result.resumed_from_step == 7
    assert parts[0].weights == whole[0].weights


@pytest.mark.parametrize("kind", ["transformer", "gru"])
def test_workers_that_hold_a_part_of_the_model_each_learn_what_one_learns(
    workers: Crew, tmp_path: Path, kind: str
) -> None:
    model = MODEL if kind == "transformer" else RecurrentSettings(kind="gru", layers=1, width=16, window=48)
    alone = workers(1, tmp_path / "alone", SETTINGS, model)
    together = workers(2, tmp_path / "whole", SETTINGS, model, sharding="full")
    np.testing.assert_allclose(losses(together), losses(alone), rtol=2e-3)
    workers(2, tmp_path / "parts", SETTINGS, model, sharding="full", stop=7)
    parts = workers(2, tmp_path / "parts", SETTINGS, model, sharding="full")
    assert parts[0].result.resumed_from_step == 7
    assert parts[0].weights == together[0].weights


def test_a_run_in_parts_goes_on_with_one_worker_and_back(workers: Crew, tmp_path: Path) -> None:
    alone = workers(1, tmp_path / "alone", SETTINGS, MODEL)
    workers(2, tmp_path / "run", SETTINGS, MODEL, sharding="full", stop=6)
    workers(1, tmp_path / "run", SETTINGS, MODEL, stop=6)
    last = workers(2, tmp_path / "run", SETTINGS, MODEL, sharding="full")
    assert last[0].result.resumed_from_step == 12
    assert losses(last)[-1][1] == pytest.approx(losses(alone)[-1][1], rel=2e-3)
