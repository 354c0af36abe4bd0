"""The order of an epoch: a pseudo-random permutation that is computed index by index and never held in memory.

Every index is cut into two digits of a mixed base a x b, just large enough for the streams, and goes through a Feistel
network whose round function is the finaliser of splitmix64 (Steele et al., 2014). An index that leaves the range walks
on until it is back in it (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002), which is rare.

All epochs together form one endless sequence, and a reader's state is a place in it:

    epoch      0                     1                     2
    sequence   |.....................|.....................|......
                          ^ (seed, epoch 0, position 11): everything before it has been given out
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import msgspec

from soundflow_data.dice import derive_seed
from soundflow_data.errors import SoundFlowError

_ROUNDS: Final = 8
_MASK: Final = (1 << 64) - 1


class ReaderState(msgspec.Struct, frozen=True, kw_only=True):
    """Where a reader goes on.

    Attributes:
        seed: Of all orders.
        epoch: Which pass over the streams, from 0.
        position: Number of streams of this pass that have been given out, by all ranks and workers together.
    """

    seed: int = 0
    epoch: int = 0
    position: int = 0


class Permutation:
    """A pseudo-random order of `range(size)`.

    Args:
        size: Number of items.
        identity: What the order belongs to, such as (seed, epoch).
    """

    __slots__ = ("_base", "_heights", "_keys", "_size")

    def __init__(self, size: int, *identity: int) -> None:
        self._size = size
        self._base = max(1, math.isqrt(max(size - 1, 0)) + 1)
        self._heights = max(1, -(-size // self._base))
        self._keys = [derive_seed(*identity, "order", i) for i in range(_ROUNDS)]

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, position: int) -> int:
        """Returns the item at a position of the order."""
        if not 0 <= position < self._size:
            raise IndexError(f"position {position} of {self._size}")
        item = self._mix(position)
        while item >= self._size:
            item = self._mix(item)
        return item

    def _mix(self, item: int) -> int:
        high, low = divmod(item, self._base)
        keys = iter(self._keys)
        for key in keys:
            high = (high + _scramble(low ^ key)) % self._heights
            low = (low + _scramble(high ^ next(keys))) % self._base
        return high * self._base + low


def _scramble(value: int) -> int:
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """The share of one worker of one rank.

    Attributes:
        rank: Which training process, of `world_size`.
        world_size: Number of training processes.
        worker: Which loading worker of the rank, of `num_workers`.
        num_workers: Number of loading workers of each rank.
        batch_size: Streams that a worker hands over at once.
    """

    rank: int = 0
    world_size: int = 1
    worker: int = 0
    num_workers: int = 1
    batch_size: int = 1

    def check(self) -> None:
        """Raises SoundFlowError where the numbers contradict each other."""
        if not (0 <= self.rank < self.world_size and 0 <= self.worker < self.num_workers and self.batch_size >= 1):
            raise SoundFlowError(
                f"rank {self.rank} of {self.world_size}, worker {self.worker} of {self.num_workers}, batches of "
                f"{self.batch_size}: ranks and workers count from 0, and a batch has at least 1 stream"
            )


def advance(state: ReaderState, count: int, size: int) -> ReaderState:
    """Returns the state after `count` more streams (of all ranks together) of a corpus of `size` streams."""
    epoch, position = divmod(state.epoch * size + state.position + count, size)
    return ReaderState(seed=state.seed, epoch=epoch, position=position)


def walk(
    state: ReaderState, size: int, lane: Lane, *, shuffle: bool = True, num_epochs: int | None = 1
) -> Iterator[tuple[ReaderState, int]]:
    """Yields the items of one lane, each with the state to go on from.

    Batch b of a rank holds the places `(b * world_size + rank) * batch_size + [0, batch_size)` after the state's own,
    and worker `b % num_workers` makes it: in the order in which a PyTorch DataLoader collects its workers' batches, all
    ranks together take one stretch of the sequence after another. So the state needs to know of no rank and no worker.

    Args:
        state: Where to go on.
        size: Number of items.
        lane: Whose share.
        shuffle: Whether epochs are permuted.
        num_epochs: Ends so many epochs after the start of the state's own; None goes on for ever.

    Raises:
        SoundFlowError: The state or the lane cannot be.
    """
    lane.check()
    if not (0 <= state.position <= size and state.epoch >= 0) or size < 1:
        raise SoundFlowError(
            f"epoch {state.epoch}, position {state.position} is no place in {size} streams; the state belongs to "
            "another run directory or filter"
        )
    begin = state.epoch * size + state.position
    end = None if num_epochs is None else (state.epoch + num_epochs) * size
    stretch = lane.world_size * lane.batch_size
    shuffled: dict[int, Permutation] = {}  # of the present epoch alone
    batch = lane.worker
    while True:
        first = begin + batch * stretch + lane.rank * lane.batch_size
        if end is not None and first >= end:
            return
        after = begin + (batch + 1) * stretch
        epoch, position = divmod(after if end is None else min(after, end), size)
        reached = ReaderState(seed=state.seed, epoch=epoch, position=position)
        for place in range(first, first + lane.batch_size):
            if end is not None and place >= end:
                return
            epoch, position = divmod(place, size)
            if shuffle and epoch not in shuffled:
                shuffled = {epoch: Permutation(size, state.seed, epoch)}
            yield reached, shuffled[epoch][position] if shuffle else position
        batch += lane.num_workers
