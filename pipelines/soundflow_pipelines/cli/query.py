"""`soundflow query`: SQL over a run directory."""

from __future__ import annotations

import csv
import io
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from soundflow_pipelines.cli.arguments import Json, RunFolder
from soundflow_pipelines.cli.terminal import Terminal

if TYPE_CHECKING:
    from soundflow_data.shards import QueryResult

MAX_ROWS = 200  # that are printed for people


def query(
    out: RunFolder,
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT, in quotes.")],
    as_csv: Annotated[bool, typer.Option("--csv", help="Print all rows as CSV.")] = False,
    as_json: Json = False,
) -> None:
    """Answers one SELECT (DuckDB) over the tables streams, events, responses, drops and receipts.

    Example: `soundflow query out/quickstart "SELECT ability, count(*), sum(seconds) FROM streams GROUP BY ability"`
    """
    from soundflow_data.quality.stats import query as ask  # noqa: PLC0415
    from soundflow_data.shards import LocalStorage  # noqa: PLC0415
    from soundflow_pipelines.synthesize import read_run_info  # noqa: PLC0415

    if as_csv and as_json:
        raise typer.BadParameter("give either --csv or --json")
    storage = LocalStorage(out)
    read_run_info(storage)
    answer = ask(storage, sql)
    if as_csv:
        sys.stdout.write(_csv(answer))
        return
    terminal = Terminal(as_json=as_json)
    terminal.table(
        [("#" if _is_number(answer, i) else "") + name for i, name in enumerate(answer.columns)],
        [[_cell(value) for value in row] for row in answer.rows[:MAX_ROWS]],
    )
    if len(answer.rows) > MAX_ROWS:
        terminal.note(f"{len(answer.rows) - MAX_ROWS:,} more rows; --csv and --json print all of them")
    rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    terminal.result({"columns": answer.columns, "rows": rows})


def _is_number(answer: QueryResult, column: int) -> bool:
    return any(isinstance(row[column], int | float) for row in answer.rows[:MAX_ROWS])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _csv(answer: QueryResult) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(answer.columns)
    writer.writerows(answer.rows)
    return file.getvalue()
