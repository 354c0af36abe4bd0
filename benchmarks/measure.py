"""Times things against each other on a machine that other people use too.

Numbers of such a machine drift by a third within a minute, so nothing here is compared across runs. In every round all
cases run one after the other, in turns forwards and backwards, and what counts is the median over the rounds of the
ratio of two cases of the same round:

    round 0    A  B  C          ratio A/B of round 0
    round 1    C  B  A          ratio A/B of round 1       ->  median
    round 2    A  B  C          ratio A/B of round 2

Wall time is what a user waits; CPU time of this process does not see the neighbours. Both are kept.
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

Case = Callable[[], object]


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """How long something took: on the clock, and on the processor (this process, all threads, kernel included)."""

    wall_s: float
    cpu_s: float


Timings = dict[str, list[Timing]]


class Ratio(msgspec.Struct, frozen=True, kw_only=True):
    """Median ratio of the times of two cases, by either clock."""

    wall: float
    cpu: float


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What `interleave` found, round by round but for the first.

    Attributes:
        timings: How long each case took.
        values: What it returned.
    """

    timings: Timings
    values: dict[str, list[Any]]


def interleave(rounds: Iterable[Mapping[str, Case]]) -> Measured:
    """Times every case of every round; the first round only warms up.

    Args:
        rounds: Gives the cases of each round, the same names in each; what it does to prepare a round is not timed.
    """
    timings: Timings = defaultdict(list)
    values: dict[str, list[Any]] = defaultdict(list)
    for number, cases in enumerate(rounds):
        for name in list(cases)[:: 1 if number % 2 else -1]:
            wall, cpu = time.perf_counter(), time.process_time()
            value = cases[name]()
            timing = Timing(wall_s=time.perf_counter() - wall, cpu_s=time.process_time() - cpu)
            if number:
                timings[name].append(timing)
                values[name].append(value)
    return Measured(timings=dict(timings), values=dict(values))


def ratio(above: Sequence[Timing], below: Sequence[Timing]) -> Ratio:
    """Returns the median over rounds of the time of one case divided by that of another."""
    pairs = list(zip(above, below, strict=True))
    return Ratio(
        wall=statistics.median(a.wall_s / b.wall_s for a, b in pairs),
        cpu=statistics.median(a.cpu_s / max(b.cpu_s, 1e-9) for a, b in pairs),
    )


def median(timings: Sequence[Timing]) -> Timing:
    """Returns the median by either clock."""
    return Timing(
        wall_s=statistics.median(timing.wall_s for timing in timings),
        cpu_s=statistics.median(timing.cpu_s for timing in timings),
    )


class Laps:
    """Divides one run into parts: each `lap` gives the time since the last one to a part."""

    def __init__(self) -> None:
        self._parts: dict[str, tuple[float, float]] = {}
        self.skip()

    def skip(self) -> None:
        """Gives the time since the last lap to nobody."""
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def lap(self, part: str) -> None:
        """Gives the time since the last lap to a part."""
        wall, cpu = time.perf_counter(), time.process_time()
        before = self._parts.get(part, (0.0, 0.0))
        self._parts[part] = (before[0] + wall - self._wall, before[1] + cpu - self._cpu)
        self._wall, self._cpu = wall, cpu

    def parts(self) -> dict[str, Timing]:
        """Returns the sum of the laps of each part."""
        return {part: Timing(wall_s=wall, cpu_s=cpu) for part, (wall, cpu) in self._parts.items()}
