"""Records of JSON, JSON lines and Parquet files, one after another, with broken ones named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from soundflow_data.bank.readers._files import own_files
from soundflow_data.bank.readers._json import elements
from soundflow_data.bank.readers._rows import Row, RowError
from soundflow_data.errors import BankError

ENDINGS: Final = (".json", ".jsonl", ".parquet")
_BATCH: Final = 256


def record_files(source: str, path: Path) -> list[Path]:
    """Returns the file itself, or the files of records in a folder and its folders, by name.

    Raises:
        BankError: There are none.
    """
    files = own_files(path, ENDINGS) if path.is_dir() else [path]
    if not files or not files[0].is_file() or files[0].suffix.lower() not in ENDINGS:
        raise BankError(f"source {source!r}: {path} is no file, and no folder of files, in {', '.join(ENDINGS)}")
    return files


def read_records(source: str, file: Path) -> Iterator[tuple[int, Row | RowError]]:
    """Reads the records of a file, numbered from 1; JSON may be one array or one record per line, whatever its ending.

    Raises:
        BankError: The file cannot be read, or is not what its ending says.
    """
    if file.suffix.lower() == ".parquet":
        yield from enumerate(_parquet(source, file), start=1)
        return
    raws = elements(source, file) if _is_array(source, file) else _lines(file)
    for number, raw in enumerate(raws, start=1):
        yield number, _record(raw)


def _is_array(source: str, file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return opened.read(64).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"[")
    except OSError as error:
        raise BankError(f"source {source!r}: {file} cannot be read ({error.strerror})") from error


def _lines(file: Path) -> Iterator[bytes]:
    with file.open("rb") as lines:
        for line in lines:
            if line.strip():
                yield line.removeprefix(b"\xef\xbb\xbf")


def _record(raw: bytes) -> Row | RowError:
    try:
        record: dict[str, Any] = msgspec.json.decode(raw, type=dict[str, Any])
    except UnicodeDecodeError:
        return RowError("is not UTF-8", "mixed encodings")
    except msgspec.DecodeError as error:
        return RowError(f"is not a JSON object ({error})", "broken row")
    return record


def _parquet(source: str, file: Path) -> Iterator[Row]:
    try:
        with pq.ParquetFile(file) as opened:
            for batch in opened.iter_batches(_BATCH):
                yield from batch.to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise BankError(f"source {source!r}: {file} is not a proper Parquet file ({error})") from error
