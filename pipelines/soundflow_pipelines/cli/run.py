"""`soundflow run`: the main job."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from soundflow_pipelines.cli.arguments import BanksFolder, Json, RecipeName, Settings, Workers, num_cpus, open_recipe
from soundflow_pipelines.cli.errors import FAILED
from soundflow_pipelines.cli.formats import duration, hours, plural, times
from soundflow_pipelines.cli.interrupts import interruptible
from soundflow_pipelines.cli.terminal import Terminal
from soundflow_pipelines.cli.validate import check_run
from soundflow_pipelines.cli.workers import Kind, open_executor

if TYPE_CHECKING:
    from soundflow_data.corpus import Corpus
    from soundflow_data.shards import Receipt, ShardSpec
    from soundflow_pipelines.executor import Executor, Outcome
    from soundflow_pipelines.synthesize import Run


def run(
    recipe: RecipeName,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Output directory; the same one again resumes.")],
    executor: Annotated[
        Kind, typer.Option(help="Who makes the shards; `auto` takes Ray where it is installed.")
    ] = Kind.AUTO,
    workers: Workers = None,
    address: Annotated[
        str | None, typer.Option(help="A running Ray cluster: auto, HOST:6379 or ray://HOST:10001.")
    ] = None,
    shards: Annotated[
        str | None, typer.Option(metavar="A:B", help="Only the shards from A up to, not including, B. [default: all]")
    ] = None,
    banks: BanksFolder = Path("banks"),
    settings: Settings = None,
    allow_license: Annotated[
        list[str] | None,
        typer.Option(metavar="LICENCE", help="Only clips and voices with this licence; can be given several times."),
    ] = None,
    with_picture: Annotated[
        bool, typer.Option("--picture/--no-picture", help="Draw a few streams when all shards are there.")
    ] = True,
    with_check: Annotated[
        bool, typer.Option("--validate/--no-validate", help="Decode and check everything when all shards are there.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Makes the streams of a recipe: audio, timelines and targets, in shards.

    The same command again resumes: finished shards are kept, and any number of workers gives the same bytes.

    Example: `soundflow run quickstart out/quickstart --set hours=1 --workers 8`
    """
    from soundflow_data.shards.layout import LOG  # noqa: PLC0415

    terminal = Terminal(as_json=as_json)
    with interruptible(terminal, f"run the same command again; it resumes with what is in {out}"):
        chosen = [*(settings or []), *([f"allow_license={json.dumps(allow_license)}"] if allow_license else [])]
        job = _prepare(terminal, recipe, out, banks, chosen, workers)
        job.claim()
        with terminal.logged(out / LOG):
            made = _make(terminal, job, shards, executor, workers, address)
            complete = job.finish()
            valid = check_run(terminal, out, workers)[0].ok if with_check and complete else None
            picture = _draw(job, made) if with_picture and complete else None
            terminal.keep(f"made {plural(made.shards, 'shard')}, {plural(len(made.failures), 'failure')}")
    _report(terminal, job, made, complete, valid, picture)
    if made.failures or valid is False:
        raise typer.Exit(FAILED)


class _Made:
    """What this command has done so far."""

    def __init__(self) -> None:
        self.shards = 0
        self.seconds = 0.0
        self.elapsed_s = 0.0
        self.workers = ""
        self.failures: list[dict[str, Any]] = []


def _prepare(
    terminal: Terminal, recipe: str, out: Path, banks: Path, settings: list[str] | None, workers: int | None
) -> Run:
    """Checks all that can be checked before any work, and builds the banks that are not there yet."""
    loaded = open_recipe(recipe, settings)
    from soundflow_data.corpus import Corpus  # noqa: PLC0415 - takes half a second
    from soundflow_pipelines.banks import open_banks  # noqa: PLC0415
    from soundflow_pipelines.cli.bank import build_with_meter  # noqa: PLC0415
    from soundflow_pipelines.needs import check_spoken  # noqa: PLC0415
    from soundflow_pipelines.synthesize import Run  # noqa: PLC0415

    build_with_meter(terminal, loaded, banks, workers=workers or num_cpus())
    corpus: Corpus = Corpus(loaded, open_banks(loaded, banks))
    check_spoken(corpus)
    return Run(corpus, out)


def _make(
    terminal: Terminal, job: Run, shards: str | None, kind: Kind, workers: int | None, address: str | None
) -> _Made:
    from soundflow_data.shards import parse_shards  # noqa: PLC0415

    piece = range(len(job.plan)) if shards is None else parse_shards(shards, len(job.plan))
    made = _Made()
    missing = sum(1 for _ in job.scan().missing(piece))
    if not missing:
        terminal.note(f"all {plural(len(piece), 'shard')} of this run are there already")
        return made
    with open_executor(kind, workers=workers, address=address, num_tasks=missing) as executor:
        made.workers = executor.name
        terminal.note(
            f"{job.corpus.recipe.name}: {plural(missing, 'shard')} of {len(piece):,} to make, {executor.name}"
        )
        _watch(terminal, job, piece, executor, made)
    return made


def _watch(terminal: Terminal, job: Run, piece: range, executor: Executor, made: _Made) -> None:
    """Makes the shards and shows how far they are."""
    from soundflow_pipelines.cli.meter import Meter  # noqa: PLC0415

    scan = job.scan()
    ready = sum(receipt.shard.num_streams for receipt in scan.receipts.values() if receipt.shard.index in piece)
    total = ready + sum(job.plan[index].num_streams for index in scan.missing(piece))
    # Closing the generator is what ends the workers, however this block is left.
    outcomes = cast("Generator[Outcome[ShardSpec, Receipt], None, None]", job.make(executor, piece))
    with Meter(terminal, "streams", total, "streams", done=ready) as meter, contextlib.closing(outcomes):
        for outcome in outcomes:
            ready += _take(terminal, outcome, made)
            made.elapsed_s = meter.elapsed_s
            drops = plural(job.drops.total(), "drop")
            speed = times(made.seconds / made.elapsed_s)
            meter.update(ready, f"{hours(made.seconds / 3600)} h · {speed} real time · {drops}")


def _take(terminal: Terminal, outcome: Outcome[ShardSpec, Receipt], made: _Made) -> int:
    """Counts one shard; returns its streams."""
    spec = outcome.task
    if outcome.value is not None:
        made.shards += 1
        made.seconds += outcome.value.seconds
        return spec.num_streams
    made.failures.append({"shard": spec.index, "split": spec.split, "message": str(outcome.failure)})
    terminal.fail(f"shard {spec.index} ({spec.split}, streams {spec.start} to {spec.stop - 1}): {outcome.failure}")
    return 0


def _draw(job: Run, made: _Made) -> Path:
    from soundflow_data.shards.layout import PREVIEW  # noqa: PLC0415
    from soundflow_pipelines.cli.stored import write_preview  # noqa: PLC0415

    there = job.out / PREVIEW
    return there if there.exists() and not made.shards else write_preview(job.out)


def _report(
    terminal: Terminal, job: Run, made: _Made, complete: bool, valid: bool | None, picture: Path | None
) -> None:
    """Tells what there is now: streams per ability, drops, and where it all is."""
    from soundflow_data.quality.stats import stats  # noqa: PLC0415
    from soundflow_pipelines.cli.stats import drop_lines, group_table, groups_as_json  # noqa: PLC0415

    scan = job.scan()
    totals = stats(job.storage)
    drops = Counter({drop.reason: drop.streams for drop in totals.drops})
    group_table(terminal, "ability", totals.abilities, totals.total)
    drop_lines(terminal, totals)
    terminal.say()
    if made.shards:
        speed = times(made.seconds / made.elapsed_s)
        made_hours = hours(made.seconds / 3600)
        terminal.say(f"made {made_hours} h in {duration(made.elapsed_s)}, {speed} real time ({made.workers})")
    if made.failures:
        failed = plural(len(made.failures), "shard")
        terminal.say(f"{failed} failed, see above; run the same command again to try them again")
    if not complete:
        terminal.say(f"{len(scan.receipts):,} of {plural(len(job.plan), 'shard')} are there")
    terminal.say(f"output   {job.out}")
    if picture is not None:
        terminal.say(f"picture  {picture}")
    terminal.result(
        {
            "recipe": job.corpus.recipe.name,
            "out": str(job.out),
            "complete": complete,
            "valid": valid,
            "shards": {
                "planned": len(job.plan),
                "there": len(scan.receipts),
                "made": made.shards,
                "failed": len(made.failures),
            },
            "streams": totals.total.streams,
            "hours": totals.total.hours,
            "drops": dict(drops),
            "abilities": groups_as_json(totals.abilities),
            "made": {"hours": made.seconds / 3600, "seconds": made.elapsed_s, "workers": made.workers},
            "failures": made.failures,
            "picture": None if picture is None else str(picture),
        }
    )
