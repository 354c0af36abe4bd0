"""Questions to a bank's index, answered by DuckDB."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from soundflow_data.bank.bank import Bank
from soundflow_data.bank.clip import Clip
from soundflow_data.bank.format import INDEX
from soundflow_data.errors import BankError

_SEARCHED = "lower(concat_ws(' ', label, caption, text, speaker, emotion, id))"


def search(bank: Bank, *, text: str = "", where: str = "", limit: int = 20) -> list[Clip]:
    """Returns the clips that fit, in the order of the bank.

    Args:
        bank: The bank.
        text: Words that must all occur in label, caption, text, speaker, emotion or id; case does not count.
        where: A condition in SQL over the index columns, such as `num_samples > 16000 and licence = 'CC0'`.
        limit: At most so many.

    Raises:
        BankError: The condition is not SQL that DuckDB understands.
    """
    words = [word.lower().replace("_", " ") for word in text.split()]
    conditions = [f"contains(replace({_SEARCHED}, '_', ' '), ?)" for _ in words]
    if where:
        conditions.append(f"({where})")
    sql = f"select row from clips where {' and '.join(conditions) or 'true'} order by row limit {int(limit)}"  # noqa: S608
    found = query(bank, sql, words)
    return [bank.clip(row) for row in found["row"].to_pylist()]


def query(bank: Bank, sql: str, parameters: Sequence[object] = ()) -> pa.Table:
    """Runs SQL over the table `clips`, which is the bank's index.

    Raises:
        BankError: DuckDB refuses the SQL.
    """
    with duckdb.connect() as connection:
        _view(connection, bank.path / INDEX)
        try:
            return connection.sql(sql, params=list(parameters)).to_arrow_table()
        except duckdb.Error as error:
            columns = ", ".join(name for name, *_ in connection.execute("describe clips").fetchall())
            raise BankError(
                f"bank {bank.path}: {error}; correct the SQL: the table is `clips`, its columns are {columns}"
            ) from error


def closest_id(index: Path, clip_id: str) -> str:
    """Returns the id in an index that is most like another."""
    with duckdb.connect() as connection:
        _view(connection, index)
        sql = "select id from clips order by jaro_winkler_similarity(id, ?) desc, row limit 1"
        found = connection.execute(sql, [clip_id]).fetchone()
    assert found is not None
    closest: str = found[0]
    return closest


def _view(connection: duckdb.DuckDBPyConnection, index: Path) -> None:
    # A view takes no parameters, so the path is quoted the SQL way.
    path = str(index).replace("'", "''")
    connection.execute(f"create view clips as select * from read_parquet('{path}')")  # noqa: S608
