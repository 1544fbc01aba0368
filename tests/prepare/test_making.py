"""A shard holds the same bytes however its rows came about, and a track that can't be made never ends the others."""

import errno
import logging
import os
import pickle
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from musegen.catalogue import CatalogueRow
from musegen.clock import Clock
from musegen.errors import BadInput, BadParams, Unavailable
from musegen.prepare import committed, making
from musegen.prepare.making import Costs, Lasting, Made, make_shard
from musegen.prepare.plan import ShardPlan, plan, stale
from musegen.prepare.recipe import ShardSettings
from musegen.shards import manifest, reader
from musegen.shards.ledger import TRIES, Ledger
from musegen.shards.manifest import STAGING, Manifest
from musegen.shards.store import RemoteStore, Store

SCHEMA = pa.schema(
    [
        pa.field("track", pa.string(), nullable=False),
        pa.field("variant", pa.int32(), nullable=False),
        pa.field("fingerprint", pa.string(), nullable=False),
        pa.field("seconds", pa.float64(), nullable=False),
        pa.field("values", pa.list_(pa.field("element", pa.uint8(), nullable=False)), nullable=False),
        pa.field("features", pa.binary(), nullable=False),
    ]
)


def row(number: int, edition: int = 0, split: str = "train") -> CatalogueRow:
    """A track of the catalogue; another edition has other labels."""
    known: dict[str, Any] = {
        "track": f"{np.random.default_rng(number).integers(1 << 32):08x}{number:024x}", "name": f"jig/{number}",
        "layout": "folder", "group": str(number), "grouped_by": "", "split": split, "files": "{}",
        "labels_sha256": str(edition), "seconds": 2.0, "sources": "{}", "composes": "", "misfits": "[]",
        "warnings": "[]",
    }  # fmt: skip
    return CatalogueRow(**{each.name: known.get(each.name) for each in fields(CatalogueRow)})


@dataclass(frozen=True)
class Toy:
    """Rows of noise, drawn by content; `trouble` says what happens in the middle of a track, by its name."""

    shards: ShardSettings = field(default_factory=lambda: ShardSettings(shards=2))
    trouble: Mapping[str, BaseException] = field(default_factory=dict)
    variants: int = 3
    made: list[str] = field(default_factory=list)
    name = "toy"
    schema = SCHEMA

    def wants(self, row: CatalogueRow) -> bool:
        return True

    def bytes_of(self, row: CatalogueRow) -> float:
        return 1.0

    def fingerprint(self, row: CatalogueRow, mates: Sequence[CatalogueRow]) -> str:
        return row.fingerprint()

    def totals(self, table: pa.Table) -> Mapping[str, float]:
        return {"seconds": float(sum(table.column("seconds").to_pylist()))}

    def tables(self, row: CatalogueRow, mates: Sequence[CatalogueRow], clock: Clock) -> Iterator[pa.Table]:
        assert any(mate is row for mate in mates)
        self.made.append(row.name)
        for variant in range(self.variants):
            if variant == 1 and row.name in self.trouble:
                raise self.trouble[row.name]
            with clock.step("draw"):
                random = np.random.default_rng([int(row.track, 16), int(row.labels_sha256), variant])
                values = random.integers(0, 9, random.integers(0, 50)).astype(np.uint8)
            cells = [row.track, variant, row.fingerprint(), row.seconds, values, values.tobytes()]
            yield pa.table([[cell] for cell in cells], schema=SCHEMA)


def bring(folder: Path | Store, rows: Sequence[CatalogueRow], recipe: Toy) -> Costs:
    """What `make_dataset` does, here."""
    try:
        before = manifest.load(folder)
    except BadInput:
        before = None
    plans = plan(rows, recipe)
    made = [make_shard(each, recipe, folder, before) for each in stale(plans, before, folder)]
    entries = {shard.path: shard for shard in before.shards} if before else {}
    entries |= {each.entry.path: each.entry for each in made}
    manifest.commit(folder, Manifest(tuple(entries[each.path] for each in plans)))
    return sum((each.costs for each in made), Costs())


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def tracks(folder: Path, split: str = "train") -> list[str]:
    return [track for batch in reader.stream(folder, split) for track in batch.column("track").to_pylist()]


def one_shard(*rows: CatalogueRow, recipe: Toy) -> ShardPlan:
    (only,) = plan(rows, replace(recipe, shards=ShardSettings(shards=1)))
    return only


def rejects(folder: Path, *rows: CatalogueRow, recipe: Toy) -> list[tuple[str, str, str]]:
    made = make_shard(one_shard(*rows, recipe=recipe), recipe, folder, None)
    return [(reject.name, reject.reason, reject.detail) for reject in made.entry.rejects]


states = st.dictionaries(
    st.integers(0, 11), st.tuples(st.integers(0, 2), st.sampled_from(["train", "valid"])), min_size=1
)


@pytest.fixture(autouse=True)
def no_power_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is synced, which is most of the time that tiny shards take."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(states, st.integers(1, 5)), min_size=1, max_size=4))
def test_any_history_of_a_corpus_gives_the_bytes_of_its_end(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[dict[int, tuple[int, str]], int]]
) -> None:
    base = tmp_path_factory.mktemp("history")
    for state, shards in history:
        rows = [row(number, edition, split) for number, (edition, split) in state.items()]
        recipe = Toy(ShardSettings(shards=shards))
        bring(base / "grown", rows, recipe)
    bring(base / "at once", rows, Toy(ShardSettings(shards=shards)))
    assert contents(base / "grown") == contents(base / "at once")
    assert reader.verify(base / "grown") == []
    for split in ("train", "valid"):
        assert sorted(set(tracks(base / "grown", split))) == sorted(row.track for row in rows if row.split == split)


def test_only_what_is_new_is_made(tmp_path: Path) -> None:
    rows = [row(number) for number in range(12)]
    bring(tmp_path, rows, Toy())
    changed = [*rows[1:5], replace(rows[5], labels_sha256="1"), *rows[6:], row(99)]
    recipe = Toy()
    costs = bring(tmp_path, changed, recipe)
    assert sorted(recipe.made) == ["jig/5", "jig/99"]
    assert (costs.tracks_made, costs.rows, costs.rows_reused) == (2, 36, 30)
    assert costs.sound_seconds == 2 * 3 * 2.0
    assert costs.bytes_written == sum(shard.size_bytes for shard in manifest.load(tmp_path).shards)
    assert {"draw", "write", "reuse"} == set(costs.seconds)


def test_another_number_of_shards_makes_no_track_anew(tmp_path: Path) -> None:
    rows = [row(number) for number in range(20)]
    bring(tmp_path, rows, Toy(ShardSettings(shards=3)))
    for shards in (4, 1, 2):
        recipe = Toy(ShardSettings(shards=shards))
        costs = bring(tmp_path, rows, recipe)
        assert (recipe.made, costs.rows_reused, costs.tracks_made) == ([], 60, 0)


def test_in_a_bucket_lies_what_lies_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "bucket").mkdir()
    store = RemoteStore(pafs.LocalFileSystem(), f"{tmp_path}/bucket/toy", "s3://bucket/toy")
    for rows in ([row(number) for number in range(6)], [row(number, number % 2) for number in range(8)]):
        bring(tmp_path / "folder", rows, Toy())
        bring(store, rows, Toy())
    assert contents(tmp_path / "bucket" / "toy") == contents(tmp_path / "folder")


def test_from_a_damaged_or_missing_shard_nothing_is_taken_over(tmp_path: Path) -> None:
    rows = [row(number) for number in range(12)]
    bring(tmp_path, rows, Toy())
    before = contents(tmp_path)
    first, second = (tmp_path / shard.path for shard in manifest.load(tmp_path).shards)
    damaged = bytearray(first.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    first.write_bytes(bytes(damaged))
    second.unlink()
    recipe = Toy(ShardSettings(shards=1))
    bring(tmp_path, rows, recipe)
    assert len(recipe.made) == 12
    bring(tmp_path, rows, Toy())
    assert contents(tmp_path) == before


def test_a_staged_shard_is_not_made_again(tmp_path: Path) -> None:
    recipe = Toy()
    each = one_shard(row(1), row(2), recipe=recipe)
    first = make_shard(each, recipe, tmp_path, None)
    assert len(recipe.made) == 2
    assert make_shard(each, recipe, tmp_path, None) == Made(first.entry, Costs())
    assert len(recipe.made) == 2


@pytest.mark.parametrize(
    ("trouble", "reason", "words"),
    [
        (BadInput("it is cut off; export it again", "truncated"), "truncated", "it is cut off; export it again"),
        (MemoryError(), "too large", "memory"),
        (RuntimeError("odd\nthing"), "failed", "RuntimeError: odd thing"),
        (ValueError("/home/me/jig/1.mid is odd"), "failed", "ValueError: 1.mid is odd"),
        (ValueError("'/home/me/my jigs/1.mid' is odd"), "failed", "ValueError: '1.mid' is odd"),
        (ValueError("<object at 0x7f3a5c1b2d90> of 6/8"), "failed", "<object at 0x…> of 6/8"),
        (OSError("no such format"), "failed", "OSError: no such format"),
        (RecursionError("too deep"), "failed", "RecursionError: too deep"),
        (SystemExit(3), "failed", "SystemExit: 3"),
    ],
    ids=repr,
)
def test_a_track_that_cannot_be_made_is_a_reject_and_leaves_no_rows(
    tmp_path: Path, trouble: BaseException, reason: str, words: str
) -> None:
    recipe = Toy(trouble={"jig/1": trouble})
    rows = [row(number) for number in range(6)]
    ((name, told, detail),) = rejects(tmp_path, *rows, recipe=recipe)
    assert (name, told) == ("jig/1", reason)
    assert words in detail and "\n" not in detail
    bring(tmp_path, rows, recipe)
    assert sorted(set(tracks(tmp_path))) == sorted(each.track for each in rows if each.name != "jig/1")
    assert [each.name for each in manifest.load(tmp_path).rejects] == ["jig/1"]


def test_a_failure_is_logged_and_its_words_are_short(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recipe = Toy(trouble={"jig/1": RuntimeError("x" * 5000)})
    with caplog.at_level(logging.WARNING):
        ((_, _, detail),) = rejects(tmp_path, row(0), row(1), recipe=recipe)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert len(detail) <= 300


@pytest.mark.parametrize(
    ("trouble", "expected", "words"),
    [
        (BadInput("another file; survey again", "changed", Path("x")), BadInput, "survey again"),
        (FileNotFoundError(2, "No such file", "/home/me/jig/1.mid"), BadInput, "jig/1: .*survey again"),
        (OSError(5, "Input/output error"), Unavailable, "jig/1: .*run again"),
        (Unavailable("no disk"), Unavailable, "no disk"),
        (BadParams("no such thing"), BadParams, "no such thing"),
        (KeyboardInterrupt(), KeyboardInterrupt, "^$"),
    ],
    ids=repr,
)
def test_what_is_not_the_tracks_fault_ends_the_shard_and_leaves_nothing_but_an_innocent_ledger(
    tmp_path: Path, trouble: BaseException, expected: type[BaseException], words: str
) -> None:
    recipe = Toy(trouble={"jig/1": trouble})
    each = one_shard(*(row(number) for number in range(6)), recipe=recipe)
    with pytest.raises(expected, match=words) as caught:
        make_shard(each, recipe, tmp_path, None)
    if isinstance(caught.value, BadInput):
        assert caught.value.reason == "changed"
    assert list(contents(tmp_path)) == [f"{STAGING}/{each.path}.ledger"]
    assert dict(Ledger(tmp_path, each.path, each.fingerprint).blamed()) == {}


def test_if_nothing_can_be_made_it_is_no_files_fault(tmp_path: Path) -> None:
    trouble = {f"jig/{number}": TypeError(f"a mistake in {number}") for number in range(4)}
    with pytest.raises(TypeError, match="a mistake"):
        rejects(tmp_path, *(row(number) for number in range(4)), recipe=Toy(trouble=trouble))
    few = rejects(tmp_path, *(row(number) for number in range(3)), recipe=Toy(trouble=trouble))
    assert [reason for _, reason, _ in few] == ["failed"] * 3
    bad = {name: BadInput("cut off", "truncated") for name in trouble}
    assert len(rejects(tmp_path, *(row(number) for number in range(4)), recipe=Toy(trouble=bad))) == 4


def die_of(folder: Path, each: ShardPlan, track: str) -> None:
    Ledger(folder, each.path, each.fingerprint).begin(track)


def test_a_track_of_which_three_workers_died_is_a_reject_and_is_not_tried_again(tmp_path: Path) -> None:
    recipe = Toy()
    rows = [row(number) for number in range(6)]
    each = one_shard(*rows, recipe=recipe)
    for _ in range(TRIES):
        die_of(tmp_path, each, rows[3].track)
    (reject,) = make_shard(each, recipe, tmp_path, None).entry.rejects
    assert (reject.track, reject.name, reject.reason) == (rows[3].track, "jig/3", "crashes")
    assert sorted(recipe.made) == ["jig/0", "jig/1", "jig/2", "jig/4", "jig/5"]


def test_suspects_are_tried_before_all_others_and_then_are_not_made_twice(tmp_path: Path) -> None:
    rows = [row(number) for number in range(6)]
    calm = make_shard(one_shard(*rows, recipe=Toy()), Toy(), tmp_path / "calm", None)
    recipe = Toy()
    each = one_shard(*rows, recipe=recipe)
    last = max(rows, key=lambda row: row.track)
    die_of(tmp_path, each, last.track)
    made = make_shard(each, recipe, tmp_path, None)
    assert recipe.made[0] == last.name and len(recipe.made) == 6
    assert made.entry == calm.entry


def test_a_track_that_is_larger_than_memory_allows_waits_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row(number) for number in range(6)]
    calm = make_shard(one_shard(*rows, recipe=Toy()), Toy(), tmp_path / "calm", None)
    monkeypatch.setattr(making, "_IN_MEMORY_BYTES", 1)
    assert make_shard(one_shard(*rows, recipe=Toy()), Toy(), tmp_path, None).entry == calm.entry


def test_a_track_that_gives_no_rows_at_all_is_a_reject(tmp_path: Path) -> None:
    ((name, reason, words),) = rejects(tmp_path, row(1), recipe=Toy(variants=0))
    assert (name, reason) == ("jig/1", "empty")
    assert words.startswith("jig/1: ") and "export it again" in words


def test_what_is_known_not_to_be_made_is_not_tried_again_when_others_change(tmp_path: Path) -> None:
    rows = [row(number) for number in range(6)]
    trouble = {"jig/1": BadInput("cut off", "truncated"), "jig/2": RuntimeError("odd")}
    bring(tmp_path, rows, Toy(ShardSettings(shards=2), trouble))
    before = manifest.load(tmp_path).rejects
    recipe = Toy(ShardSettings(shards=1), trouble)
    bring(tmp_path, [*rows[:5], row(5, edition=1)], recipe)
    assert recipe.made == ["jig/5"]
    assert sorted(manifest.load(tmp_path).rejects, key=str) == sorted(before, key=str)
    repaired = Toy(ShardSettings(shards=1))
    bring(tmp_path, [row(0), row(1, edition=1), *rows[2:]], repaired)
    assert sorted(repaired.made) == ["jig/1", "jig/5"]
    assert [reject.name for reject in manifest.load(tmp_path).rejects] == ["jig/2"]


def test_crashes_that_are_known_kill_no_worker_again_unless_asked(tmp_path: Path) -> None:
    recipe, rows = Toy(), [row(number) for number in range(4)]
    each = one_shard(*rows, recipe=recipe)
    for _ in range(TRIES):
        die_of(tmp_path, each, rows[3].track)
    manifest.commit(tmp_path, Manifest((make_shard(each, recipe, tmp_path, None).entry,)))
    before = manifest.load(tmp_path)
    grown = one_shard(*rows, row(9), recipe=recipe)
    again = make_shard(grown, recipe, tmp_path, before)
    assert again.entry.rejects == before.rejects and "jig/3" not in recipe.made
    assert make_shard(grown, recipe, tmp_path, before) == Made(again.entry, Costs()), "it is staged"
    retried = make_shard(grown, recipe, tmp_path, before, mend=True)
    assert retried.entry.rejects == () and "jig/3" in recipe.made


def test_a_track_that_hung_is_told_from_one_that_crashed(tmp_path: Path) -> None:
    each = one_shard(row(0), row(1), recipe=Toy())
    for _ in range(TRIES):
        die_of(tmp_path, each, row(1).track)
        Ledger(tmp_path, each.path, each.fingerprint).stalled()
    (reject,) = make_shard(each, Toy(), tmp_path, None).entry.rejects
    assert (reject.name, reject.reason) == ("jig/1", "hangs") and "didn't go on" in reject.detail


def test_every_table_of_a_track_is_a_sign_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signs: list[int] = []
    go_on = Ledger.go_on
    monkeypatch.setattr(Ledger, "go_on", lambda ledger: (signs.append(1), go_on(ledger)))
    make_shard(one_shard(row(0), row(1), recipe=Toy()), Toy(), tmp_path, None)
    assert len(signs) == 2 * 3


def test_a_worker_says_that_it_is_there_before_anything_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    each = one_shard(row(0), recipe=Toy())

    def staged(*_: object) -> None:
        assert Ledger(tmp_path, each.path, each.fingerprint).look().attempt == 1

    monkeypatch.setattr(making.writer, "staged", staged)
    make_shard(each, Toy(), tmp_path, None)


def test_when_many_shards_become_one_few_of_them_are_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reading: weakref.WeakSet[reader.CommittedRows] = weakref.WeakSet()
    counts: list[int] = []

    class Watched(reader.CommittedRows):
        def tables(self, track: str) -> Iterator[pa.Table]:
            reading.add(self)
            counts.append(len(reading))
            return super().tables(track)

    rows = [row(number) for number in range(40)]
    bring(tmp_path / "grown", rows, Toy(ShardSettings(shards=16)))
    monkeypatch.setattr(committed, "CommittedRows", Watched)
    assert bring(tmp_path / "grown", rows, Toy(ShardSettings(shards=1))).tracks_made == 0
    assert max(counts) <= committed._SHARDS_HELD + 1 and len(counts) == 40
    bring(tmp_path / "at once", rows, Toy(ShardSettings(shards=1)))
    assert contents(tmp_path / "grown") == contents(tmp_path / "at once")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_what_does_not_pass_by_itself_is_told_apart_even_after_a_journey(tmp_path: Path, code: int) -> None:
    recipe = Toy(trouble={"jig/1": OSError(code, os.strerror(code))})
    with pytest.raises(Lasting, match="jig/1") as caught:
        rejects(tmp_path, row(0), row(1), recipe=recipe)
    there = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(there, Lasting) and str(there) == str(caught.value)


def test_what_may_pass_is_not_said_to_last(tmp_path: Path) -> None:
    recipe = Toy(trouble={"jig/1": OSError(errno.EIO, "Input/output error")})
    with pytest.raises(Unavailable) as caught:
        rejects(tmp_path, row(0), row(1), recipe=recipe)
    assert not isinstance(caught.value, Lasting)


def test_a_worker_with_other_code_than_the_run_is_told_so_and_adds_nothing(tmp_path: Path) -> None:
    recipe = Toy()
    each = one_shard(*(row(number) for number in range(6)), recipe=recipe)
    other = replace(each, tracks=tuple(replace(planned, fingerprint="of other code") for planned in each.tracks))
    with pytest.raises(Lasting, match="install the same everywhere"):
        make_shard(other, recipe, tmp_path, None)
    assert list(contents(tmp_path)) == [f"{STAGING}/{each.path}.ledger"]


def test_costs_add_up_and_travel() -> None:
    one = Costs(3, 1, 1, 2.0, 10, {"read": 1.0, "write": 2.0})
    both = one + Costs(4, 0, 2, 1.0, 5, {"decode": 1.0, "read": 0.5})
    assert both == Costs(7, 1, 3, 3.0, 15, {"read": 1.5, "write": 2.0, "decode": 1.0})
    assert pickle.loads(pickle.dumps(both)) == both
    assert one + Costs() == one
