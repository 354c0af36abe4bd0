"""`soundflow stats`, and the tables that other commands end with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from soundflow_pipelines.cli.arguments import Json, RunFolder
from soundflow_pipelines.cli.formats import hours, percent
from soundflow_pipelines.cli.terminal import Terminal

if TYPE_CHECKING:
    from soundflow_data.quality.stats import GroupStats, Stats


def stats(out: RunFolder, as_json: Json = False) -> None:
    """Adds up what a run directory holds: per split, ability, sub-task, kind, language, corpus and licence.

    Example: `soundflow stats out/quickstart`
    """
    from soundflow_data.quality.stats import stats as add_up  # noqa: PLC0415
    from soundflow_data.shards import LocalStorage  # noqa: PLC0415
    from soundflow_pipelines.synthesize import read_run_info  # noqa: PLC0415

    terminal = Terminal(as_json=as_json)
    storage = LocalStorage(out)
    read_run_info(storage)
    totals = add_up(storage)
    for name, groups in (
        ("split", totals.splits),
        ("ability", totals.abilities),
        ("sub-task", totals.subtasks),
        ("kind", totals.kinds),
        ("language", totals.languages),
    ):
        group_table(terminal, name, groups, totals.total)
        terminal.say()
    _composite_tables(terminal, totals)
    rows = [
        (row.corpus or "unknown", row.licence or "unknown", f"{row.streams:,}", f"{row.events:,}", hours(row.hours))
        for row in totals.licences
    ]
    terminal.table(("corpus", "licence", "#streams", "#events", "#hours of events"), rows)
    drop_lines(terminal, totals)
    terminal.result(
        {
            "total": _as_json(totals.total),
            "splits": groups_as_json(totals.splits),
            "abilities": groups_as_json(totals.abilities),
            "subtasks": groups_as_json(totals.subtasks),
            "kinds": groups_as_json(totals.kinds),
            "episodes": msgspec.to_builtins(totals.episodes),
            "scenes": msgspec.to_builtins(totals.scenes),
            "languages": groups_as_json(totals.languages),
            "licences": [{**msgspec.to_builtins(row), "hours": row.hours} for row in totals.licences],
            "drops": {row.reason: row.streams for row in totals.drops},
        }
    )


def _composite_tables(terminal: Terminal, totals: Stats) -> None:
    """Prints what composites are made of, and how their scenes found their sounds."""
    if [group.name for group in totals.kinds] not in ([], ["single"]):
        rows = [(one.ability, one.subtask, f"{one.episodes:,}", f"{one.streams:,}") for one in totals.episodes]
        terminal.table(("ability", "sub-task", "#episodes", "#in streams"), rows)
        terminal.say()
    if totals.scenes:
        columns = ("planner", "#scenes", "#accepted", "#reprocessed", "#generated", "#rejected clips")
        counts = [(one.scenes, one.accepted, one.reprocessed, one.generated, one.rejected) for one in totals.scenes]
        names = [one.planner for one in totals.scenes]
        terminal.table(columns, [(name, *map("{:,}".format, row)) for name, row in zip(names, counts, strict=True)])
        terminal.say()


def group_table(terminal: Terminal, name: str, groups: Sequence[GroupStats], total: GroupStats) -> None:
    """Prints one row per group, and the total where there is more than one."""
    columns = (name, "#streams", "#hours", "#responses", "#silent chunks", "#rounds per stream")
    total_row = _cells(total, "all") if len(groups) > 1 else ()
    terminal.table(columns, [_cells(group, group.name) for group in groups], total=total_row)


def drop_lines(terminal: Terminal, totals: Stats) -> None:
    """Prints how many streams were dropped, by reason."""
    if totals.drops:
        terminal.say()
        terminal.table(("dropped because", "#streams"), [(row.reason, f"{row.streams:,}") for row in totals.drops])


def groups_as_json(groups: Sequence[GroupStats]) -> list[dict[str, Any]]:
    """Returns groups as they stand in JSON."""
    return [_as_json(group) for group in groups]


def _cells(group: GroupStats, name: str) -> tuple[str, ...]:
    return (
        name,
        f"{group.streams:,}",
        hours(group.hours),
        f"{group.responses:,}",
        percent(group.silent_share),
        f"{group.mean_rounds:.1f}",
    )


def _as_json(group: GroupStats) -> dict[str, Any]:
    values: dict[str, Any] = msgspec.to_builtins(group)
    return {**values, "hours": group.hours, "silent_share": group.silent_share}
