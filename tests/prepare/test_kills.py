"""Wherever a process is killed that makes and commits a dataset, a fresh one ends with the bytes of a calm run.

Every run is a process of its own. It is forked off one that has imported everything, which makes them affordable.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from musegen.catalogue import CatalogueRow
from musegen.clock import Clock
from musegen.errors import BadInput
from musegen.prepare.making import make_shard
from musegen.prepare.plan import plan, stale
from musegen.prepare.recipe import ShardSettings
from musegen.shards import manifest, reader
from musegen.shards.manifest import STAGING, Manifest
from musegen.shards.store import FolderStore

pytestmark = pytest.mark.slow

POINTS = ("read", "decode", "rows", "write", "sync", "before ledger", "after ledger", "before staged", "after staged",
          "before note", "after note", "before intent", "after intent", "before move", "after move", "delete",
          "before discard", "after discard", "before manifest", "after manifest", "committed")  # fmt: skip
VARIANTS = 2
SCHEMA = pa.schema(
    [
        pa.field("track", pa.string(), nullable=False),
        pa.field("variant", pa.int32(), nullable=False),
        pa.field("fingerprint", pa.string(), nullable=False),
        pa.field("features", pa.binary(), nullable=False),
    ]
)


class Fate:
    """Counts how often a process comes to each point, and kills it where it is meant to die."""

    def __init__(self, point: str | None, number: int) -> None:
        self._deadly = (point, number)
        self.passed: Counter[str] = Counter()

    def at(self, point: str) -> None:
        self.passed[point] += 1
        if (point, self.passed[point]) == self._deadly:
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Toy:
    """A track is a file, and its rows are noise that the file's content seeds."""

    corpus: Path
    fate: Fate
    name = "toy"
    schema = SCHEMA
    shards = ShardSettings(shards=3)

    def wants(self, row: CatalogueRow) -> bool:
        return True

    def bytes_of(self, row: CatalogueRow) -> float:
        return 1.0

    def fingerprint(self, row: CatalogueRow, mates: Sequence[CatalogueRow]) -> str:
        return row.fingerprint()

    def totals(self, table: pa.Table) -> Mapping[str, float]:
        return {"rows": float(table.num_rows)}

    def tables(self, row: CatalogueRow, mates: Sequence[CatalogueRow], clock: Clock) -> Iterator[pa.Table]:
        self.fate.at("read")
        content = (self.corpus / row.name).read_bytes()
        self.fate.at("decode")
        for variant in range(VARIANTS):
            noise = np.random.default_rng([*content, variant]).bytes(5000)
            yield pa.table([[row.track], [variant], [row.fingerprint()], [noise]], schema=SCHEMA)
            self.fate.at("rows")


def catalogue(edition: int) -> list[CatalogueRow]:
    """The second edition has a track more, one less, one with other labels, and one whose split is another."""
    numbers = [*range(10)] if edition == 1 else [number for number in range(11) if number != 4]
    return [
        row(number, "1" if (number, edition) == (5, 2) else "0", "test" if (number, edition) == (6, 2) else "train")
        for number in numbers
    ]


def row(number: int, labels: str, split: str) -> CatalogueRow:
    known: dict[str, Any] = {
        "track": f"{np.random.default_rng(number).integers(1 << 32):08x}{number:024x}", "name": f"{number}.mid",
        "layout": "folder", "group": str(number), "grouped_by": "", "split": split, "files": "{}",
        "labels_sha256": labels, "seconds": 2.0, "sources": "{}", "composes": "", "misfits": "[]", "warnings": "[]",
    }  # fmt: skip
    return CatalogueRow(**{each.name: known.get(each.name) for each in fields(CatalogueRow)})


def bring(corpus: Path, folder: Path, edition: int, fate: Fate) -> None:
    """What `make_dataset` does, in this process."""
    recipe = Toy(corpus, fate)
    try:
        before = manifest.load(folder)
    except BadInput:
        before = None
    plans = plan(catalogue(edition), recipe)
    entries = {shard.path: shard for shard in before.shards} if before else {}
    for each in stale(plans, before, folder):
        entries[each.path] = make_shard(each, recipe, folder, before).entry
    manifest.commit(folder, Manifest(tuple(entries[each.path] for each in plans)))
    fate.at("committed")


def place_of(source: Path, target: Path) -> str:
    """What a rename is for."""
    if target.suffix == ".ledger":
        return "ledger"
    if STAGING in target.parts:
        return "note" if target.suffix == ".json" else "staged"
    if target.name == manifest.MANIFEST:
        return "manifest"
    return "move" if STAGING in source.parts and target.suffix == ".parquet" else "intent"


def watch(fate: Fate) -> None:
    """Let fate have its say at every operation on the disk, in this process for good."""
    replace, unlink = Path.replace, Path.unlink
    writing, delete_below = FolderStore.writing, FolderStore.delete_below

    def watched_replace(source: Path, target: Any) -> Path:
        place = place_of(source, Path(target))
        fate.at(f"before {place}")
        moved = replace(source, target)
        fate.at(f"after {place}")
        return moved

    def watched_unlink(path: Path, missing_ok: bool = False) -> None:
        fate.at("delete")
        unlink(path, missing_ok)

    def watched_sync(handle: int) -> None:
        fate.at("sync")  # and no more: a kill is no power cut, and syncing is what takes the time

    def watched_delete_below(store: FolderStore, path: str) -> None:
        fate.at("before discard")
        delete_below(store, path)
        fate.at("after discard")

    @contextmanager
    def watched_writing(store: FolderStore, path: str) -> Iterator[Any]:
        with writing(store, path) as stream:
            yield WatchedStream(stream, fate)

    owners: list[tuple[Any, str, Callable[..., Any]]] = [
        (Path, "replace", watched_replace), (Path, "unlink", watched_unlink), (os, "fsync", watched_sync),
        (FolderStore, "writing", watched_writing), (FolderStore, "delete_below", watched_delete_below),
    ]  # fmt: skip
    for owner, name, operation in owners:
        setattr(owner, name, operation)


class WatchedStream:
    """What was written before a kill is on the disk."""

    def __init__(self, stream: Any, fate: Fate) -> None:
        self._stream, self._fate = stream, fate

    def write(self, content: bytes) -> int:
        half = len(content) // 2
        self._stream.write(content[:half])
        self._stream.flush()
        self._fate.at("write")
        self._stream.write(content[half:])
        return len(content)


def fork_and_run(order: dict[str, Any]) -> dict[str, Any]:
    """Run in a child; how it ended, and how often it came to each point."""
    out_of, into = os.pipe()
    child = os.fork()
    if not child:
        try:
            fate = Fate(order["point"], order["number"])
            watch(fate)
            bring(Path(order["corpus"]), Path(order["folder"]), order["edition"], fate)
            os.write(into, json.dumps(fate.passed).encode())
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    os.close(into)
    with os.fdopen(out_of, "rb") as pipe:
        said = pipe.read()
    return {"code": os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), "passed": json.loads(said or b"{}")}


def serve() -> None:
    """Answer orders, a line of JSON each."""
    pa.table([["once"]], names=["here"])  # pyarrow looks for pandas when it is first used, which no child should repeat
    for line in sys.stdin:
        print(json.dumps(fork_and_run(json.loads(line))), flush=True)


@dataclass
class Runs:
    """Runs of fresh processes over one corpus."""

    helper: subprocess.Popen[str]
    corpus: Path

    def run(self, folder: Path, edition: int, point: str | None = None, number: int = 1) -> dict[str, int]:
        """How often a run came to each point; killed at the `number`th time of `point`, it says nothing."""
        order = {
            "corpus": str(self.corpus),
            "folder": str(folder),
            "edition": edition,
            "point": point,
            "number": number,
        }
        assert self.helper.stdin is not None and self.helper.stdout is not None
        self.helper.stdin.write(json.dumps(order) + "\n")
        self.helper.stdin.flush()
        answer = json.loads(self.helper.stdout.readline())
        assert answer["code"] == (0 if point is None else -signal.SIGKILL), (point, number)
        passed: dict[str, int] = answer["passed"]
        return passed


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    corpus = tmp_path_factory.mktemp("corpus")
    for number in range(11):
        (corpus / f"{number}.mid").write_bytes(bytes([number] * 8))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as helper:
        yield Runs(helper, corpus)


@pytest.fixture(scope="module")
def calm(runs: Runs, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """Both editions of the dataset, each made at once by an undisturbed run."""
    folders = {edition: tmp_path_factory.mktemp("calm") / "dataset" for edition in (1, 2)}
    for edition, folder in folders.items():
        runs.run(folder, edition)
    return folders


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def check(folder: Path, calm: Path, edition: int) -> None:
    """Nothing is lost, nothing is there twice, nothing is left over, and every byte is that of a calm run."""
    assert reader.verify(folder) == []
    rows = [
        (track, variant)
        for split in reader.SPLITS
        for batch in reader.stream(folder, split)
        for track, variant in zip(batch.column("track").to_pylist(), batch.column("variant").to_pylist(), strict=True)
    ]
    assert sorted(rows) == sorted((each.track, v) for each in catalogue(edition) for v in range(VARIANTS))
    assert contents(folder) == contents(calm)


def times(passed: int) -> list[int]:
    """The first time, the last, and two between."""
    return sorted({1, passed // 3, 2 * passed // 3, passed} - {0})


def test_a_calm_run_comes_by_every_point(runs: Runs, calm: dict[int, Path], tmp_path: Path) -> None:
    shutil.copytree(calm[1], tmp_path / "dataset")
    passed = runs.run(tmp_path / "dataset", 2)
    assert set(passed) == set(POINTS)
    assert sum(len(times(count)) for count in passed.values()) >= 50
    check(tmp_path / "dataset", calm[2], 2)


@pytest.mark.parametrize("start", ["nothing", "an older dataset"])
def test_after_a_kill_at_any_point_the_next_run_ends_as_if_nothing_had_been(
    runs: Runs, calm: dict[int, Path], tmp_path: Path, start: str
) -> None:
    def begin(name: str) -> Path:
        if start != "nothing":
            shutil.copytree(calm[1], tmp_path / name)
        return tmp_path / name

    passed = runs.run(begin("undisturbed"), 2)
    for point in sorted(passed):
        for number in times(passed[point]):
            folder = begin(f"{point} {number}")
            runs.run(folder, 2, point, number)
            runs.run(folder, 2)
            check(folder, calm[2], 2)


def test_after_several_kills_in_a_row_as_well(runs: Runs, calm: dict[int, Path], tmp_path: Path) -> None:
    draw = random.Random(4)
    early = [point for point in POINTS if point in {"read", "decode", "rows", "write", "sync", "before ledger"}]
    for index in range(10):
        folder = tmp_path / str(index)
        shutil.copytree(calm[1], folder)
        for _ in range(2):
            runs.run(folder, 2, draw.choice(early), 1)
        runs.run(folder, 2, draw.choice(["before move", "after move", "before manifest", "after discard"]))
        runs.run(folder, 2)
        check(folder, calm[2], 2)


if __name__ == "__main__":
    serve()
