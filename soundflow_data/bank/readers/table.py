"""Any folder of recordings that a table describes."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Meta

from soundflow_data.bank.source import File, Reader, SourceItem, Unusable
from soundflow_data.errors import BankError
from soundflow_data.timeline import SAMPLE_RATE, Kind, Word

_TEXTS = (
    "label", "caption", "text", "language", "speaker", "emotion", "dialogue", "reply", "origin", "group", "fold",
    "corpus", "licence",
)  # fmt: skip
_COLUMNS = ("path", "id", "kind", "start", "end", "words", "turn", *_TEXTS)


class Table(Reader, frozen=True, kw_only=True):
    """Recordings listed in a table: CSV, TSV, JSON lines or Parquet, told apart by the ending.

    Layout:
        path                      file, relative to the folder
        label or text             what is heard or said; one of the two columns must be there
        start, end                span of the file in seconds, where it is not all of it
        words                     word times from the span's start: [{text, start, end}, ...] in seconds (CSV: as JSON)
        id, kind, caption, language, speaker, emotion, dialogue, turn, reply, origin, group, fold, corpus, licence
                                  optional, as in the bank's index

    Other columns are passed over. A row that makes no sense, or whose file is missing, is quarantined.
    """

    table: Annotated[Path, Meta(description="The table, ending in .csv, .tsv, .jsonl or .parquet.")]
    folder: Annotated[Path | None, Meta(description="Where the paths start; the table's folder by default.")] = None
    kind: Annotated[Kind, Meta(description="Kind of the rows that name none.")] = "sound"
    language: Annotated[str, Meta(description="Language of the rows that name none.")] = ""
    corpus: Annotated[str, Meta(description="Corpus of the rows that name none; the table's name by default.")] = ""
    licence: Annotated[str, Meta(description="Licence of the rows that name none.")] = "unknown"
    columns: Annotated[
        dict[str, str], Meta(description="Other names of columns in the table, such as label=category,path=filename.")
    ] = msgspec.field(default_factory=dict)

    def items(self) -> Iterator[SourceItem]:
        """Lists the rows in their order."""
        unknown = sorted(set(self.columns) - set(_COLUMNS))
        if unknown:
            raise BankError(f"source 'table': columns has {', '.join(unknown)}; allowed are {', '.join(_COLUMNS)}")
        for number, row in enumerate(self._rows(), start=1):
            try:
                yield self._item(row)
            except _RowError as error:
                reason = Unusable(reason="bad row", message=f"{self.table.name}, row {number}: {error}")
                yield SourceItem(id=f"row-{number}", audio=reason, kind=self.kind, path=str(row.get("path") or ""))

    def _rows(self) -> Iterator[dict[str, Any]]:
        """Reads the rows, with the columns under our names and without the empty ones."""
        names = {self.columns.get(name, name): name for name in _COLUMNS}
        for row in _read(self.table, self._check_columns):
            yield {
                names[key]: value for key, value in row.items() if key in names and value is not None and value != ""
            }

    def _check_columns(self, present: list[str]) -> None:
        label, text, path = (self.columns.get(name, name) for name in ("label", "text", "path"))
        if path not in present or (label not in present and text not in present):
            raise BankError(
                f"source 'table': {self.table} needs a column {path!r} and one of {label!r} and {text!r}; it has "
                f"{', '.join(present)}. Other names can be given as columns=path=...,label=..."
            )

    def _item(self, row: dict[str, Any]) -> SourceItem:
        path = row.get("path")
        if not isinstance(path, str):
            raise _RowError("there is no path")
        start_s, end_s = _seconds(row, "start") or 0.0, _seconds(row, "end")
        if end_s is not None and end_s <= start_s:
            raise _RowError(f"the span ends at {end_s} s, before its start at {start_s} s")
        span = f"@{start_s:g}-{'' if end_s is None else f'{end_s:g}'}" if start_s or end_s is not None else ""
        texts = {name: str(row[name]) for name in _TEXTS if name in row}
        defaults = {"language": self.language, "corpus": self.corpus or self.table.stem, "licence": self.licence}
        return SourceItem(
            id=str(row.get("id", path + span)),
            audio=File(path=(self.folder or self.table.parent) / path, start_s=start_s, end_s=end_s),
            kind=_kind(row.get("kind", self.kind)),
            path=path,
            words=_words(row.get("words")),
            turn=_turn(row),
            **{"origin": f"{defaults['corpus']}:{path}", **defaults, **texts},
        )


_Check = Callable[[list[str]], None]


class _RowError(ValueError):
    """A row makes no sense."""


def _read(table: Path, check: _Check) -> Iterator[Mapping[str, Any]]:
    readers = {".csv": _read_csv, ".tsv": _read_csv, ".jsonl": _read_jsonl, ".parquet": _read_parquet}
    reader = readers.get(table.suffix.lower())
    if reader is None:
        raise BankError(f"source 'table': {table} must end in one of {', '.join(readers)}")
    try:
        yield from reader(table, check)
    except OSError as error:
        raise BankError(f"source 'table': {table} cannot be read ({error.strerror or error})") from error
    except (UnicodeDecodeError, csv.Error, msgspec.DecodeError, pa.ArrowException) as error:
        raise BankError(f"source 'table': {table} is not a proper {table.suffix} file ({error})") from error


def _read_csv(table: Path, check: _Check) -> Iterator[Mapping[str, Any]]:
    with table.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file, delimiter="\t" if table.suffix.lower() == ".tsv" else ",")
        check(list(reader.fieldnames or ()))
        yield from reader


def _read_jsonl(table: Path, check: _Check) -> Iterator[Mapping[str, Any]]:
    decoder = msgspec.json.Decoder(dict[str, Any])
    with table.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                try:
                    row = decoder.decode(line)
                except msgspec.DecodeError as error:
                    raise BankError(f"source 'table': {table}, line {number} is not a JSON object ({error})") from error
                if number == 1:
                    check(list(row))
                yield row


def _read_parquet(table: Path, check: _Check) -> Iterator[Mapping[str, Any]]:
    with pq.ParquetFile(table) as file:
        check(file.schema_arrow.names)
        for batch in file.iter_batches():
            yield from batch.to_pylist()


def _seconds(row: Mapping[str, Any], name: str) -> float | None:
    if name not in row:
        return None
    try:
        value = float(row[name])
    except (TypeError, ValueError) as error:
        raise _RowError(f"{name} is {row[name]!r}, not a number of seconds") from error
    if not (math.isfinite(value) and value >= 0):
        raise _RowError(f"{name} is {value}; it must be at least 0")
    return value


def _kind(value: Any) -> Kind:
    try:
        return msgspec.convert(value, Kind)
    except msgspec.ValidationError as error:
        raise _RowError(f"kind is {value!r}; it must be speech, sound, music or noise") from error


def _turn(row: Mapping[str, Any]) -> int:
    try:
        return int(row.get("turn", -1))
    except (TypeError, ValueError) as error:
        raise _RowError(f"turn is {row['turn']!r}, not a whole number") from error


class _WordTime(msgspec.Struct, frozen=True):
    text: str
    start: float
    end: float


def _words(value: Any) -> tuple[Word, ...]:
    if value is None:
        return ()
    try:
        times = (
            msgspec.json.decode(value, type=list[_WordTime])
            if isinstance(value, str)
            else msgspec.convert(value, list[_WordTime])
        )
    except msgspec.MsgspecError as error:
        raise _RowError(f"words are not a list of text, start and end ({error})") from error
    return tuple(
        Word(text=word.text, start=round(word.start * SAMPLE_RATE), end=round(word.end * SAMPLE_RATE)) for word in times
    )
