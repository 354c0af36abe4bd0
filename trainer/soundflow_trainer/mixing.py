"""Weighted mixes: every group of streams gets its share of each epoch, and a run still stands at three integers.

An epoch has as many places as there are streams. Each group gets a number of them by its weight, its quota:

    slots      | asr asr asr asr asr asr | warn warn | rest rest rest |      quotas 6, 2, 3 of 11
    places     the slots of an epoch in pseudo-random order

Slot j of a group in epoch e is the group's draw number e * quota + j, and draws go through the group's streams in one
pseudo-random pass after another. So a group with more places than streams repeats some within an epoch, one with fewer
goes through all of its streams in several epochs, and what stands at a place follows from (seed, epoch, position)
alone.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from soundflow_data.shards.order import Lane, Permutation, ReaderState, advance
from soundflow_data.shards.reader import StreamReader
from soundflow_trainer.loading import Source, StreamLike

REST: Final = "rest"


class MixedSource:
    """Several sources as one, in which each has the share of its weight.

    Args:
        sources: The groups.
        weights: Of each; only their ratios matter.
    """

    def __init__(self, sources: Sequence[Source], weights: Sequence[float]) -> None:
        self._sources = list(sources)
        self._starts = list(itertools.accumulate((len(source) for source in sources), initial=0))
        self.quotas = share_out(self._starts[-1], weights)
        self._first_slots = list(itertools.accumulate(self.quotas, initial=0))

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, index: int) -> StreamLike:
        """Returns a stream; the groups follow one another."""
        group = self._group(index, self._starts)
        return self._sources[group][index - self._starts[group]]

    def order(
        self, state: ReaderState | None = None, *, rank: int = 0, world_size: int = 1, num_epochs: int | None = 1
    ) -> MixedOrder:
        """Returns the indices that one rank reads, from a state on; as `StreamReader.order`."""
        Lane(rank=rank, world_size=world_size).check()
        return MixedOrder(self, state or ReaderState(), rank, world_size, num_epochs)

    def advance(self, state: ReaderState, count: int) -> ReaderState:
        """Returns the state after `count` more places, of all ranks together."""
        return advance(state, count, len(self))

    def draw(self, seed: int, epoch: int, slot: int) -> int:
        """Returns the index of the stream that stands in a slot of an epoch."""
        group = self._group(slot, self._first_slots)
        size = len(self._sources[group])
        number = epoch * self.quotas[group] + slot - self._first_slots[group]
        turn, position = divmod(number, size)
        return self._starts[group] + Permutation(size, seed, group, turn, -1)[position]

    @staticmethod
    def _group(index: int, starts: Sequence[int]) -> int:
        return next(g for g in range(len(starts) - 1) if index < starts[g + 1])


class MixedOrder:
    """A sampler over a mix; see `MixedSource.order`."""

    def __init__(
        self, source: MixedSource, state: ReaderState, rank: int, world_size: int, num_epochs: int | None
    ) -> None:
        self._source = source
        self._state = state
        self._rank = rank
        self._world_size = world_size
        self._num_epochs = num_epochs

    def __iter__(self) -> Iterator[int]:
        size, state = len(self._source), self._state
        begin = state.epoch * size + state.position + self._rank
        end = None if self._num_epochs is None else (state.epoch + self._num_epochs) * size
        shuffled: dict[int, Permutation] = {}  # of the present epoch alone
        for place in itertools.count(begin, self._world_size):
            if end is not None and place >= end:
                return
            epoch, position = divmod(place, size)
            if epoch not in shuffled:
                shuffled = {epoch: Permutation(size, state.seed, epoch)}
            yield self._source.draw(state.seed, epoch, shuffled[epoch][position])


def share_out(places: int, weights: Sequence[float]) -> list[int]:
    """Divides places by weight: each gets the whole part of its share, the largest remainders get what is left."""
    total = sum(weights)
    shares = [places * weight / total for weight in weights]
    quotas = [int(share) for share in shares]
    by_remainder = sorted(range(len(weights)), key=lambda g: (quotas[g] - shares[g], g))
    for g in by_remainder[: places - sum(quotas)]:
        quotas[g] += 1
    return quotas


def open_mix(root: Path, mix: Mapping[str, float], *, split: str, where: str | None) -> MixedSource:
    """Opens a run directory as a mix.

    Args:
        root: The run directory.
        mix: Weights by name: an ability, a sub-task as `ability/subtask`, or `rest` for all that no other name takes. A
            sub-task that is named does not count in its ability; what has no weight is left out.
        split: Which split.
        where: Any SQL condition on the streams table.

    Raises:
        RunError: No stream belongs to a name; the message says what there is.
    """
    conditions = _conditions(mix)
    readers = [StreamReader(root, split=split, where=_both(where, conditions[name])) for name in mix]
    return MixedSource(readers, list(mix.values()))


def _conditions(mix: Mapping[str, float]) -> dict[str, str]:
    subtasks = {name: name.split("/", 1) for name in mix if "/" in name}
    exact = {name: f"(ability = {_quote(a)} AND subtask = {_quote(s)})" for name, (a, s) in subtasks.items()}
    abilities = {}
    for name in mix:
        if name not in exact and name != REST:
            named = [condition for one, condition in exact.items() if subtasks[one][0] == name]
            abilities[name] = " AND ".join([f"ability = {_quote(name)}", *(f"NOT {one}" for one in named)])
    taken = [*exact.values(), *(f"ability = {_quote(name)}" for name in abilities)]
    rest = {REST: " AND ".join(f"NOT ({one})" for one in taken) or "true"} if REST in mix else {}
    return exact | abilities | rest


def _both(where: str | None, condition: str) -> str:
    return condition if where is None else f"({where}) AND ({condition})"


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
