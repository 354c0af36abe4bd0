import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soundflow_data.errors import SoundFlowError
from soundflow_data.shards.order import Lane, Permutation, ReaderState, advance, walk

SIZES = st.integers(1, 60)


@given(st.integers(1, 2_000), st.integers(0, 2**63), st.integers(0, 1_000))
def test_every_item_once(size: int, seed: int, epoch: int) -> None:
    order = Permutation(size, seed, epoch)
    assert sorted(order[i] for i in range(size)) == list(range(size))


def test_orders_differ_by_seed_and_epoch_and_look_random() -> None:
    size = 1_000
    orders = [[Permutation(size, seed, epoch)[i] for i in range(size)] for seed, epoch in ((0, 0), (0, 1), (1, 0))]
    for first, second in itertools.combinations(orders, 2):
        assert sum(a == b for a, b in zip(first, second, strict=True)) < 10  # one is expected
    steps = Counter((b - a) % size for a, b in itertools.pairwise(orders[0]))
    assert max(steps.values()) < 10  # neighbours do not stay neighbours
    assert abs(sum(orders[0][:500]) / 500 - 499.5) < 4 * 288.7 / 500**0.5 * 0.5**0.5


def test_each_item_comes_everywhere() -> None:
    """Over many epochs of four items all 24 orders occur, none of them much too often."""
    seen = Counter(tuple(Permutation(4, 7, epoch)[i] for i in range(4)) for epoch in range(2_400))
    assert len(seen) == 24
    assert max(seen.values()) < 200


def test_order_never_changes() -> None:
    assert [Permutation(10, 3, 1)[i] for i in range(10)] == GOLDEN


GOLDEN = [6, 9, 1, 8, 2, 3, 7, 4, 5, 0]


def test_a_large_order_needs_no_memory() -> None:
    order = Permutation(10**12, 1, 2)
    assert len({order[10**11 * i] for i in range(10)}) == 10
    with pytest.raises(IndexError):
        order[10**12]


def _consume(
    state: ReaderState, size: int, world_size: int, num_workers: int, batch_size: int, batches: int
) -> list[int]:
    """Takes whole batches as a training run does: every rank collects its workers' batches in turn."""
    taken: list[list[int]] = [[] for _ in range(batches * world_size)]
    for rank in range(world_size):
        workers = [
            walk(
                state,
                size,
                Lane(rank=rank, world_size=world_size, worker=worker, num_workers=num_workers, batch_size=batch_size),
                num_epochs=None,
            )
            for worker in range(num_workers)
        ]
        for batch in range(batches):
            for _ in range(batch_size):
                reached, item = next(workers[batch % num_workers])
                taken[batch * world_size + rank].append(item)
            assert reached == advance(state, (batch + 1) * world_size * batch_size, size)
    return list(itertools.chain.from_iterable(taken))


SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.integers(1, 6))


@given(SIZES, st.integers(0, 99), st.lists(SHAPES, min_size=1, max_size=4))
def test_resuming_with_other_ranks_and_workers_goes_on_with_the_same_sequence(
    size: int, seed: int, shapes: list[tuple[int, int, int, int]]
) -> None:
    state = ReaderState(seed=seed)
    taken: list[int] = []
    for world_size, num_workers, batch_size, batches in shapes:
        taken += _consume(state, size, world_size, num_workers, batch_size, batches)
        state = advance(state, world_size * batch_size * batches, size)
    alone = walk(ReaderState(seed=seed), size, Lane(), num_epochs=None)
    expected = [item for _, item in itertools.islice(alone, len(taken))]
    assert taken == expected
    epochs = -(-len(taken) // size)
    assert max(Counter(taken).values()) <= epochs


@given(SIZES, st.data())
def test_one_epoch_is_divided_without_loss(size: int, data: st.DataObject) -> None:
    world_size, num_workers, batch_size, _ = data.draw(SHAPES)
    position = data.draw(st.integers(0, size - 1))
    state = ReaderState(seed=1, position=position)
    items: list[int] = []
    for rank, worker in itertools.product(range(world_size), range(num_workers)):
        lane = Lane(rank=rank, world_size=world_size, worker=worker, num_workers=num_workers, batch_size=batch_size)
        walked = list(walk(state, size, lane))
        items += [item for _, item in walked]
        assert all((reached.epoch, reached.position) <= (1, 0) for reached, _ in walked)
    assert sorted(items) == sorted(Permutation(size, 1, 0)[i] for i in range(position, size))


def test_without_shuffling_items_come_in_order() -> None:
    walked = list(walk(ReaderState(position=2), 5, Lane(), shuffle=False, num_epochs=2))
    assert [item for _, item in walked] == [2, 3, 4, 0, 1, 2, 3, 4]
    assert walked[2][0] == ReaderState(epoch=1)
    assert walked[-1][0] == ReaderState(epoch=2)


@pytest.mark.parametrize(
    "lane",
    [
        Lane(rank=2, world_size=2),
        Lane(rank=-1),
        Lane(worker=1),
        Lane(batch_size=0),
    ],
)
def test_impossible_lanes(lane: Lane) -> None:
    with pytest.raises(SoundFlowError, match="ranks and workers count from 0"):
        next(walk(ReaderState(), 10, lane))


def test_state_of_other_data() -> None:
    with pytest.raises(SoundFlowError, match="position 11 is no place in 10 streams"):
        next(walk(ReaderState(position=11), 10, Lane()))
