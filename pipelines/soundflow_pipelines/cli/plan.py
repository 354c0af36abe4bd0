"""`soundflow plan`: what a run would make."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from soundflow_pipelines.cli.arguments import BanksFolder, Json, RecipeName, Settings, Workers, num_cpus, open_recipe
from soundflow_pipelines.cli.chat import with_who_answers
from soundflow_pipelines.cli.errors import FAILED
from soundflow_pipelines.cli.formats import duration, hours, percent, plural, size
from soundflow_pipelines.cli.terminal import Terminal

if TYPE_CHECKING:
    from soundflow_data.recipe import LoadedRecipe
    from soundflow_pipelines.plan import Count, Estimates, Plan


def plan(
    recipe: RecipeName,
    banks: BanksFolder = Path("banks"),
    workers: Workers = None,
    settings: Settings = None,
    sample: Annotated[int, typer.Option(min=1, max=1000, help="Streams that are planned for the estimates.")] = 120,
    as_json: Json = False,
) -> None:
    """Prints what a run would make, before any work: streams, hours, shards, bytes, time, clips and texts.

    Streams and shards are exact. The rest is estimated from a small sample, which needs the banks.

    Example: `soundflow plan quickstart --set hours=1000 --workers 64`
    """
    terminal = Terminal(as_json=as_json)
    loaded = open_recipe(recipe, settings)
    from soundflow_pipelines.banks import bank_places  # noqa: PLC0415
    from soundflow_pipelines.plan import count_streams, make_plan  # noqa: PLC0415

    absent = [place.name for place in bank_places(loaded, banks) if place.built and not place.path.exists()]
    if absent:
        found = count_streams(loaded)
    else:
        from soundflow_data.corpus import Corpus  # noqa: PLC0415
        from soundflow_pipelines.banks import open_banks  # noqa: PLC0415
        from soundflow_pipelines.needs import check_spoken  # noqa: PLC0415

        corpus = Corpus(with_who_answers(terminal, loaded), open_banks(loaded, banks))
        check_spoken(corpus)
        found = make_plan(corpus, max_composed=sample)
    num_workers = workers or num_cpus()
    _print(terminal, loaded, found, num_workers)
    if absent:
        terminal.note(
            f"no estimates: {plural(len(absent), 'bank')} not built yet ({', '.join(absent)}); build with "
            f"`soundflow bank build --recipe {recipe} --banks {banks}`, then plan again"
        )
    for problem in found.problems:
        terminal.fail(problem)
    terminal.result(_as_json(found, absent, num_workers))
    if found.problems:
        raise typer.Exit(FAILED)


def _print(terminal: Terminal, loaded: LoadedRecipe, found: Plan, workers: int) -> None:
    recipe = loaded.recipe
    seconds = f"{recipe.duration_s[0]:g} to {recipe.duration_s[1]:g} s"
    terminal.head(f"{recipe.name}  ({loaded.path})")
    terminal.say(f"streams of {seconds}, chunks of {recipe.chunk_s:g} s, {recipe.codec}, seed {recipe.seed}")
    terminal.say()
    _print_counts(terminal, found)
    terminal.say()
    total = sum(found.streams.values())
    shards = sum(found.shards.values())
    terminal.say(f"shards   {shards:,} of up to {plural(recipe.streams_per_shard, 'stream')}")
    estimates = found.estimates
    if estimates is None:
        return
    spread = estimates.cpu_s / min(workers, shards)
    terminal.say(f"audio    about {hours(estimates.hours)} h in {plural(total, 'stream')}")
    terminal.say(f"bytes    about {size(estimates.num_bytes)}, {size(estimates.num_bytes / estimates.hours)} per hour")
    terminal.say(
        f"time     about {duration(spread)} with {plural(min(workers, shards), 'worker')} like this one, once started"
    )
    _print_texts(terminal, estimates)
    terminal.say()
    _print_banks(terminal, estimates)
    terminal.say()
    _print_sample(terminal, estimates, recipe.limits.max_drop_share)


def _print_counts(terminal: Terminal, found: Plan) -> None:
    splits = list(found.streams)
    subtasks = list(dict.fromkeys(count.cell.subtask for count in found.counts))
    rows = []
    for subtask in subtasks:
        mine = [count for count in found.counts if count.cell.subtask == subtask]
        rows.append((subtask, *_row(splits, mine)))
    columns = ("sub-task", *(f"#{split}" for split in splits), "#streams", "#hours")
    terminal.table(columns, rows, total=("all", *_row(splits, found.counts)))


def _row(splits: Iterable[str], counts: Iterable[Count]) -> list[str]:
    some = list(counts)
    by_split = [f"{sum(count.streams for count in some if count.cell.split == split):,}" for split in splits]
    known = [count.hours for count in some if count.hours is not None]
    total = f"{sum(count.streams for count in some):,}"
    return [*by_split, total, hours(sum(known)) if known else "?"]


def _print_texts(terminal: Terminal, estimates: Estimates) -> None:
    texts = estimates.texts
    if not texts.utterances:
        return
    held = f"{percent(texts.from_banks)} from banks, {percent(1 - texts.from_banks)} spoken by an engine"
    terminal.say(f"texts    about {texts.utterances:,.0f} utterances, {hours(texts.hours)} h: {held}")
    terminal.say(f"         {percent(texts.distinct)} of the sampled texts are different ones")
    for split, voices in texts.voices.items():
        named = ", ".join(f"{number} {language}" for language, number in voices.items())
        terminal.say(f"voices   {split}: {named}")


def _print_banks(terminal: Terminal, estimates: Estimates) -> None:
    rows = [
        (use.bank, use.split, f"{use.clips:,}", f"{use.labels:,}", f"{use.uses:,.0f}", _reuse(use.uses, use.clips))
        for use in estimates.banks
    ]
    columns = ("bank", "split", "#clips", "#labels", "#plays", "#plays per clip")
    terminal.table(columns, rows)


def _reuse(uses: float, clips: int) -> str:
    return f"{uses / clips:,.1f}" if clips else "-"


def _print_sample(terminal: Terminal, estimates: Estimates, limit: float) -> None:
    sample = estimates.sample
    terminal.say(
        f"Counts are exact; hours, bytes, time, plays and texts are estimated from {plural(sample.composed, 'stream')} "
        f"that were planned, {sample.rendered} of them rendered."
    )
    for reason, number in sample.drops.items():
        terminal.warn(f"{number} of these {sample.composed} would be dropped: {reason}")
    if sum(sample.drops.values()) > limit * sample.composed:
        terminal.warn(f"that is more than limits.max_drop_share {limit:g} allows; the run would stop")


def _as_json(found: Plan, absent: list[str], workers: int) -> dict[str, Any]:
    values: dict[str, Any] = msgspec.to_builtins(found)
    return {
        **values,
        "num_streams": sum(found.streams.values()),
        "num_shards": sum(found.shards.values()),
        "banks_not_built": absent,
        "workers": workers,
        **({"error": {"kind": "Infeasible", "message": "; ".join(found.problems)}} if found.problems else {}),
    }
