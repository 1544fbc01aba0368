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
from musegen.augment.tempo import Tempo
from musegen.augment.transpose import Transpose
from musegen.catalogue import CatalogueRow
from musegen.cluster import shards
from musegen.cluster.connect import cluster_cpus, cluster_gpus, connected
from musegen.cluster.shards import make_dataset
from musegen.errors import BadInput, Unavailable
from musegen.prepare import ComposingRecipe, ComposingSettings, ShardPlan, making
from musegen.score import Score
from musegen.shards import manifest, reader
from musegen.shards.manifest import Manifest, ShardEntry

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

    def plans(self, settings: ComposingSettings = SETTINGS) -> list[ShardPlan]:
        return prepare.plan(self.catalogue_of(self.corpus), ComposingRecipe(settings, self.corpus))

    def make(self, plans: list[ShardPlan] | None = None, settings: ComposingSettings = SETTINGS) -> shards.Dataset:
        def tell(done: int, total: int) -> None:
            self.progress.append((done, total))

        recipe = ComposingRecipe(settings, self.corpus)
        return make_dataset(plans or self.plans(), recipe, self.folder, tell)

    def make_shard(self, plan: ShardPlan) -> ShardEntry:
        """Without Ray."""
        return making.make_shard(plan, ComposingRecipe(SETTINGS, self.corpus), self.folder, None).entry

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
    made = dataset.make(plans)
    assert made.shards_made == len(made.manifest.shards) == len(plans)
    assert dataset.progress[-1] == (12, 12) and dataset.progress == sorted(set(dataset.progress))
    alone = Dataset(dataset.corpus, tmp_path / "alone", [], dataset.catalogue_of)
    with monkeypatch.context() as patch:
        patch.setattr(shards, "cluster_cpus", lambda: 1)
        patch.setattr(shards, "_TASKS_PER_CPU", 1)
        alone.make(plans)
    here = Dataset(dataset.corpus, tmp_path / "here", [], dataset.catalogue_of)
    manifest.commit(here.folder, Manifest(tuple(here.make_shard(plan) for plan in plans)))
    assert dataset.contents() == alone.contents() == here.contents()
    assert reader.verify(dataset.folder) == []
    rows = sum(shard.rows for shard in made.manifest.shards)
    assert (made.costs.rows, made.costs.rows_reused, made.costs.tracks_made) == (rows, 0, 12)
    assert made.costs.bytes_written == sum(shard.size_bytes for shard in made.manifest.shards)
    assert made.costs.seconds["tokenise"] > 0 and made.wall_seconds > 0


def test_one_more_tune_rewrites_its_shard_alone(dataset: Dataset, tune: Callable[..., Score]) -> None:
    before = dataset.make().manifest
    old = {shard.path: (dataset.folder / shard.path).stat().st_mtime_ns for shard in before.shards}
    midi.write(dataset.corpus / "jig" / "new.mid", tune(1000))
    made = dataset.make()
    after = made.manifest.shards
    rewritten = [s.path for s in after if old.get(s.path) != (dataset.folder / s.path).stat().st_mtime_ns]
    assert (made.shards_made, len(rewritten), made.costs.tracks_made) == (1, 1, 1)
    assert sum(shard.tracks for shard in after) == 13
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
    first = dataset.make(plans).manifest
    before = dataset.contents()
    dataset.make_shard(plans[0])
    dataset.progress.clear()
    again = dataset.make(plans)
    assert (again.manifest, again.shards_made, again.costs) == (first, 0, making.Costs())
    assert (dataset.contents(), dataset.progress) == (before, [])


def test_a_track_that_is_gone_leaves_the_dataset(dataset: Dataset) -> None:
    dataset.make()
    for path in sorted(dataset.corpus.rglob("*.mid"))[:6]:
        path.unlink()
    made = dataset.make().manifest
    assert {row.name for split in reader.SPLITS for row in reader.read(dataset.folder, split)} == {
        path.relative_to(dataset.corpus).with_suffix("").as_posix() for path in dataset.corpus.rglob("*.mid")
    }
    assert {path for path in dataset.contents() if path != manifest.MANIFEST} == {shard.path for shard in made.shards}


def test_a_damaged_dataset_is_made_anew(dataset: Dataset) -> None:
    dataset.make()
    before = dataset.contents()
    (dataset.folder / manifest.MANIFEST).write_text("{")
    assert dataset.make().costs.tracks_made == 12
    assert dataset.contents() == before


def test_an_interrupted_run_is_taken_up_where_it_ended(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = dataset.plans()
    for plan in plans[:-1]:
        dataset.make_shard(plan)
    kept = {json.loads(row.files)["midi"] for row in plans[-1].rows}
    for path in dataset.corpus.rglob("*.mid"):
        if path.relative_to(dataset.corpus).as_posix() not in kept:
            path.unlink()
    made = dataset.make(plans)
    assert made.shards_made == len(made.manifest.shards) == len(plans)
    assert made.costs.tracks_made == len(plans[-1].rows)
    assert reader.verify(dataset.folder) == []


def worker(marker: Path, at: str, act: Callable[[], None]) -> Callable[..., Any]:
    """`make_shard` that acts once before it makes the shard `at`; a closure, so that workers get it by value."""

    def make_shard(plan: ShardPlan, *arguments: Any) -> Any:
        from musegen.prepare import making

        if plan.path == at and not marker.exists():
            marker.touch()
            act()
        return making.make_shard(plan, *arguments)

    return make_shard


def test_a_killed_worker_costs_nothing_but_time(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plans = dataset.plans()

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with monkeypatch.context() as patch:
        patch.setattr(making, "make_shard", worker(tmp_path / "died", plans[1].path, die))
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

    monkeypatch.setattr(making, "make_shard", worker(tmp_path / "failed", plans[0].path, fail))
    assert dataset.make(plans).shards_made == len(plans)
    assert (tmp_path / "failed").exists()


def test_a_worker_that_dies_again_and_again_is_unavailable(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def make_shard(*arguments: Any) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(making, "make_shard", make_shard)
    with pytest.raises(Unavailable, match="died"):
        dataset.make(dataset.plans()[:1])
    with pytest.raises(BadInput, match="no dataset"):
        manifest.load(dataset.folder)


def test_a_disk_that_stays_full_is_unavailable_in_the_end(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = tmp_path / "tries"

    def make_shard(*arguments: Any) -> None:
        with tries.open("a") as file:
            file.write("x")
        raise Unavailable("the disk is full")

    monkeypatch.setattr(making, "make_shard", make_shard)
    monkeypatch.setattr(shards, "_WAIT_SECONDS", 0.0)
    with pytest.raises(Unavailable, match="the disk is full"):
        dataset.make(dataset.plans()[:1])
    assert tries.read_text() == "xxxx"


def test_what_does_not_pass_by_itself_is_told_at_once(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = tmp_path / "tries"

    def tables(*_: Any) -> Any:
        with tries.open("a") as file:
            file.write("x")
        raise OSError(28, "No space left on device")

    def make_shard(plan: ShardPlan, recipe: Any, *arguments: Any) -> Any:
        from musegen.prepare import making

        on_full_disk = type("OnFullDisk", (type(recipe),), {"tables": tables})
        return making.make_shard(plan, on_full_disk(recipe.settings, recipe.root), *arguments)

    monkeypatch.setattr(making, "make_shard", make_shard)
    with pytest.raises(Unavailable, match="No space left"):
        dataset.make(dataset.plans()[:1])
    assert tries.read_text() == "x"


def test_a_file_that_has_changed_since_the_survey_ends_the_run_and_the_old_dataset_stays(dataset: Dataset) -> None:
    before = dataset.make().manifest
    settings = SETTINGS.model_copy(update={"variants": 3})
    plans = dataset.plans(settings)
    trained = next(row for plan in plans for row in plan.rows if row.split == "train")
    damaged = dataset.corpus / json.loads(trained.files)["midi"]
    damaged.write_bytes(b"")
    with pytest.raises(BadInput, match=damaged.stem) as caught:
        dataset.make(plans, settings)
    assert (caught.value.file, caught.value.reason) == (damaged, "changed")
    assert manifest.load(dataset.folder) == before and reader.verify(dataset.folder) == []
