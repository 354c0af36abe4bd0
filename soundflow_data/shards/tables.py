"""SQL over a run directory: DuckDB views of the tables of all finished shards.

    streams     one row per stream           drops      one row per stream that could not be made
    events      one row per event            receipts   one row per finished shard
    responses   one row per response

Nothing but what DuckDB carries is used: no extension is ever downloaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Literal

import duckdb
import msgspec
import pyarrow as pa

from soundflow_data.errors import RunError, ShardError
from soundflow_data.shards.layout import Table
from soundflow_data.shards.manifest import columns_of
from soundflow_data.shards.receipts import Receipt, list_receipts
from soundflow_data.shards.storage import Storage

View = Literal["streams", "events", "responses", "drops", "receipts"]

ALL_VIEWS: Final[tuple[View, ...]] = ("streams", "events", "responses", "drops", "receipts")
_TABLES: Final[dict[View, Table]] = {"streams": "manifest", "events": "events", "responses": "responses"}
_DROPS: Final = {"shard": "INTEGER", "split": "VARCHAR", "key": "VARCHAR", "reason": "VARCHAR", "detail": "VARCHAR"}


class QueryResult(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a query: names of the columns, and one tuple per row."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


@contextmanager
def connect(
    storage: Storage, receipts: Sequence[Receipt] | None = None, views: Sequence[View] = ALL_VIEWS
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Opens a connection with the views above.

    Args:
        storage: The run directory.
        receipts: The finished shards to look at; by default all.
        views: Those that are needed; each opens a file of every shard.

    Raises:
        ShardError: A table is damaged.
    """
    finished = list_receipts(storage) if receipts is None else receipts
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    with duckdb.connect(":memory:", config=config) as connection:
        try:
            for view in views:
                _add_view(connection, storage, finished, view)
        except duckdb.Error as error:
            raise ShardError(f"{storage.locate('')}: {error}; `soundflow validate` tells what to make again") from error
        yield connection


def run_query(storage: Storage, sql: str) -> QueryResult:
    """Answers one SELECT over the views above; nothing can be written.

    Raises:
        RunError: The query is not one SELECT, or DuckDB refuses it; the message lists the columns.
    """
    with connect(storage) as connection:
        return select(connection, sql)


def select(connection: duckdb.DuckDBPyConnection, sql: str) -> QueryResult:
    """Answers one SELECT on a connection that `connect` opened; raises like `run_query`."""
    cursor = execute(connection, sql)
    return QueryResult(columns=tuple(column[0] for column in cursor.description or ()), rows=cursor.fetchall())


def execute(connection: duckdb.DuckDBPyConnection, sql: str) -> duckdb.DuckDBPyConnection:
    """Runs one SELECT and leaves its rows to be fetched; raises like `run_query`."""
    try:
        statements = connection.extract_statements(sql)
        kinds = [statement.type for statement in statements]
        if kinds != [duckdb.StatementType.SELECT]:
            found = ", ".join(kind.name for kind in kinds) or "nothing"
            raise RunError(f"query {sql!r}: one SELECT is answered, this is {found}")
        return connection.execute(statements[0])
    except duckdb.Error as error:
        raise RunError(f"query {sql!r}: {error}\n{_columns(connection)}") from error


def _add_view(connection: duckdb.DuckDBPyConnection, storage: Storage, receipts: Sequence[Receipt], view: View) -> None:
    if view == "receipts":
        connection.register(view, _receipts_table(receipts))
    elif view == "drops":
        listed = (receipt.shard.quarantine for receipt in receipts if receipt.shard.quarantine in receipt.files)
        paths = [storage.locate(path) for path in listed]
        fields = ", ".join(f"{name}: '{kind}'" for name, kind in _DROPS.items())
        source = f"read_json({_texts(paths)}, format='newline_delimited', columns={{{fields}}})"
        _create_view(connection, view, source if paths else None, _DROPS)
    else:
        table = _TABLES[view]
        paths = [storage.locate(receipt.shard.table(table)) for receipt in receipts]
        columns = {column.name: _sql_type(column.type) for column in columns_of(table)}
        _create_view(connection, view, f"read_parquet({_texts(paths)})" if paths else None, columns)


def _create_view(connection: duckdb.DuckDBPyConnection, name: str, source: str | None, columns: dict[str, str]) -> None:
    if source is None:
        nulls = ", ".join(f"NULL::{kind} AS {column}" for column, kind in columns.items())
        connection.execute(f"CREATE VIEW {name} AS SELECT {nulls} WHERE false")
    else:
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM {source}")  # noqa: S608 - the paths are quoted


def _texts(values: Sequence[str]) -> str:
    return "[" + ", ".join("'" + value.replace("'", "''") + "'" for value in values) + "]"


def _sql_type(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"{_sql_type(kind.value_type)}[]"
    names = {"string": "VARCHAR", "int32": "INTEGER", "int64": "BIGINT", "uint64": "UBIGINT", "double": "DOUBLE"}
    return names[str(kind)]


def _receipts_table(receipts: Sequence[Receipt]) -> pa.Table:
    def column(values: list[Any], kind: pa.DataType) -> pa.Array:
        return pa.array(values, kind)

    return pa.table(
        {
            "shard": column([receipt.shard.index for receipt in receipts], pa.int32()),
            "split": column([receipt.shard.split for receipt in receipts], pa.string()),
            "tar": column([receipt.shard.tar for receipt in receipts], pa.string()),
            "codec": column([receipt.codec for receipt in receipts], pa.string()),
            "num_streams": column([receipt.counts.streams for receipt in receipts], pa.int64()),
            "num_events": column([receipt.counts.events for receipt in receipts], pa.int64()),
            "num_responses": column([receipt.counts.responses for receipt in receipts], pa.int64()),
            "num_chunks": column([receipt.counts.chunks for receipt in receipts], pa.int64()),
            "num_silent_chunks": column([receipt.counts.silent_chunks for receipt in receipts], pa.int64()),
            "seconds": column([receipt.seconds for receipt in receipts], pa.float64()),
            "num_drops": column([sum(receipt.drops.values()) for receipt in receipts], pa.int64()),
            "num_bytes": column([receipt.num_bytes for receipt in receipts], pa.int64()),
            "sha256": column([receipt.files[receipt.shard.tar].sha256 for receipt in receipts], pa.string()),
            "fingerprint": column([receipt.identity.fingerprint for receipt in receipts], pa.string()),
        }
    )


def _columns(connection: duckdb.DuckDBPyConnection) -> str:
    lines = []
    for (view,) in connection.execute("SHOW TABLES").fetchall():
        cursor = connection.execute(f"DESCRIBE {view}")
        lines.append(f"{view}: {', '.join(row[0] for row in cursor.fetchall())}")
    return "\n".join(lines)
