"""Peak memory of a worker with a large bank, and of planning a million streams; each in a fresh process."""

from __future__ import annotations

import shutil
import statistics
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.large_bank import large_bank
from benchmarks.material import Setup, executors, identity, recipe_of, shards
from benchmarks.report import Goal, Result, Row
from benchmarks.watch import Seen, Watched, memory_mb
from soundflow_data.bank import Bank
from soundflow_data.corpus import Corpus
from soundflow_data.recipe import LoadedRecipe
from soundflow_data.shards import Receipt, plan_shards
from soundflow_pipelines.executor import Executor, LocalProcesses
from soundflow_pipelines.synthesize import Job

LIMIT_MB = 500


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Plans every stream of a recipe: which sub-task, which language, in which shard; sent to a fresh process."""

    loaded: LoadedRecipe
    banks: dict[str, Path]

    def __call__(self, num_streams: int) -> tuple[float, float]:
        """Returns seconds, and MB that the plan has added to the process's peak."""
        corpus = Corpus(self.loaded, {name: Bank.open(path) for name, path in self.banks.items()})
        before = memory_mb("VmHWM")
        began = time.perf_counter()
        counts = Counter[str]()
        for shard in plan_shards({"train": num_streams}, 256):
            for index in range(shard.start, shard.stop):
                counts[corpus.spec(shard.split, index).subtask] += 1
        assert counts.total() == num_streams
        return time.perf_counter() - began, memory_mb("VmHWM") - before


def run(setup: Setup) -> Result:
    num_streams, num_shards = setup.pick(256, 2), setup.pick(6, 2)
    folder = setup.work / "large"
    bank = large_bank(folder, 0.1 if setup.smoke else setup.bank_hours)
    try:
        loaded = recipe_of(
            setup,
            name="large",
            stream="eight_recordings",
            banks={"large": {"path": str(folder.resolve())}},
            num_streams=num_streams * num_shards,
            streams_per_shard=num_streams,
        )
        corpus = Corpus(loaded, {"large": bank})
        rows = _workers(setup, corpus)
        rows += _plan(setup, corpus)
    finally:
        shutil.rmtree(folder)
    return Result(
        rows=rows,
        setting={
            "bank_hours": round(bank.info.hours, 1),
            "clips": len(bank),
            "streams_per_shard": num_streams,
            "shards": num_shards,
            "streams_planned": setup.pick(setup.num_planned, 1000),
        },
    )


def _workers(setup: Setup, corpus: Corpus) -> list[Row]:
    out = setup.work / "memory"
    job = Job(
        loaded=corpus.loaded,
        banks={name: bank.path.resolve() for name, bank in corpus.banks.items()},
        out=out.resolve(),
        identity=identity(corpus),
    )
    rows = []
    for kind, start in executors(setup).items():
        outcomes = _run(start(2), Watched(job), shards(corpus))
        receipts: list[Receipt] = [seen.value for seen, _ in outcomes]
        assert not any(receipt.drops for receipt in receipts), "streams were dropped"
        peaks = [seen.peak for seen, _ in outcomes]
        # A worker opens the bank with its first shard.
        speed = statistics.median(seen.value.seconds / took for seen, took in outcomes[2:] or outcomes)
        shutil.rmtree(out)
        largest = max(peak.rss for peak in peaks)
        own = max(peak.anonymous for peak in peaks)
        rows += [
            Row(what=f"{kind} worker, resident", value=largest, unit="MB", goal=Goal("<=", LIMIT_MB)),
            Row(what=f"{kind} worker, of its own", value=own, unit="MB"),
            Row(what=f"{kind} worker, speed", value=speed, unit="x real time"),
        ]
    return rows


def _plan(setup: Setup, corpus: Corpus) -> list[Row]:
    num_streams = setup.pick(setup.num_planned, 1000)
    plan = Plan(loaded=corpus.loaded, banks={name: bank.path.resolve() for name, bank in corpus.banks.items()})
    ((seen, _),) = _run(LocalProcesses(1), Watched(plan), [num_streams])
    seconds, growth = seen.value
    return [
        Row(
            what=f"planning {num_streams:,} streams, resident",
            value=seen.peak.rss,
            unit="MB",
            goal=Goal("<=", LIMIT_MB),
        ),
        Row(what="  of which for the plan", value=growth, unit="MB"),
        Row(what="  time", value=seconds, unit="s"),
    ]


def _run(executor: Executor, function: Watched, tasks: list[Any]) -> list[tuple[Seen[Any], float]]:
    """Returns what each task gave, and the seconds that it took."""
    found = []
    for outcome in executor.run(function, tasks):
        assert outcome.value is not None, outcome.failure
        found.append((outcome.value, outcome.seconds))
    close = getattr(executor, "close", None)
    if close is not None:
        close()
    return found
