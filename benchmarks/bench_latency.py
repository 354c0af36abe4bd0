"""What a person waits for: planning one stream, importing the library, opening a bank, reading a recipe."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

from benchmarks.material import MINUTE, Setup, warm_corpus
from benchmarks.measure import Case, Measured, interleave
from benchmarks.report import Goal, Result, Row
from soundflow_data.bank import Bank
from soundflow_data.corpus import Corpus, StreamSpec
from soundflow_data.targets import project

_IMPORTS = {
    "import soundflow_data": "import soundflow_data",
    "import of every public name": "from soundflow_data import *",
    "import for reading": "from soundflow_data import StreamReader",
}


def run(setup: Setup) -> Result:
    corpus = warm_corpus(setup, num_streams=setup.pick(1000, 4), streams_per_shard=256)
    specs = [corpus.spec("train", index) for index in range(setup.pick(500, 4))]
    _seconds_each(corpus, specs[: len(specs) // 2])
    each = sorted(_seconds_each(corpus, specs))
    interpreters = interleave(_interpreters(setup.rounds + 1))
    rows = [
        Row(
            what=f"plan and label {MINUTE:.0f} s, {name}",
            value=1e3 * each[int(share * (len(each) - 1))],
            unit="ms",
            goal=Goal("<=", 3) if share == 0.5 else None,
        )
        for name, share in (("median", 0.5), ("99 of 100 are faster", 0.99))
    ]
    rows += _imports(interpreters)
    for name, bank in corpus.banks.items():
        milliseconds = 1e3 * statistics.median(_seconds(partial(Bank.open, bank.path), setup.pick(20, 2)))
        rows.append(Row(what=f"open bank {name!r} of {len(bank)} clips", value=milliseconds, unit="ms"))
    rows.append(
        Row(
            what="corpus ready to make its first stream",
            value=1e3 * statistics.median(_seconds(partial(_first_stream, corpus), setup.pick(5, 1))),
            unit="ms",
        )
    )
    return Result(
        rows=rows, setting={"rounds": setup.rounds, "streams": len(specs)}, details={"plan_and_label_s": each}
    )


def _seconds_each(corpus: Corpus, specs: list[StreamSpec]) -> list[float]:
    """Returns how long each stream took to plan and label, by the CPU."""
    seconds = []
    for spec in specs:
        began = time.process_time()
        project(corpus.compose(spec))
        seconds.append(time.process_time() - began)
    return seconds


def _interpreters(rounds: int) -> Iterator[dict[str, Case]]:
    statements = {"bare": "pass", **_IMPORTS}
    for _ in range(rounds):
        yield {what: partial(_interpreter, statement) for what, statement in statements.items()}


def _interpreter(statement: str) -> float:
    """Runs a statement in a fresh interpreter; returns the seconds that its CPU took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", statement], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _imports(measured: Measured) -> list[Row]:
    """Returns what imports take beyond starting the interpreter."""
    rows = []
    for what in _IMPORTS:
        wall = [
            timing.wall_s - bare.wall_s
            for timing, bare in zip(measured.timings[what], measured.timings["bare"], strict=True)
        ]
        cpu = [value - bare for value, bare in zip(measured.values[what], measured.values["bare"], strict=True)]
        goal = Goal("<=", 0.5) if what == "import soundflow_data" else None
        rows.append(Row(what=what, value=statistics.median(wall), cpu=statistics.median(cpu), unit="s", goal=goal))
    return rows


def _seconds(call: Callable[[], object], times: int) -> list[float]:
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return seconds


def _first_stream(corpus: Corpus) -> None:
    """Opens the banks and plans a stream, in a process that has done so before."""
    again = Corpus(corpus.loaded, {name: Bank.open(bank.path) for name, bank in corpus.banks.items()})
    again.compose(again.spec("train", 0))
