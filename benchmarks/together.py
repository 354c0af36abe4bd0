"""Processes that start together and work for some time, each as fast as it can.

one process      [ ready ]|------------------|   items / s
two processes    [ ready ]|------------------|   items / s of the first
[ ready ]|------------------|   items / s of the second
^ all at once
"""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event, Semaphore
from typing import Final

import msgspec

from benchmarks.report import Goal, Row

PATIENCE_S: Final = 120.0

Work = Callable[[int, int], Iterator[object]]  # given which process of how many; can be pickled


class Speed(msgspec.Struct, frozen=True, kw_only=True):
    """Items per second of the clock, and per second of the processor; summed over processes."""

    wall: float
    cpu: float


Speeds = dict[int, list[Speed]]  # by number of processes


def speeds_together(work: Work, *, rounds: int, duration_s: float) -> Speeds:
    """Measures one process and two processes, in turns.

    Args:
        work: Makes the items of one process; the first one is not timed.
        rounds: How often.
        duration_s: How long each time.
    """
    speeds: Speeds = {1: [], 2: []}
    for _ in range(rounds):
        for count, found in speeds.items():
            found.append(_run(work, count, duration_s))
    return speeds


def rows_together(what: str, speeds: Speeds, scale: float, goal: Goal | None) -> list[Row]:
    """Returns the speeds and what the second process gains.

    Args:
        what: What was done.
        speeds: What `speeds_together` gave.
        scale: Seconds of audio in an item.
        goal: For the gain.
    """
    rows = [
        Row(
            what=f"{what}, processes: {count}",
            value=scale * statistics.median(speed.wall for speed in found),
            cpu=scale * statistics.median(speed.cpu for speed in found),
            unit="x real time",
        )
        for count, found in speeds.items()
    ]
    pairs = list(zip(speeds[1], speeds[2], strict=True))
    wall = statistics.median(two.wall / one.wall for one, two in pairs)
    cpu = statistics.median(two.cpu / one.cpu for one, two in pairs)
    return [*rows, Row(what=f"{what}, two over one", value=wall, cpu=cpu, unit="times", goal=goal)]


def _run(work: Work, count: int, duration_s: float) -> Speed:
    context = multiprocessing.get_context("spawn")
    ready, start, speeds = context.Semaphore(0), context.Event(), context.Queue()
    processes = [
        context.Process(target=_keep_working, args=(work, worker, count, duration_s, ready, start, speeds), daemon=True)
        for worker in range(count)
    ]
    for process in processes:
        process.start()
    for _ in processes:
        assert ready.acquire(timeout=PATIENCE_S), "a process did not start"
    start.set()
    found: Sequence[Speed] = [speeds.get(timeout=PATIENCE_S + duration_s) for _ in processes]
    for process in processes:
        process.join()
    return Speed(wall=sum(one.wall for one in found), cpu=sum(one.cpu for one in found))


def _keep_working(
    work: Work, worker: int, count: int, duration_s: float, ready: Semaphore, start: Event, speeds: Queue[Speed]
) -> None:
    items = work(worker, count)
    next(items)
    ready.release()
    if not start.wait(PATIENCE_S):
        return  # whoever started this process is gone
    wall, cpu = time.perf_counter(), time.process_time()
    number = 0
    while time.perf_counter() - wall < duration_s:
        next(items)
        number += 1
    speeds.put(Speed(wall=number / (time.perf_counter() - wall), cpu=number / (time.process_time() - cpu)))
