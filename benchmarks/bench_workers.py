"""Two workers against one, as local processes and as Ray tasks, and what handing out a shard costs.

A run starts slowly (interpreters, imports, banks) and ends raggedly (one worker has nothing left), so the speed is
taken between two finished shards in the middle:

    worker 0   ....start....[ shard ][ shard ][ shard ][ shard ]
    worker 1   ....start.....[ shard ][ shard ][ shard ][ shard ]
                                     ^ from here      ^ to here
"""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from soundflow_pipelines.executor import Executor, Outcome
from soundflow_pipelines.synthesize import Job

from benchmarks.material import MINUTE, Setup, executors, identity, shards, warm_corpus
from benchmarks.report import Goal, Result, Row
from soundflow_data.corpus import Corpus

REQUIRES = ("ray",)


def run(setup: Setup) -> Result:
    num_streams = setup.pick(64, 1)
    num_shards = setup.pick(24, 4)
    rounds = setup.pick(min(setup.rounds, 3), 1)
    corpus = warm_corpus(setup, num_streams=2 * num_streams * num_shards, streams_per_shard=num_streams)
    out = setup.work / "workers"
    speeds: dict[str, list[float]] = {}
    overheads: dict[str, list[float]] = {}
    kinds = executors(setup)
    for number in range(rounds):
        for kind, start in list(kinds.items())[:: 1 if number % 2 else -1]:
            for workers in (1, 2):
                rate, overhead = _measure(start(workers), corpus, out, num_shards * workers, setup.pick(200, 4))
                speeds.setdefault(f"{kind} {workers}", []).append(rate * num_streams * MINUTE)
                overheads.setdefault(kind, []).append(overhead)
    shutil.rmtree(out)
    rows = []
    for kind in kinds:
        gain = statistics.median(two / one for one, two in zip(speeds[f"{kind} 1"], speeds[f"{kind} 2"], strict=True))
        for workers in (1, 2):
            name = f"{kind} {workers}"
            rows.append(
                Row(what=f"{kind}, workers: {workers}", value=statistics.median(speeds[name]), unit="x real time")
            )
        rows.append(Row(what=f"{kind}, two over one", value=gain, unit="times", goal=Goal(">=", 1.8)))
    for kind in kinds:
        milliseconds = 1e3 * statistics.median(overheads[kind])
        rows.append(Row(what=f"{kind}, a shard that costs nothing", value=milliseconds, unit="ms"))
    return Result(
        rows=rows,
        setting={"rounds": rounds, "streams_per_shard": num_streams, "shards_per_worker": num_shards},
        details={"x_real_time": speeds, "overhead_s": overheads},
    )


def _measure(executor: Executor, corpus: Corpus, out: Path, num_shards: int, num_empty: int) -> tuple[float, float]:
    """Returns shards per second in the middle of a run, and seconds per task that does nothing."""
    shutil.rmtree(out, ignore_errors=True)
    job = Job(
        loaded=corpus.loaded,
        banks={name: bank.path.resolve() for name, bank in corpus.banks.items()},
        out=out.resolve(),
        identity=identity(corpus),
    )
    try:
        rate = _rate(executor, job, shards(corpus)[:num_shards])
        overhead = 1 / _rate(executor, do_nothing, list(range(num_empty)))
    finally:
        close = getattr(executor, "close", None)
        if close is not None:
            close()
    return rate, overhead


def _rate(executor: Executor, function: Callable[[Any], Any], tasks: list[Any]) -> float:
    """Returns tasks per second, between the moments when every worker is at work."""
    ends = [_end(outcome) for outcome in executor.run(function, tasks)]
    first, last = min(2 * executor.num_workers, len(ends) - 2) - 1, len(ends) - executor.num_workers
    return (last - first) / (ends[last] - ends[first])


def _end(outcome: Outcome[Any, Any]) -> float:
    assert outcome.failure is None, outcome.failure
    return time.perf_counter()


def do_nothing(task: int) -> int:
    """The cheapest shard."""
    return task
