"""`soundflow validate`: whether everything in a run directory is what it should be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec
import typer

from soundflow_data.errors import ShardError
from soundflow_pipelines.cli.arguments import Json, RunFolder, Workers
from soundflow_pipelines.cli.errors import FAILED
from soundflow_pipelines.cli.formats import duration, hours, plural, times
from soundflow_pipelines.cli.interrupts import interruptible
from soundflow_pipelines.cli.terminal import Terminal
from soundflow_pipelines.cli.workers import Kind, open_executor

if TYPE_CHECKING:
    from pathlib import Path

    from soundflow_data.quality.findings import Report, ShardReport
    from soundflow_data.shards import Receipt
    from soundflow_pipelines.executor import Executor

MAX_LINES = 50  # findings that are printed; all of them are in the JSON


def validate(out: RunFolder, workers: Workers = None, as_json: Json = False) -> None:
    """Decodes everything and checks hashes, keys, lengths, targets against timelines, and tables against shards.

    Ends with exit code 1 when anything is wrong or a shard is missing.

    Example: `soundflow validate out/quickstart`
    """
    terminal = Terminal(as_json=as_json)
    with interruptible(terminal, "nothing was changed"):
        report, elapsed_s = check_run(terminal, out, workers)
    terminal.result({**msgspec.to_builtins(report), "ok": report.ok, "elapsed_s": elapsed_s})
    if not report.ok:
        raise typer.Exit(FAILED)


def check_run(terminal: Terminal, out: Path, workers: int | None) -> tuple[Report, float]:
    """Validates a run directory, shows how far it is and what it finds; returns the report and the seconds taken."""
    from soundflow_data.quality.validate import validate as check  # noqa: PLC0415
    from soundflow_data.shards import LocalStorage  # noqa: PLC0415
    from soundflow_pipelines.cli.meter import Meter  # noqa: PLC0415
    from soundflow_pipelines.synthesize import read_run_info  # noqa: PLC0415

    storage = LocalStorage(out)
    info = read_run_info(storage)
    with (
        open_executor(Kind.LOCAL, workers=workers, address=None, num_tasks=len(info.plan)) as executor,
        Meter(terminal, "checking", len(info.plan), "shards") as meter,
    ):
        report = check(
            storage, plan=info.plan, fingerprint=info.identity.fingerprint, mapper=_Mapper(executor, meter.update)
        )
        elapsed_s = meter.elapsed_s
    _print(terminal, report, elapsed_s)
    return report, elapsed_s


class _Mapper:
    """Runs the check of one shard for all of them; the reports come in the order of the shards."""

    def __init__(self, executor: Executor, update: Callable[[int], None]) -> None:
        self._executor = executor
        self._update = update

    def __call__(
        self, function: Callable[[Receipt], ShardReport], receipts: Iterable[Receipt]
    ) -> Iterator[ShardReport]:
        reports = []
        for outcome in self._executor.run(function, receipts):
            if outcome.value is None:
                raise ShardError(f"shard {outcome.task.shard.index} could not be checked: {outcome.failure}")
            reports.append(outcome.value)
            self._update(len(reports))
        return iter(sorted(reports, key=lambda report: report.shard))


def _print(terminal: Terminal, report: Report, elapsed_s: float) -> None:
    for finding in report.findings[:MAX_LINES]:
        terminal.fail(f"[{finding.check}] {finding}")
    if len(report.findings) > MAX_LINES:
        terminal.fail(f"and {len(report.findings) - MAX_LINES:,} more findings; --json has all of them")
    checked = (
        f"{plural(report.streams, 'stream')}, {hours(report.seconds / 3600)} h in {plural(report.shards, 'shard')}"
    )
    speed = f"checked in {duration(elapsed_s)}, {times(report.seconds / elapsed_s)} real time"
    if report.ok:
        terminal.say(f"valid: {checked} ({speed})")
    else:
        counts = Counter(finding.check for finding in report.findings)
        listed = ", ".join(f"{number} {check}" for check, number in counts.most_common())
        terminal.say(f"not valid: {plural(len(report.findings), 'finding')} ({listed}) in {checked} ({speed})")
