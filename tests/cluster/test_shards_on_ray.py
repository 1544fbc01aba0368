"""On Ray a dataset is the same with any number of workers, and a worker that dies costs time alone."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from musegen import midi, prepare
from musegen.augment import Tempo, Transpose
from musegen.catalogue import CatalogueRow
from musegen.cluster import shards
from musegen.cluster.connect import cluster_cpus, cluster_gpus, connected
from musegen.cluster.shards import make_dataset
from musegen.errors import BadInput, Unavailable
from musegen.prepare import ComposingSettings, ShardPlan
from musegen.score import Score
from musegen.shards import manifest, reader
from musegen.shards.manifest import Manifest

pytestmark = pytest.mark.slow

SETTINGS = ComposingSettings(shards=4, variants=2, augmentations=(Transpose(), Tempo()))


@pytest.fixture(scope="module", autouse=True)
def cluster(shared_workspace: Any) -> Iterator[None]:
    with connected(2):
        yield


@dataclass
class Dataset:
    """A corpus and the dataset that is made of it."""

    corpus: Path
    folder: Path
    progress: list[tuple[int, int]]
    catalogue_of: Callable[[Path], list[CatalogueRow]]

    def plans(self) -> list[ShardPlan]:
        return prepare.plan(self.catalogue_of(self.corpus), SETTINGS)

    def make(self, plans: list[ShardPlan] | None = None) -> tuple[Manifest, int]:
        def tell(done: int, total: int) -> None:
            self.progress.append((done, total))

        return make_dataset(plans or self.plans(), self.corpus, SETTINGS, self.folder, tell)

    def contents(self) -> dict[str, bytes]:
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture
def dataset(
    tmp_path: Path, write_tunes: Callable[..., Path], catalogue_of: Callable[[Path], list[CatalogueRow]]
) -> Dataset:
    return Dataset(write_tunes(tmp_path / "corpus", 12), tmp_path / "dataset", [], catalogue_of)


def test_the_cluster_is_as_large_as_asked() -> None:
    assert (cluster_cpus(), cluster_gpus()) == (2, 0)


def test_one_worker_or_two_or_none_give_the_same_bytes(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = dataset.plans()
    made, count = dataset.make(plans)
    assert count == len(made.shards) == len(plans)
    assert dataset.progress[-1] == (count, count)
    alone = Dataset(dataset.corpus, tmp_path / "alone", [], dataset.catalogue_of)
    with monkeypatch.context() as patch:
        patch.setattr(shards, "cluster_cpus", lambda: 1)
        patch.setattr(shards, "_TASKS_PER_CPU", 1)
        alone.make(plans)
    here = Dataset(dataset.corpus, tmp_path / "here", [], dataset.catalogue_of)
    entries = [prepare.make_shard(plan, here.corpus, SETTINGS, here.folder) for plan in plans]
    manifest.commit(here.folder, Manifest(tuple(entries)))
    assert dataset.contents() == alone.contents() == here.contents()
    assert reader.verify(dataset.folder) == []


def test_one_more_tune_rewrites_its_shard_alone(dataset: Dataset, tune: Callable[..., Score]) -> None:
    before, _ = dataset.make()
    old = {shard.path: (dataset.folder / shard.path).stat().st_mtime_ns for shard in before.shards}
    midi.write(dataset.corpus / "jig" / "new.mid", tune(1000))
    after, made = dataset.make()
    rewritten = [s.path for s in after.shards if old.get(s.path) != (dataset.folder / s.path).stat().st_mtime_ns]
    assert (made, len(rewritten)) == (1, 1)
    assert sum(shard.tracks for shard in after.shards) == 13
    assert reader.verify(dataset.folder) == []


def test_a_dataset_made_step_by_step_is_that_made_at_once(
    dataset: Dataset, tmp_path: Path, tune: Callable[..., Score]
) -> None:
    dataset.make()
    midi.write(dataset.corpus / "jig" / "new.mid", tune(1000))
    dataset.make()
    at_once = Dataset(dataset.corpus, tmp_path / "at once", [], dataset.catalogue_of)
    at_once.make()
    assert dataset.contents() == at_once.contents()


def test_with_nothing_stale_nothing_is_written_and_leftovers_go(dataset: Dataset) -> None:
    plans = dataset.plans()
    first, _ = dataset.make(plans)
    before = dataset.contents()
    prepare.make_shard(plans[0], dataset.corpus, SETTINGS, dataset.folder)
    dataset.progress.clear()
    assert dataset.make(plans) == (first, 0)
    assert (dataset.contents(), dataset.progress) == (before, [])


def test_a_track_that_is_gone_leaves_the_dataset(dataset: Dataset) -> None:
    dataset.make()
    for path in sorted(dataset.corpus.rglob("*.mid"))[:6]:
        path.unlink()
    made, _ = dataset.make()
    assert {row.name for split in reader.SPLITS for row in reader.read(dataset.folder, split)} == {
        path.relative_to(dataset.corpus).with_suffix("").as_posix() for path in dataset.corpus.rglob("*.mid")
    }
    assert {path for path in dataset.contents() if path != manifest.MANIFEST} == {shard.path for shard in made.shards}


def test_a_damaged_dataset_is_made_anew(dataset: Dataset) -> None:
    dataset.make()
    before = dataset.contents()
    (dataset.folder / manifest.MANIFEST).write_text("{")
    assert dataset.make()[1] > 0
    assert dataset.contents() == before


def test_an_interrupted_run_is_taken_up_where_it_ended(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = dataset.plans()
    for plan in plans[:-1]:
        prepare.make_shard(plan, dataset.corpus, SETTINGS, dataset.folder)
    kept = {json.loads(row.files)["midi"] for row in plans[-1].rows}
    for path in dataset.corpus.rglob("*.mid"):
        if path.relative_to(dataset.corpus).as_posix() not in kept:
            path.unlink()
    made, count = dataset.make(plans)
    assert count == len(made.shards) == len(plans)
    assert reader.verify(dataset.folder) == []


def worker(marker: Path, at: str, act: Callable[[], None]) -> Callable[..., Any]:
    """`make_shard` that acts once before it makes the shard `at`; a closure, so that workers get it by value."""

    def make_shard(plan: ShardPlan, *arguments: Any) -> Any:
        from musegen import prepare

        if plan.path == at and not marker.exists():
            marker.touch()
            act()
        return prepare.make_shard(plan, *arguments)

    return make_shard


def test_a_killed_worker_costs_nothing_but_time(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = dataset.plans()

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with monkeypatch.context() as patch:
        patch.setattr(prepare, "make_shard", worker(tmp_path / "died", plans[1].path, die))
        dataset.make(plans)
    assert (tmp_path / "died").exists()
    undisturbed = Dataset(dataset.corpus, tmp_path / "undisturbed", [], dataset.catalogue_of)
    undisturbed.make(plans)
    assert dataset.contents() == undisturbed.contents()


def test_a_disk_that_is_full_for_a_moment_is_tried_again(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = dataset.plans()

    def fail() -> None:
        raise Unavailable("the disk is full")

    monkeypatch.setattr(prepare, "make_shard", worker(tmp_path / "failed", plans[0].path, fail))
    assert dataset.make(plans)[1] == len(plans)
    assert (tmp_path / "failed").exists()


def test_a_worker_that_dies_again_and_again_is_unavailable(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def make_shard(*arguments: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(prepare, "make_shard", make_shard)
    with pytest.raises(Unavailable, match="died"):
        dataset.make(dataset.plans()[:1])
    with pytest.raises(BadInput, match="no dataset"):
        manifest.load(dataset.folder)


def test_bad_input_in_a_task_is_bad_input_here_and_the_old_dataset_stays(dataset: Dataset) -> None:
    before, _ = dataset.make()
    plans = [ShardPlan(plan.path, plan.rows, "another") for plan in dataset.plans()]
    damaged = next(dataset.corpus.rglob("*.mid"))
    damaged.write_bytes(b"")
    with pytest.raises(BadInput, match=damaged.name) as caught:
        dataset.make(plans)
    assert (caught.value.file, caught.value.reason) == (damaged, "empty")
    assert manifest.load(dataset.folder) == before and reader.verify(dataset.folder) == []
