"""Two workers against one, as local processes and as Ray tasks, and what handing out a shard costs.

A run starts slowly (interpreters, imports, banks) and ends raggedly (one worker has nothing left), so the speed is
taken between two finished shards in the middle:

    worker 0   ....start....[ shard ][ shard ][ shard ][ shard ]
    worker 1   ....start.....[ shard ][ shard ][ shard ][ shard ]
                                     ^ from here      ^ to here

Two processes that only encode, without reading or writing, show what the machine can give: on one that others use too,
that may be less than two.
"""

from __future__ import annotations

import shutil
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.material import MINUTE, Setup, executors, identity, shards, warm_corpus
from benchmarks.report import Goal, Result, Row
from soundflow_data.audio.encode import encode
from soundflow_data.corpus import Corpus
from soundflow_data.timeline import SAMPLE_RATE
from soundflow_pipelines.executor import Executor, LocalProcesses, Outcome
from soundflow_pipelines.synthesize import Job

REQUIRES = ("ray",)
_BARE = "encoding alone"

Rates = dict[str, dict[int, list[float]]]  # x real time, by kind and number of workers


def run(setup: Setup) -> Result:
    num_streams = setup.pick(64, 1)
    num_shards = setup.pick(16, 4)
    rounds = setup.pick(min(setup.rounds, 3), 1)
    corpus = warm_corpus(setup, num_streams=2 * num_streams * num_shards, streams_per_shard=num_streams)
    out = setup.work / "workers"
    rates: Rates = defaultdict(lambda: {1: [], 2: []})
    overheads: dict[str, list[float]] = defaultdict(list)
    kinds = executors(setup)
    for number in range(rounds):
        for kind, start in list(kinds.items())[:: 1 if number % 2 else -1]:
            for workers in (1, 2):
                executor = start(workers)
                try:
                    shutil.rmtree(out, ignore_errors=True)
                    rate = _rate(executor, _job(corpus, out), shards(corpus)[: num_shards * workers])
                    assert not list(out.glob("quarantine/*")), "streams were dropped"
                    rates[kind][workers].append(rate * num_streams * MINUTE)
                    overheads[kind].append(1 / _rate(executor, do_nothing, list(range(setup.pick(200, 4)))))
                finally:
                    _close(executor)
        if not setup.smoke:
            for workers in (1, 2):
                rate = _rate(LocalProcesses(workers), encode_noise, [100] * 16 * workers)
                rates[_BARE][workers].append(rate * 100 * MINUTE)
    shutil.rmtree(out)
    return Result(
        rows=[*_rows(rates), *_overheads(overheads)],
        setting={"rounds": rounds, "streams_per_shard": num_streams, "shards_per_worker": num_shards},
        details={"x_real_time": {kind: {str(n): some for n, some in found.items()} for kind, found in rates.items()}},
    )


def _rows(rates: Rates) -> list[Row]:
    rows = []
    for kind, found in rates.items():
        gain = statistics.median(two / one for one, two in zip(found[1], found[2], strict=True))
        for workers, speeds in found.items():
            rows.append(Row(what=f"{kind}, workers: {workers}", value=statistics.median(speeds), unit="x real time"))
        goal = None if kind == _BARE else Goal(">=", 1.8)
        rows.append(Row(what=f"{kind}, two over one", value=gain, unit="times", goal=goal))
    return rows


def _overheads(overheads: dict[str, list[float]]) -> list[Row]:
    return [
        Row(what=f"{kind}, a shard that costs nothing", value=1e3 * statistics.median(seconds), unit="ms")
        for kind, seconds in overheads.items()
    ]


def _job(corpus: Corpus, out: Path) -> Job:
    return Job(
        loaded=corpus.loaded,
        banks={name: bank.path.resolve() for name, bank in corpus.banks.items()},
        out=out.resolve(),
        identity=identity(corpus),
    )


def _rate(executor: Executor, function: Callable[[Any], Any], tasks: list[Any]) -> float:
    """Returns tasks per second, between the moments when every worker is at work."""
    ends = [_end(outcome) for outcome in executor.run(function, tasks)]
    first, last = min(2 * executor.num_workers, len(ends) - 2) - 1, len(ends) - executor.num_workers
    return (last - first) / (ends[last] - ends[first])


def _end(outcome: Outcome[Any, Any]) -> float:
    assert outcome.failure is None, outcome.failure
    return time.perf_counter()


def _close(executor: Executor) -> None:
    close = getattr(executor, "close", None)
    if close is not None:
        close()


def do_nothing(task: int) -> int:
    """The cheapest shard."""
    return task


def encode_noise(num_streams: int) -> int:
    """Encodes a minute of noise so often; returns the bytes."""
    pcm = (np.random.default_rng(0).standard_normal(round(MINUTE * SAMPLE_RATE)) * 1_000).astype(np.int16)
    return sum(len(encode(pcm)) for _ in range(num_streams))
