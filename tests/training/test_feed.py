"""Batches come in order, ahead of time, from no more pieces in memory than two blocks have."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from musegen.context import contexts
from musegen.errors import BadInput
from musegen.training import InMemory, Piece, ShardSource, TrainingSettings, World
from musegen.training.batches import IGNORED, Window, Windows, room_of, row_of
from musegen.training.feed import Feed, MicroBatch
from musegen.training.order import Order, Position
from tests.training.runs import MODEL, STREAMED, VOCABULARY, dataset, pieces, run

ROOM = room_of(MODEL.window, VOCABULARY)


class Watched:
    """A source in groups of three pieces that notes what is read, and may be slow or fail."""

    def __init__(self, count: int = 24, seconds: float = 0.0, damaged: int = -1) -> None:
        self._pieces, self._seconds, self._damaged = pieces(count, 1), seconds, damaged
        self.reads: list[int] = []

    @property
    def lengths(self) -> list[NDArray[np.int64]]:
        sizes = np.array([len(piece.tokens) + 1 for piece in self._pieces])
        return np.split(sizes, range(3, len(sizes), 3))

    def read(self, group: int) -> list[Piece]:
        self.reads.append(group)
        time.sleep(self._seconds)
        if group == self._damaged:
            raise BadInput("a shard: its content is not what was committed; prepare again", "damaged")
        return self._pieces[3 * group : 3 * group + 3]


def feed_of(
    source: object, settings: TrainingSettings = STREAMED, world: World | None = None, at: Position | None = None
) -> Feed:
    order = Order(source.lengths, ROOM, settings)
    return Feed(source, order, VOCABULARY, world or World(), at or Position())


def steps(feed: Feed, count: int) -> Iterator[list[MicroBatch]]:
    for _ in range(count):
        yield list(feed.step())


def test_prefetching_never_reorders() -> None:
    slow, quick = Watched(seconds=0.002), Watched()
    with feed_of(slow) as one, feed_of(quick) as other:
        for mine, theirs in zip(steps(one, 25), steps(other, 25), strict=True):
            assert [each.number for each in mine] == list(range(len(mine)))
            assert [each.position for each in mine] == [each.position for each in theirs]
            for first, second in zip(mine, theirs, strict=True):
                assert torch.equal(first.batch.ids, second.batch.ids)


def test_a_batch_holds_the_windows_that_the_order_says() -> None:
    source = InMemory(pieces(5, 1))
    with feed_of(source, STREAMED.model_copy(update={"micro_batch": 4, "forget": 0.0})) as feed:
        each = next(feed.step())
    windows = [
        Window(int(row["piece"]), *(int(row[name]) for name in ("start", "stop", "start"))) for row in each.windows
    ]
    expected = Windows(source.read(0), VOCABULARY, MODEL.window).batch(windows)
    assert torch.equal(each.batch.ids, expected.ids)
    assert torch.equal(each.batch.contexts, expected.contexts)
    assert torch.equal(each.batch.targets, expected.targets)


def test_a_window_s_contexts_are_those_that_the_whole_piece_gives() -> None:
    piece = pieces(1, 1, notes=200)[0]
    sequence = VOCABULARY.sequence(piece.tokens, piece.conditions)
    whole = contexts(VOCABULARY, sequence, piece.conditions.bars)
    for start in (0, 17, len(piece.tokens) - 40):
        _, context, _ = row_of(VOCABULARY, piece, Window(0, start, start + 40, start))
        np.testing.assert_array_equal(context[6:], whole[6 + start : 6 + start + 39])


def test_targets_are_counted_over_the_whole_global_batch() -> None:
    with feed_of(Watched()) as feed:
        for parts in steps(feed, 10):
            assert {each.targets for each in parts} == {sum(int((e.batch.targets != IGNORED).sum()) for e in parts)}


@pytest.mark.parametrize("size", [2, 3, 4, 7])
def test_workers_share_out_a_batch_and_keep_each_other_company(size: int) -> None:
    whole = feed_of(Watched())
    parts = [feed_of(Watched(), world=World(rank, size)) for rank in range(size)]
    for alone, *together in zip(*(steps(feed, 10) for feed in (whole, *parts)), strict=True):
        assert len({len(mine) for mine in together}) == 1
        shared = sorted((each for mine in together for each in mine), key=lambda each: each.number)
        worked = [each for each in shared if len(each.windows)]
        assert [each.windows.tobytes() for each in worked] == [each.windows.tobytes() for each in alone]
        company = [each for each in shared if not len(each.windows)]
        assert all((each.batch.targets == IGNORED).all() for each in company)
        assert {each.targets for each in shared} == {alone[0].targets}
    for feed in (whole, *parts):
        feed.close()


def test_no_more_than_two_blocks_are_held() -> None:
    source = Watched()
    settings = STREAMED.model_copy(update={"shuffle_pieces": 3})
    with feed_of(source, settings) as feed:
        for _ in steps(feed, 20):
            assert len(feed._shelf._groups) <= 2
    assert len(source.reads) > 8  # in the second epoch they are read again


def test_a_small_dataset_is_read_once() -> None:
    source = Watched()
    with feed_of(source, STREAMED.model_copy(update={"shuffle_pieces": 1000})) as feed:
        assert len(list(steps(feed, 40))) == 40
        assert next(feed.step()).position.epoch >= 2
    assert sorted(source.reads) == list(range(8))


def test_a_run_that_goes_on_in_mid_epoch_reads_nothing_that_it_does_not_need() -> None:
    settings = STREAMED.model_copy(update={"shuffle_pieces": 3})
    source = Watched()
    order = Order(source.lengths, ROOM, settings)
    with feed_of(source, settings, at=Position(0, order.batches - 1)) as feed:
        list(feed.step())
    assert len(source.reads) <= 5


def test_what_is_wrong_with_the_source_is_raised_where_it_is_needed() -> None:
    with feed_of(Watched(damaged=4)) as feed, pytest.raises(BadInput, match="prepare again"):
        list(steps(feed, 20))


def test_a_feed_that_is_closed_leaves_no_threads() -> None:
    before = threading.active_count()
    with feed_of(Watched()) as feed:
        list(feed.step())
        assert threading.active_count() > before
    assert threading.active_count() == before


def test_a_feed_that_is_closed_does_not_wait_for_reads_that_nobody_needs() -> None:
    source = Watched(seconds=0.2)
    feed = feed_of(source, STREAMED.model_copy(update={"shuffle_pieces": 1000}))
    began = time.monotonic()
    feed.close()
    assert time.monotonic() - began < 0.6
    assert len(source.reads) <= 2


def test_the_trainer_s_wait_is_measured() -> None:
    with feed_of(Watched(seconds=0.05)) as feed:
        list(feed.step())
        assert feed.waited_seconds > 0.05
        before = feed.waited_seconds
        time.sleep(0.3)
        next(feed.step())
        assert feed.waited_seconds - before < 0.05


def test_shards_are_learnt_from_as_a_list_in_memory_is(tmp_path: Path) -> None:
    source = ShardSource(dataset(tmp_path), "train")
    assert len(source.lengths) > 6
    read = [piece for group in range(len(source.lengths)) for piece in source.read(group)]
    assert [len(piece.tokens) + 1 for piece in read] == np.concatenate(source.lengths).tolist()
    expected = {piece.tokens.tobytes(): piece.conditions for piece in pieces(24, 1)}
    assert {piece.tokens.tobytes(): piece.conditions for piece in read} == expected


def test_a_shard_that_is_damaged_before_training_is_refused(tmp_path: Path) -> None:
    shard = next(dataset(tmp_path / "data").rglob("*.parquet"))
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    with pytest.raises(BadInput, match="not what was committed"):
        ShardSource(tmp_path / "data", "train")


def test_a_shard_that_is_damaged_during_training_ends_it_with_words(tmp_path: Path) -> None:
    source = ShardSource(dataset(tmp_path / "data"), "train")
    for shard in (tmp_path / "data").rglob("*.parquet"):
        content = bytearray(shard.read_bytes())
        for place in range(100, len(content) - 4000, 50):
            content[place] ^= 0xFF
        with shard.open("r+b") as file:
            file.write(content)
    with pytest.raises(BadInput, match="can't be read"):
        run(tmp_path / "run", STREAMED, source=source)
