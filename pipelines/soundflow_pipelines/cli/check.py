"""`soundflow check`: whether a corpus is what its recipe asks for, and good to train on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soundflow_data.errors import RecipeError, ShardError
from soundflow_pipelines.cli.arguments import Json, RunFolder, Workers
from soundflow_pipelines.cli.errors import FAILED
from soundflow_pipelines.cli.formats import duration, hours, percent, plural, times
from soundflow_pipelines.cli.interrupts import interruptible
from soundflow_pipelines.cli.terminal import Terminal
from soundflow_pipelines.cli.workers import Kind, open_executor

if TYPE_CHECKING:
    from soundflow_data.quality.check.corpus import ShardMeasures
    from soundflow_data.quality.check.verdict import Measure, Result, Verdict
    from soundflow_data.shards import LocalStorage, Receipt
    from soundflow_pipelines.executor import Executor

MAX_REASONS = 5  # of a check, that are printed; all of them are in the JSON and in the report
SECTION = "checks."

Thresholds = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="A threshold that wins over the recipe's, such as checks.leaks.max_speakers=3; repeatable.",
    ),
]
ReportFile = Annotated[
    Path | None, typer.Option("--report", metavar="FILE", help="Where the page is written. [default: OUT/report.html]")
]


def check(
    out: RunFolder,
    settings: Thresholds = None,
    report: ReportFile = None,
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Measures a corpus and judges it by the thresholds of its recipe; writes a page that opens offline.

    Ends with exit code 1 when a check fails. `soundflow validate` tells whether the files are what was written.

    Example: `soundflow check out/quickstart`
    """
    terminal = Terminal(as_json=as_json)
    with interruptible(terminal, "nothing was changed"):
        verdict, elapsed_s = judge(terminal, out, settings or (), workers)
        page = write_page(out, verdict, report)
    _print(terminal, verdict, elapsed_s, page)
    terminal.result({**verdict.as_json(), "elapsed_s": elapsed_s, "report": str(page)})
    if not verdict.ok:
        raise typer.Exit(FAILED)


def judge(
    terminal: Terminal, out: Path, settings: Iterable[str] = (), workers: int | None = None
) -> tuple[Verdict, float]:
    """Checks a corpus and shows how far it is; returns the verdict and the seconds taken.

    Raises:
        RecipeError: A setting is no threshold.
        RunError: The directory is no run, or has no finished shard.
    """
    from soundflow_data.quality.check.run import check_corpus  # noqa: PLC0415 - takes half a second
    from soundflow_data.recipe import read_resolved  # noqa: PLC0415
    from soundflow_data.shards import LocalStorage  # noqa: PLC0415
    from soundflow_data.shards.layout import RECIPE  # noqa: PLC0415
    from soundflow_pipelines.cli.meter import Meter  # noqa: PLC0415
    from soundflow_pipelines.synthesize import read_run_info  # noqa: PLC0415

    thresholds = list(settings)
    for setting in thresholds:
        if not setting.startswith(SECTION):
            raise RecipeError(f"setting {setting!r}: a finished corpus has only its thresholds to set, {SECTION}...")
    storage = LocalStorage(out)
    info = read_run_info(storage)
    recipe = read_resolved(storage.read(RECIPE), out / RECIPE, thresholds)
    num_shards = _num_finished(storage)
    with (
        open_executor(Kind.LOCAL, workers=workers, address=None, num_tasks=num_shards) as executor,
        Meter(terminal, "checking", num_shards, "shards") as meter,
    ):
        verdict = check_corpus(
            storage,
            recipe,
            banks={name: (bank["path"], bank["fingerprint"]) for name, bank in info.banks.items()},
            plan=info.plan,
            mapper=_Mapper(executor, meter.update),
        )
        return verdict, meter.elapsed_s


def write_page(out: Path, verdict: Verdict, report: Path | None = None) -> Path:
    """Writes the report of a verdict, into the run directory unless another place is given; returns its path."""
    from soundflow_data.quality.report import report_html  # noqa: PLC0415
    from soundflow_data.shards import LocalStorage, write_bytes  # noqa: PLC0415
    from soundflow_data.shards.layout import REPORT  # noqa: PLC0415
    from soundflow_pipelines.cli.stored import as_stream, lively_keys, read_sample  # noqa: PLC0415

    page = report_html(verdict, [as_stream(read_sample(out, key)) for key in lively_keys(out)]).encode()
    if report is None:
        write_bytes(LocalStorage(out), REPORT, page)
        return out / REPORT
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_bytes(page)
    return report


def _num_finished(storage: LocalStorage) -> int:
    from soundflow_data.shards import scan_receipts  # noqa: PLC0415

    return len(scan_receipts(storage).receipts)


class _Mapper:
    """Looks at one shard for all of them; a shard that cannot be looked at ends the command."""

    def __init__(self, executor: Executor, update: Callable[[int], None]) -> None:
        self._executor = executor
        self._update = update

    def __call__(
        self, function: Callable[[Receipt], ShardMeasures], receipts: Iterable[Receipt]
    ) -> Iterator[ShardMeasures]:
        for number, outcome in enumerate(self._executor.run(function, receipts), start=1):
            if outcome.value is None:
                raise ShardError(
                    f"shard {outcome.task.shard.index} cannot be checked: {outcome.failure}; "
                    "`soundflow validate` tells what is damaged and how to make it again"
                )
            self._update(number)
            yield outcome.value


def _print(terminal: Terminal, verdict: Verdict, elapsed_s: float, page: Path) -> None:
    terminal.table(
        ("check", "", "#judged", "what was found"),
        [
            (result.check, "ok" if result.ok else "FAILED", _judged(result), _headline(result))
            for result in verdict.results
        ],
    )
    for result in verdict.results:
        if not result.ok:
            _print_failure(terminal, result)
    for note in verdict.notes:
        terminal.warn(note)
    failed = [result.check for result in verdict.results if not result.ok]
    looked_at = f"{plural(verdict.streams, 'stream')}, {hours(verdict.seconds / 3600)} h"
    speed = f"{duration(elapsed_s)}, {times(verdict.seconds / elapsed_s)} real time"
    terminal.say()
    outcome = f"failed: {', '.join(failed)}" if failed else "passed"
    terminal.say(f"{outcome}: {looked_at} (looked at in {speed})")
    terminal.say(f"report: {page}")


def _print_failure(terminal: Terminal, result: Result) -> None:
    terminal.say()
    terminal.head(f"{result.check}: {result.summary}")
    for measure in result.failures:
        terminal.say(f"  {_named(measure)} is {shown(measure.value, measure.unit)}, {_bounds(measure)}")
    for reason in result.reasons[:MAX_REASONS]:
        example = f" (such as {', '.join(reason.keys)})" if reason.keys else ""
        terminal.say(f"  {reason.count:,} x {reason.reason}{example}")
    if len(result.reasons) > MAX_REASONS:
        terminal.say(f"  and {len(result.reasons) - MAX_REASONS:,} more reasons; --json has all of them")


def _judged(result: Result) -> str:
    judged = [measure for measure in result.measures if measure.judged]
    return f"{sum(measure.ok for measure in judged)}/{len(judged)}"


def _headline(result: Result) -> str:
    """Returns the numbers that tell most: those that fail, else the first ones about the whole corpus."""
    measures = result.failures or [measure for measure in result.measures if measure.judged]
    return ", ".join(f"{_named(measure)} {shown(measure.value, measure.unit)}" for measure in measures[:3])


def _named(measure: Measure) -> str:
    return f"{measure.name} ({measure.group})" if measure.group else measure.name


def _bounds(measure: Measure) -> str:
    low, high = (None if bound is None else shown(bound, measure.unit) for bound in (measure.low, measure.high))
    if low is not None and high is not None:
        return f"not {low}" if low == high else f"not within {low} to {high}"
    return f"below {low}" if low is not None else f"above {high}"


def shown(value: float, unit: str) -> str:
    """Returns a number with its unit, such as `2.5%` or `-23.4 dBFS`."""
    if unit == "share":
        return percent(value)
    number = f"{value:,.0f}" if value == round(value) else f"{value:,.2f}"
    return f"{number} {unit}".rstrip()
