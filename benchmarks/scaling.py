"""Two workers beside one, and the memory of the driver with few and with many tracks.

    python -m benchmarks.scaling [--minutes 12] [--pairs 5] [--json]    (--pairs 0: the driver's memory alone)

The listening dataset of made recordings, with the settings of this repository's params.yaml and four variants, on a
private Ray cluster of one and of two workers in turn. Wall time of `make_dataset` without the start of Ray; a run in
each cluster that does not count lets its workers import. `others`: processors' worth of everything else that ran on
this machine meanwhile (Linux), Ray's own processes included; two workers can't have what others take.

The driver's memory: the composing dataset of 100 and of 10,000 small tunes without variants, each in a process of its
own that reads the catalogue, plans, drives two workers and commits.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import corpora
from benchmarks.measuring import tell
from musegen import catalogue, params
from musegen.params import Params
from musegen.prepare import ComposingRecipe, ListeningRecipe, plan
from musegen.workspace import Workspace, set_environment

_VARIANTS, _SHARDS = 4, 16
_COUNTS = (100, 10_000)
_HERE = Path(__file__).parent.parent
_TICKS_A_SECOND = 100


def workers(root: Path, minutes: float, pairs: int) -> dict[str, dict[str, Any]]:
    """Medians over pairs of clusters, the spread of the ratio, and what else ran."""
    rows = corpora.rendered(root, minutes, shortest_seconds=10.0, longest_seconds=20.0)
    changed = {"variants": _VARIANTS, "shards": _SHARDS}
    recipe = ListeningRecipe(_settings().listening.model_copy(update=changed), root, root)
    taken: dict[int, list[dict[str, float]]] = {1: [], 2: []}
    for _ in range(pairs):
        for count, runs in taken.items():
            runs.append(_run(rows, recipe, count))
    ratios = [one["wall_seconds"] / two["wall_seconds"] for one, two in zip(*taken.values(), strict=True)]
    table: dict[str, dict[str, Any]] = {
        f"{count} workers": {column: statistics.median(run[column] for run in runs) for column in runs[0]}
        for count, runs in taken.items()
    }
    table["2 workers"] |= {
        "times_faster": statistics.median(ratios), "least": min(ratios), "most": max(ratios), "pairs": pairs,
    }  # fmt: skip
    return table


def memory(folder: Path) -> dict[str, dict[str, Any]]:
    """Peak megabytes of the driver's process, with so many tracks."""
    rows = {}
    for count in _COUNTS:
        root = folder / f"{count}"
        root.mkdir()
        catalogue.write(root / "data", corpora.tunes(root, count), [])
        command = [sys.executable, "-m", "benchmarks.scaling", "--drive", str(root)]
        told = subprocess.run(command, check=True, capture_output=True, text=True, cwd=_HERE).stdout
        rows[f"driver with {count} tracks"] = json.loads(told)
    return rows


def drive(root: Path) -> dict[str, float]:
    """Make the composing dataset of the catalogue below `root`; what this process took at most."""
    from musegen.cluster.connect import connected
    from musegen.cluster.shards import make_dataset

    recipe = ComposingRecipe(_settings().composing.model_copy(update={"variants": 0}), root)
    with connected(2):
        before = _peak_megabytes()
        rows = catalogue.read(root / "data")
        read = _peak_megabytes()
        make_dataset(plan(rows, recipe), recipe, root / "dataset")
    return {"connected_megabytes": before, "catalogue_read_megabytes": read, "peak_megabytes": _peak_megabytes()}


def main() -> None:
    """Scaling first, then memory."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=12.0)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--drive", type=Path)
    asked, _ = parser.parse_known_args()
    with TemporaryDirectory() as folder:
        set_environment(Workspace(Path(folder)))
        if asked.drive:
            print(json.dumps(drive(asked.drive)))
            return
        if asked.pairs:
            root = Path(folder) / "recordings"
            root.mkdir()
            tell(f"scaling, {asked.minutes:g} minutes, {_VARIANTS} variants", workers(root, asked.minutes, asked.pairs))
        tell("driver's memory", memory(Path(folder)))


def _run(rows: list[catalogue.CatalogueRow], recipe: ListeningRecipe, count: int) -> dict[str, float]:
    from musegen.cluster.connect import connected
    from musegen.cluster.shards import make_dataset

    with connected(count):
        for _ in range(2):
            with TemporaryDirectory() as place:
                busy, own, start = _busy_seconds(), time.process_time(), time.monotonic()
                dataset = make_dataset(plan(rows, recipe), recipe, Path(place))
                wall = time.monotonic() - start
                cpu = sum(dataset.costs.seconds.values())
                others = _busy_seconds() - busy - cpu - (time.process_time() - own)
            if dataset.manifest.rejects:
                raise SystemExit(dataset.manifest.rejects[0].detail)
    return {"wall_seconds": wall, "worker_cpu_seconds": cpu, "others": others / wall}


def _settings() -> Params:
    return params.load(_HERE / "params.yaml")


def _busy_seconds() -> float:
    """Processor time of everything on this machine since it was started; 0 where there is no /proc/stat."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return 0.0
    user, nice, system, _, _, interrupts, soft, stolen, *_ = map(int, stat.read_text().split("\n")[0].split()[1:])
    return (user + nice + system + interrupts + soft + stolen) / _TICKS_A_SECOND


def _peak_megabytes() -> float:
    """Of this process's own memory: `ru_maxrss` may be that of the process that started it."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
