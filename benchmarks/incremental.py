"""What it costs to bring a dataset up to date, beside making all of it.

    python -m benchmarks.incremental [--tracks 1000] [--runs 3] [--json]

Small tracks (composing: 64 notes, listening: a second of sound), eight of ten for training, with the settings of this
repository's params.yaml. Measured is the prepare step: reading the catalogue, planning, making, the commit. Ray runs
already, with two workers; the survey is measured elsewhere (`benchmarks.survey`). "changed" is another content under
the same name, which is another track: its old shard and its new one are rewritten.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import corpora
from benchmarks.measuring import tell
from musegen import catalogue, params
from musegen.catalogue import CatalogueRow
from musegen.prepare import ComposingRecipe, ListeningRecipe, Recipe, plan
from musegen.workspace import Workspace, set_environment

Maker = Callable[[Path, str, int], CatalogueRow]
Update = tuple[str, list[CatalogueRow]]

_SPLITS = ("train",) * 8 + ("valid", "test")
_WORKERS = 2
_LISTENING, _COMPOSING = "listening", "composing"


def updates(root: Path, rows: Sequence[CatalogueRow], make: Maker, runs: int) -> Iterator[Update]:
    """What happens to a catalogue, one thing after the other: its kind, and the rows that are there afterwards."""
    now = list(rows)
    yield "all", now
    for run in range(runs):
        yield "nothing new", now
        now = [*now, make(root, f"added {run}", len(rows) + run)]
        yield "one added", now
        at = 10 * run
        now = [*now[:at], make(root, now[at].name, 2 * len(rows) + run), *now[at + 1 :]]
        yield "one changed", now
        at = 10 * run + 1
        other = replace(now[at], style="mazurka", labels_sha256=f"{run:064}")
        now = [*now[:at], other, *now[at + 1 :]]
        yield "one relabelled", now
        now = now[:-2] + now[-1:]
        yield "one removed", now


def measured(root: Path, recipe: Recipe, happens: Iterator[Update]) -> dict[str, list[dict[str, float]]]:
    """Figures of every update, by its kind."""
    from musegen.cluster.shards import make_dataset

    place, data = root / "dataset", root / "data"
    figures: dict[str, list[dict[str, float]]] = {}
    for kind, rows in happens:
        catalogue.write(data, rows, [])
        start = time.monotonic()
        dataset = make_dataset(plan(catalogue.read(data), recipe), recipe, place)
        seconds = time.monotonic() - start
        if dataset.manifest.rejects:
            raise SystemExit(dataset.manifest.rejects[0].detail)
        figures.setdefault(kind, []).append(
            {
                "wall_seconds": seconds,
                "worker_cpu_seconds": sum(dataset.costs.seconds.values()),
                "tracks_made": dataset.costs.tracks_made,
                "rows_taken_over": dataset.costs.rows_reused,
                "shards_rewritten": dataset.shards_made,
                "bytes_written": dataset.costs.bytes_written,
            }
        )
    return figures


def table(name: str, figures: dict[str, list[dict[str, float]]]) -> dict[str, dict[str, Any]]:
    """Medians, and how many times cheaper an update is than making all."""
    whole = figures["all"][0]["wall_seconds"]
    rows: dict[str, dict[str, Any]] = {}
    for kind, runs in figures.items():
        row: dict[str, Any] = {column: statistics.median(run[column] for run in runs) for column in runs[0]}
        counts = {column: int(value) for column, value in row.items() if not column.endswith("seconds")}
        rows[f"{name}: {kind}"] = row | counts | {"times_cheaper": whole / row["wall_seconds"]}
    return rows


def main() -> None:
    """Both datasets on one private cluster."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tracks", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=3)
    asked, _ = parser.parse_known_args()
    settings = params.load(Path(__file__).parent.parent / "params.yaml")
    with TemporaryDirectory() as folder:
        set_environment(Workspace(Path(folder)))
        from musegen.cluster.connect import connected

        rows: dict[str, dict[str, Any]] = {}
        with connected(_WORKERS):
            for name, make in ((_COMPOSING, corpora.tune), (_LISTENING, corpora.tone)):
                root = Path(folder) / name
                recipe: Recipe = ComposingRecipe(settings.composing, root)
                if name == _LISTENING:
                    recipe = ListeningRecipe(settings.listening, root, root)
                _warm(Path(folder) / f"warm {name}", make, recipe)
                root.mkdir()
                first = [_split(make(root, f"{index}", index), index) for index in range(asked.tracks)]
                rows |= table(name, measured(root, recipe, updates(root, first, make, asked.runs)))
    tell(f"incremental, {asked.tracks} tracks, {_WORKERS} workers", rows)


def _split(row: CatalogueRow, index: int) -> CatalogueRow:
    return replace(row, split=_SPLITS[index % len(_SPLITS)])


def _warm(root: Path, make: Maker, recipe: Recipe) -> None:
    """Some tracks that do not count, so that the workers have imported what they need."""
    root.mkdir()
    rows = [make(root, f"{index}", index) for index in range(40)]
    for _ in measured(root, replace(recipe, root=root), iter([("warm", rows)])):
        pass


if __name__ == "__main__":
    main()
