"""The order of the data: arithmetic that only the seed, the groups and the global batch enter."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from musegen.training import TrainingSettings
from musegen.training.order import Epoch, Order, Position, cut, window_counts

ROOM = 7
LENGTHS = st.lists(st.lists(st.integers(1, 40), min_size=1, max_size=6), min_size=1, max_size=6)


def order_of(lengths: list[list[int]], global_batch: int = 4, shuffle_pieces: int = 5, seed: int = 0) -> Order:
    settings = TrainingSettings(global_batch=global_batch, shuffle_pieces=shuffle_pieces, seed=seed)
    return Order([np.array(each) for each in lengths], ROOM, settings)


def batches(order: Order, number: int = 0) -> list[list[tuple[int, ...]]]:
    epoch = Epoch(order, number)
    names = ["group", "piece", "start", "stop"]
    return [epoch.batch(batch)[names].tolist() for batch in range(order.batches)]


@given(st.lists(st.integers(1, 60), min_size=1, max_size=8), st.integers(0, 9))
def test_windows_are_full_reach_both_edges_and_are_as_few_as_can_cover_a_piece(lengths: list[int], seed: int) -> None:
    windows = cut(np.array(lengths), ROOM, np.random.default_rng(seed))
    assert len(windows) == window_counts(np.array(lengths), ROOM).sum()
    for piece, length in enumerate(lengths):
        mine = windows[windows["piece"] == piece]
        assert mine["start"][0] == 0
        assert mine["stop"][-1] == length
        assert (np.diff(mine["start"]) >= 0).all()
        assert (mine["stop"] - mine["start"] == min(ROOM, length)).all()


@given(LENGTHS, st.integers(1, 12), st.integers(1, 12))
def test_an_epoch_takes_no_window_twice_and_leaves_less_than_a_batch(
    lengths: list[list[int]], global_batch: int, shuffle_pieces: int
) -> None:
    order = order_of(lengths, global_batch, shuffle_pieces)
    seen = [window for batch in batches(order) for window in batch]
    assert {len(batch) for batch in batches(order)} == {order.batch_size}
    assert len(set(seen)) == len(seen) == order.batches * order.batch_size
    assert order.windows - len(seen) < order.batch_size


@given(LENGTHS, st.integers(1, 12), st.integers(1, 12))
def test_a_block_has_at_least_so_many_pieces_and_all_blocks_have_every_group_once(
    lengths: list[list[int]], global_batch: int, shuffle_pieces: int
) -> None:
    order = order_of(lengths, global_batch, shuffle_pieces)
    blocks = Epoch(order, 0).blocks
    assert sorted(group for block in blocks for group in block) == list(range(len(lengths)))
    sizes = [sum(len(lengths[group]) for group in block) for block in blocks]
    assert min(sizes) >= min(shuffle_pieces, sum(len(each) for each in lengths))


@given(LENGTHS, st.integers(1, 12), st.data())
def test_a_batch_is_the_same_wherever_one_begins(
    lengths: list[list[int]], global_batch: int, data: st.DataObject
) -> None:
    order = order_of(lengths, global_batch)
    number = data.draw(st.integers(0, order.batches - 1))
    fresh = Epoch(order, 0)
    assert fresh.batch(number)[["group", "piece", "start", "stop"]].tolist() == batches(order)[number]


def test_what_is_left_of_a_block_flows_into_the_next_one() -> None:
    order = order_of([[ROOM] * 3] * 4, global_batch=2, shuffle_pieces=3)
    epoch = Epoch(order, 0)
    groups = [[group for group, *_ in batch] for batch in batches(order)]
    first, second = epoch.blocks[0][0], epoch.blocks[1][0]
    assert groups[:3] == [[first, first], [first, second], [second, second]]
    assert epoch.touched(1) == range(2)


def test_every_epoch_has_an_order_of_its_own_and_so_has_every_seed() -> None:
    lengths = [[30] * 4] * 3
    assert batches(order_of(lengths), 0) != batches(order_of(lengths), 1)
    assert batches(order_of(lengths), 0) != batches(order_of(lengths, seed=1), 0)


def test_behind_the_last_batch_of_an_epoch_the_next_epoch_begins() -> None:
    order = order_of([[ROOM] * 9])
    assert (order.batches, order.micro_batches) == (2, 1)
    assert [order.after(Position(3, batch)) for batch in (0, 1)] == [Position(3, 1), Position(4, 0)]


def test_fewer_windows_than_a_batch_are_one_batch() -> None:
    order = order_of([[ROOM] * 3], global_batch=100)
    assert (order.batch_size, order.batches) == (3, 1)


def test_conditions_are_hidden_as_often_as_asked() -> None:
    settings = TrainingSettings(global_batch=5000, forget=0.25)
    hidden = Epoch(Order([np.full(5000, ROOM)], ROOM, settings), 0).batch(0)["hidden"]
    assert hidden.mean(axis=0) == pytest.approx([0.25] * 3, abs=0.03)


def test_passages_name_pieces_by_their_place_in_the_whole_source() -> None:
    order = order_of([[ROOM] * 3, [ROOM] * 2], global_batch=5)
    pieces = [piece for _, piece, _, _ in order.passages(4, Epoch(order, 4).batch(0))]
    assert sorted(pieces) == [0, 1, 2, 3, 4]
