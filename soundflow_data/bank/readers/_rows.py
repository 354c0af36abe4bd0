"""What the readers of tables have in common: rows read one by one, and broken ones that are named."""

from __future__ import annotations

import codecs
import csv
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from soundflow_data.bank.source import SourceItem, Unusable
from soundflow_data.errors import BankError
from soundflow_data.timeline import Kind

MAX_SPAN_S: Final = 7_200.0  # as long as the longest recording that is decoded; a longer span is a slip of the table

Row = Mapping[str, Any]


class RowError(ValueError):
    """A row, or what stands for one, cannot be used.

    Args:
        message: What is wrong with it, as the end of a sentence such as `train.tsv, row 7: has no sentence`.
        reason: Short and countable.
    """

    def __init__(self, message: str, reason: str = "bad row") -> None:
        super().__init__(message)
        self.reason = reason


Rows = Iterable[tuple[int, Row | RowError]]


def read_table(
    source: str,
    table: Path,
    needed: Sequence[str],
    *,
    names: Sequence[str] = (),
    mark: str = ",",
    quoted: bool = True,
    skip: int = 0,
    comment: str = "",
) -> Iterator[tuple[int, Row | RowError]]:
    """Reads a table of texts row by row, and goes on after a row that is broken.

    A file that starts with a byte order mark is read by it, any other as UTF-8. A needed value that is not UTF-8 makes
    its row unusable; any other is taken as Latin-1.

    Args:
        source: Name of the reader, for messages.
        table: The file.
        needed: Columns that must be there.
        names: All columns, where the table has no header.
        mark: What stands between columns.
        quoted: Whether values may be quoted.
        skip: Lines to pass over at the start.
        comment: Rows that start with it are passed over.

    Returns:
        The number of each row, counted from 1, and the row or what is wrong with it.

    Raises:
        BankError: The file cannot be read, or lacks a column.
    """
    encoding = _encoding(source, table)
    errors = "surrogateescape" if encoding == "utf-8-sig" else "replace"
    with table.open(newline="", encoding=encoding, errors=errors) as file:
        for _ in range(skip):
            file.readline()
        reader = csv.reader(
            file,
            delimiter=mark,
            quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
            skipinitialspace=True,
        )
        header = list(names or next(reader, []))
        missing = [name for name in needed if name not in header]
        if missing:
            raise BankError(
                f"source {source!r}: {table} lacks the columns {', '.join(missing)}; it has {', '.join(header)}"
            )
        yield from _rows(reader, header, needed, comment)


def _encoding(source: str, table: Path) -> str:
    try:
        with table.open("rb") as file:
            start = file.read(2)
    except OSError as error:
        raise BankError(f"source {source!r}: {table} cannot be read ({error.strerror})") from error
    return "utf-16" if start in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE} else "utf-8-sig"


def _rows(
    reader: Iterator[list[str]], header: Sequence[str], needed: Sequence[str], comment: str
) -> Iterator[tuple[int, Row | RowError]]:
    number = 0
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            number += 1
            yield number, RowError(f"cannot be taken apart ({error})", "broken row")
            continue
        if fields and not (comment and fields[0].startswith(comment)):
            number += 1
            yield number, _row(header, fields, needed)


def _row(header: Sequence[str], fields: list[str], needed: Sequence[str]) -> Row | RowError:
    if len(fields) != len(header):
        return RowError(f"has {len(fields)} columns instead of {len(header)}", "broken row")
    row = dict(zip(header, fields, strict=True))
    for name, value in row.items():
        if not value.isascii() and any("\udc80" <= letter <= "\udcff" for letter in value):
            if name in needed:
                return RowError(f"its {name} is not UTF-8", "mixed encodings")
            row[name] = value.encode("utf-8", "surrogateescape").decode("latin-1")
    return row


def read_lines(source: str, file: Path) -> Iterator[tuple[int, str | RowError]]:
    """Reads the lines of a text file that are not empty, with their numbers; those that are not UTF-8 are errors.

    Raises:
        BankError: The file cannot be read.
    """
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    try:
                        yield number, line.decode("utf-8-sig").strip()
                    except UnicodeDecodeError:
                        yield number, RowError("is not UTF-8", "mixed encodings")
    except OSError as error:
        raise BankError(f"source {source!r}: {file} cannot be read ({error.strerror})") from error


def read_pairs(source: str, file: Path) -> Iterator[tuple[int, Row | RowError]]:
    """Reads lines of a name and what belongs to it, `<name> <text>`, as rows with the columns `name` and `text`."""
    for number, line in read_lines(source, file):
        if isinstance(line, RowError):
            yield number, line
        else:
            name, _, text = line.replace("\t", " ").partition(" ")
            yield number, {"name": name, "text": text.strip()}


def listed(rows: Rows, make: Callable[[Row], Iterable[SourceItem]], *, kind: Kind, name: str) -> Iterator[SourceItem]:
    """Makes the items of each row; a row that makes no sense becomes one item that says why.

    Args:
        rows: Numbered rows.
        make: Returns the items of a row, or raises RowError.
        kind: Kind of the items.
        name: How messages call the table, unique in the corpus.
    """
    for number, row in rows:
        try:
            if isinstance(row, RowError):
                raise row
            items = list(make(row))
        except RowError as error:
            items = [unusable(f"{name}:{number}", f"{name}, row {number}: {error}", error.reason, kind=kind, path=name)]
        yield from items


def unusable(item: str, message: str, reason: str, *, kind: Kind, path: str) -> SourceItem:
    """Returns an item that stands for something that cannot be used, so that it is named and counted."""
    return SourceItem(id=item, audio=Unusable(reason=reason, message=message), kind=kind, path=path)


def filled(row: Row, name: str, reason: str = "bad row") -> str:
    """Returns a value without the spaces around it; an empty one raises RowError."""
    value = str(row.get(name) or "").strip()
    if not value:
        raise RowError(f"has no {name}", reason)
    return value


def said(row: Row, name: str) -> str:
    """Returns the value that is a text; an empty one raises RowError with the reason `no text`."""
    return filled(row, name, "no text")


def seconds(value: Any, name: str) -> float:
    """Returns a number of seconds that is not negative; anything else raises RowError."""
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise RowError(f"{name} is {value!r}, not a number of seconds", "bad span") from error
    if not (math.isfinite(number) and number >= 0):
        raise RowError(f"{name} is {number}; it must be at least 0", "bad span")
    return number


def span(start: Any, end: Any) -> tuple[float, float]:
    """Returns start and end of a segment in seconds; one that is empty, turned round or absurd raises RowError."""
    start_s, end_s = seconds(start, "start"), seconds(end, "end")
    if end_s <= start_s:
        raise RowError(f"the span ends at {end_s:g} s, not after its start at {start_s:g} s", "bad span")
    if end_s - start_s > MAX_SPAN_S:
        raise RowError(f"the span of {end_s - start_s:g} s is longer than {MAX_SPAN_S:g} s", "absurd length")
    return start_s, end_s
