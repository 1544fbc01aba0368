"""A track that kills its worker or hangs is a reject after three tries; any other death costs time alone."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import ray
from ray.cluster_utils import Cluster

from musegen.catalogue import CatalogueRow
from musegen.clock import Clock
from musegen.cluster.connect import connected
from musegen.cluster.shards import Dataset, make_dataset
from musegen.prepare.making import make_shard
from musegen.prepare.plan import plan
from musegen.prepare.recipe import ShardSettings
from musegen.shards import manifest, reader
from musegen.shards.manifest import Manifest

pytestmark = pytest.mark.slow

TRACKS = 24
SCHEMA = pa.schema(
    [
        pa.field("track", pa.string(), nullable=False),
        pa.field("fingerprint", pa.string(), nullable=False),
        pa.field("features", pa.binary(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Toy:
    """Rows of noise; `trouble` says what happens to whoever makes a track: die, die once, hang, be long.

    `journal` is a folder that outlives the workers.
    """

    journal: Path
    trouble: Mapping[str, str] = field(default_factory=dict)
    seconds_a_track: float = 0.0
    name = "toy"
    schema = SCHEMA
    shards = ShardSettings(shards=2)

    def wants(self, row: CatalogueRow) -> bool:
        return True

    def bytes_of(self, row: CatalogueRow) -> float:
        return 1.0

    def fingerprint(self, row: CatalogueRow, mates: Sequence[CatalogueRow]) -> str:
        return row.fingerprint()

    def totals(self, table: pa.Table) -> Mapping[str, float]:
        return {"rows": float(table.num_rows)}

    def tables(self, row: CatalogueRow, mates: Sequence[CatalogueRow], clock: Clock) -> Iterator[pa.Table]:
        time.sleep(self.seconds_a_track)
        trouble = self.trouble.get(row.name)
        marker = self.journal / row.name
        tries = int(marker.read_text()) if trouble and marker.exists() else 0
        if trouble:
            marker.write_text(str(tries + 1))
        if trouble == "die" or (trouble == "die once" and not tries):
            os.kill(os.getpid(), signal.SIGKILL)
        if trouble == "hang":
            re.fullmatch("(a+)+", "a" * 100 + "b")  # for ever, in C, and nothing else in the process can run
        if trouble == "be long":
            for _ in range(8):
                yield SCHEMA.empty_table()
                time.sleep(1.0)
        noise = np.random.default_rng(int(row.track, 16)).bytes(2000)
        yield pa.table([[row.track], [row.fingerprint()], [noise]], schema=SCHEMA)

    def tries(self, name: str) -> int:
        """How often a track in trouble was begun."""
        return int((self.journal / name).read_text())


def catalogue() -> list[CatalogueRow]:
    rows = []
    for number in range(TRACKS):
        known: dict[str, Any] = {
            "track": f"{number:08x}{number:024x}", "name": str(number), "layout": "folder", "group": str(number),
            "grouped_by": "", "split": "train", "files": "{}", "labels_sha256": "", "seconds": 2.0, "sources": "{}",
            "composes": "", "misfits": "[]", "warnings": "[]",
        }  # fmt: skip
        rows.append(CatalogueRow(**{each.name: known.get(each.name) for each in fields(CatalogueRow)}))
    return rows


@pytest.fixture(scope="module", autouse=True)
def by_value() -> Iterator[None]:
    """Workers have no tests to import."""
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    ray.cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


@pytest.fixture(scope="module")
def cluster(shared_workspace: Any) -> Iterator[None]:
    with connected(2):
        yield


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    (tmp_path / "journal").mkdir()
    return tmp_path / "journal"


def make(recipe: Toy, folder: Path, stall_seconds: float = 60.0, changed: str = "", mend: bool = False) -> Dataset:
    rows = [replace(row, labels_sha256="1") if row.name == changed else row for row in catalogue()]
    return make_dataset(plan(rows, recipe), recipe, folder, stall_seconds=stall_seconds, mend=mend)


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def calm(folder: Path) -> dict[str, bytes]:
    """The dataset as it is without any trouble, and without Ray."""
    recipe = Toy(folder)
    plans = plan(catalogue(), recipe)
    manifest.commit(folder, Manifest(tuple(make_shard(each, recipe, folder, None).entry for each in plans)))
    return contents(folder)


def test_poison_and_hanging_tracks_are_rejects_and_nothing_else_is_lost(
    cluster: None, tmp_path: Path, journal: Path
) -> None:
    recipe = Toy(journal, {"3": "die", "9": "hang", "6": "die once"})
    dataset = make(recipe, tmp_path / "dataset", stall_seconds=1.5).manifest
    rejects = {(reject.name, reject.reason) for reject in dataset.rejects}
    assert rejects == {("3", "crashes"), ("9", "hangs")}
    assert {name: recipe.tries(name) for name in recipe.trouble} == {"3": 3, "9": 3, "6": 2}
    tracks = [t for batch in reader.stream(tmp_path / "dataset", "train") for t in batch.column("track").to_pylist()]
    assert tracks == [row.track for row in sorted(catalogue(), key=lambda row: (int(row.name) % 2, row.track))
                      if row.name not in {"3", "9"}]  # fmt: skip
    assert reader.verify(tmp_path / "dataset") == []


def test_a_reject_kills_no_worker_again_until_it_is_to_be_tried_again(
    cluster: None, tmp_path: Path, journal: Path
) -> None:
    recipe = Toy(journal, {"3": "die"})
    first = make(recipe, tmp_path / "dataset").manifest
    second = make(recipe, tmp_path / "dataset", changed="5")
    assert (recipe.tries("3"), second.costs.tracks_made) == (3, 1)
    assert second.manifest.rejects == first.rejects
    third = make(recipe, tmp_path / "dataset", changed="5", mend=True)
    assert (recipe.tries("3"), third.shards_made, third.costs.tracks_made) == (6, 1, 0)
    assert third.manifest == second.manifest
    assert make(Toy(journal), tmp_path / "dataset", changed="5", mend=True).manifest.rejects == ()


def test_a_suspect_asks_for_no_more_of_a_cluster_than_is_free(cluster: None, tmp_path: Path, journal: Path) -> None:
    @ray.remote(num_cpus=1)
    class Neighbour:
        def settle_in(self) -> None:
            pass

    neighbour = Neighbour.remote()
    ray.get(neighbour.settle_in.remote())
    recipe = Toy(journal, {"3": "die"})
    try:
        assert [reject.name for reject in make(recipe, tmp_path / "dataset").manifest.rejects] == ["3"]
    finally:
        ray.kill(neighbour)


def test_a_long_track_that_goes_on_is_not_ended(cluster: None, tmp_path: Path, journal: Path) -> None:
    recipe = Toy(journal, {"3": "be long"})
    assert make(recipe, tmp_path / "dataset", stall_seconds=5.0).manifest.rejects == ()
    assert recipe.tries("3") == 1


def test_progress_is_told_by_tracks_while_a_shard_is_under_way(cluster: None, tmp_path: Path, journal: Path) -> None:
    told: list[tuple[int, int]] = []
    recipe = Toy(journal, {"7": "die once"}, seconds_a_track=0.25)
    make_dataset(plan(catalogue(), recipe), recipe, tmp_path / "dataset", lambda *now: told.append(now))
    assert told == sorted(set(told)), "it never goes back, though a worker has to begin again"
    assert told[-1] == (TRACKS, TRACKS) and len({done for done, _ in told} - {0, TRACKS // 2, TRACKS}) >= 2
    assert contents(tmp_path / "dataset") == calm(tmp_path / "calm")


def drive(folder: Path, journal: Path) -> None:
    """A run in a process of its own."""
    with connected(2):
        make(Toy(journal, seconds_a_track=0.3), folder)


def drive_two_machines(folder: Path, journal: Path) -> None:
    """A run on two machines, one of which is lost."""
    os.environ["RAY_AUTH_TOKEN"] = "f" * 64
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    lost = cluster.add_node(num_cpus=1)
    os.environ["RAY_ADDRESS"] = cluster.address

    def lose() -> None:
        wait_for(lambda: both_under_way(folder))
        cluster.remove_node(lost, allow_graceful=False)

    losing = threading.Thread(target=lose)
    losing.start()
    drive(folder, journal)
    losing.join()
    cluster.shutdown()


def raylet_of(driver: int) -> int:
    """The raylet that a driver has started."""
    for status in Path("/proc").glob("[0-9]*/status"):
        with contextlib.suppress(OSError):
            words = dict(line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line)
            if words["Name"] == "raylet" and int(words["PPid"]) == driver:
                return int(status.parent.name)
    raise AssertionError("there is no raylet")


@pytest.mark.parametrize("victim", [lambda driver: driver, raylet_of], ids=["driver", "raylet"])
def test_a_run_that_is_killed_as_a_whole_is_finished_by_the_next(
    cluster: None, tmp_path: Path, journal: Path, victim: Callable[[int], int]
) -> None:
    folder = tmp_path / "dataset"
    driver = subprocess.Popen(command("drive", folder, journal), env=environment(), stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: both_under_way(folder))
        os.kill(victim(driver.pid), signal.SIGKILL)
        assert driver.wait(120) != 0
    finally:
        driver.kill()
        driver.wait()
    wait_for(lambda: quiet(folder))
    with pytest.raises(Exception, match="no dataset"):
        manifest.load(folder)
    make(Toy(journal), folder)
    assert contents(folder) == calm(tmp_path / "calm")


def test_a_machine_that_is_lost_costs_nothing_but_time(shared_workspace: Any, tmp_path: Path, journal: Path) -> None:
    folder = tmp_path / "dataset"
    subprocess.run(command("drive_two_machines", folder, journal), env=environment(), check=True, capture_output=True)
    assert contents(folder) == calm(tmp_path / "calm")


def command(name: str, folder: Path, journal: Path) -> list[str]:
    return [sys.executable, __file__, name, str(folder), str(journal)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


def both_under_way(folder: Path) -> bool:
    """Whether the workers of both shards have begun a track."""
    return sum(standing["under_way"] is not None for standing in ledgers(folder)) == 2


def ledgers(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text())["standing"] for path in folder.rglob("*.ledger")]


def quiet(folder: Path) -> bool:
    """Whether no worker of a killed run is left that writes."""
    before = contents(folder)
    time.sleep(1.0)
    return contents(folder) == before


def wait_for(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it never happened"
        time.sleep(0.05)


if __name__ == "__main__":
    {"drive": drive, "drive_two_machines": drive_two_machines}[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
