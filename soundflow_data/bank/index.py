"""The columns of a bank's index, each read when first asked for and kept as one compact array."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from soundflow_data.bank.format import CODED, SCHEMA
from soundflow_data.errors import BankError

Rows = NDArray[np.int32]

_NO_ROWS: Rows = np.empty(0, np.int32)
_NO_ROWS.setflags(write=False)
_NUMBERS = tuple(field.name for field in SCHEMA if pa.types.is_primitive(field.type))


class Groups(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of a bank grouped by one column.

    Attributes:
        values: The different values, in order of first appearance.
        codes: int32 (num_rows,), which of the values each row has.
        order: int32 (num_rows,), rows ordered by code, then by row.
        bounds: int64 (len(values) + 1,), where each value's rows start in `order`.
    """

    values: pa.StringArray
    codes: Rows
    order: Rows
    bounds: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.values)

    def rows_of(self, code: int) -> Rows:
        """Returns the rows of one value, ascending."""
        return self.order[self.bounds[code] : self.bounds[code + 1]]

    def rows(self, value: str) -> Rows:
        """Returns the rows that have the value, ascending; none when no row has it."""
        code: int = self.values.index(value).as_py()
        return _NO_ROWS if code < 0 else self.rows_of(code)


class Index:
    """Reads columns of `index.parquet`.

    Args:
        path: The file.
        num_rows: Rows that it must have.

    Raises:
        BankError: The file is missing or damaged.
    """

    def __init__(self, path: Path, num_rows: int) -> None:
        self._path = path
        self._numbers: dict[str, NDArray[Any]] = {}
        self._groups: dict[str, Groups] = {}
        found = self._call(lambda: pq.read_metadata(path).num_rows)
        if found != num_rows:
            raise BankError(f"bank {path.parent}: {path.name} has {found} rows where {num_rows} belong; build it again")

    def table(self, names: Iterable[str] | None = None) -> pa.Table:
        """Reads columns, by default all, as an Arrow table."""
        columns = list(SCHEMA.names if names is None else names)
        for name in columns:
            self._check(name, SCHEMA.names)
        return self._call(lambda: pq.read_table(self._path, columns=columns, partitioning=None))

    def numbers(self, name: str) -> NDArray[Any]:
        """Returns a numeric column as a read-only array (num_rows,)."""
        if name not in self._numbers:
            self._check(name, _NUMBERS)
            array = self.table([name])[name].to_numpy()
            array.setflags(write=False)
            self._numbers[name] = array
        return self._numbers[name]

    def groups(self, name: str) -> Groups:
        """Returns the rows grouped by a column of `CODED`."""
        if name not in self._groups:
            self._check(name, CODED)
            self._groups[name] = self._call(lambda: _group(self._path, name))
        return self._groups[name]

    def rows(self, wanted: dict[str, str | Collection[str] | None], num_rows: int) -> Rows:
        """Returns the rows that have all wanted values, ascending; a collection means any of its values."""
        result: Rows | None = None
        for name, values in wanted.items():
            if values is None:
                continue
            groups = self.groups(name)
            if isinstance(values, str):
                rows = groups.rows(values)
            else:
                rows = np.sort(np.concatenate([_NO_ROWS, *(groups.rows(value) for value in dict.fromkeys(values))]))
            result = rows if result is None else np.intersect1d(result, rows, assume_unique=True)
        return np.arange(num_rows, dtype=np.int32) if result is None else result

    def _check(self, name: str, allowed: Collection[str]) -> None:
        if name not in allowed:
            raise BankError(f"bank {self._path.parent}: no such column {name!r}; allowed are {', '.join(allowed)}")

    def _call(self, read: Any) -> Any:
        try:
            return read()
        except FileNotFoundError as error:
            raise BankError(f"bank {self._path.parent} lacks {self._path.name}; build the bank again") from error
        except (pa.ArrowException, OSError) as error:
            raise BankError(f"{self._path} is damaged ({error}); build the bank again") from error


def _group(path: Path, name: str) -> Groups:
    """Reads one column as codes and sorts the rows by them, stably."""
    table = pq.read_table(path, columns=[name], read_dictionary=[name], partitioning=None)
    column = table.unify_dictionaries()[name].combine_chunks()
    codes = column.indices.to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
    order = np.argsort(codes, kind="stable").astype(np.int32)
    bounds = np.zeros(len(column.dictionary) + 1, np.int64)
    np.cumsum(np.bincount(codes, minlength=len(column.dictionary)), out=bounds[1:])
    for array in (order, bounds):
        array.setflags(write=False)
    return Groups(values=column.dictionary, codes=codes, order=order, bounds=bounds)
