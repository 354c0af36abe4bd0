"""What Parquet files and saved Hugging Face data sets have in common: Arrow columns, one of them with recordings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa

from soundflow_data.bank.readers._packed import PackedCorpus, cell
from soundflow_data.bank.readers._rows import Row, RowError, listed
from soundflow_data.bank.source import SourceItem
from soundflow_data.errors import BankError

Features = Mapping[str, Any]
_NAMES: Final = ("audio", "wav", "flac", "mp3", "recording")


def audio_column(source: str, schema: pa.Schema, features: Features, wanted: str, file: Path) -> str:
    """Returns the name of the column that holds recordings.

    Args:
        source: Name of the reader, for messages.
        schema: Columns of the file.
        features: What Hugging Face `datasets` says about them, if anything.
        wanted: The name that the user gives, if any.
        file: The file, for messages.

    Raises:
        BankError: There is none.
    """
    if wanted:
        found = [wanted] if wanted in schema.names else []
    else:
        declared = [name for name, feature in features.items() if _type(feature) == "Audio" and name in schema.names]
        structs = [field.name for field in schema if _holds_bytes(field.type)]
        named = [name for name in _NAMES if name in schema.names and pa.types.is_binary(schema.field(name).type)]
        found = declared or structs or named
    if not found:
        raise BankError(
            f"source {source!r}: {file} has no column {wanted!r} of recordings; it has {', '.join(schema.names)}"
            if wanted
            else f"source {source!r}: {file} has no column of recordings, of type {{bytes, path}} or binary; it has "
            f"{', '.join(schema.names)}. Name it with `audio`"
        )
    return found[0]


def _holds_bytes(kind: pa.DataType) -> bool:
    return pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0


def _type(feature: Any) -> str:
    return str(feature.get("_type", "")) if isinstance(feature, Mapping) else ""


def class_names(features: Features) -> dict[str, list[str]]:
    """Returns the names of the classes of each column that holds their numbers."""
    return {
        name: list(one["names"]) for name, one in features.items() if _type(one) == "ClassLabel" and one.get("names")
    }


def decode_features(raw: bytes, key: str = "") -> Features:
    """Reads what Hugging Face `datasets` wrote about the columns; nothing where it is not what it should be."""
    try:
        info = msgspec.json.decode(raw, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}
    features = (info.get(key) or {}).get("features") if key else info.get("features")
    return features if isinstance(features, dict) else {}


def batch_items(
    reader: PackedCorpus,
    batches: Iterator[pa.RecordBatch],
    *,
    column: str,
    features: Features,
    folder: Path,
    name: str,
    fold: str,
) -> Iterator[SourceItem]:
    """Lists the rows of a file.

    Args:
        reader: Knows the columns' names and what holds for all rows.
        batches: The rows.
        column: Name of the audio column.
        features: What is declared about the columns.
        folder: Where paths of recordings start.
        name: How reports call the file, unique in the corpus.
        fold: Fold of rows that name none.
    """
    classes = class_names(features)
    stem = name.rpartition(".")[0].replace("/", "-")

    def rows() -> Iterator[tuple[int, Row | RowError]]:
        number = 0
        for batch in batches:
            for row in batch.to_pylist():
                number += 1
                yield number, {**row, "": number}

    def item(row: Row) -> Iterator[SourceItem]:
        number = row[""]
        known = {key: _class(value, classes[key]) if key in classes else value for key, value in row.items()}
        audio, path = cell(known.pop(column), folder, f"{name}, row {number}")
        yield reader.item(known, audio, name=f"{stem}-{number}", path=path, fold=fold)

    return listed(rows(), item, kind=reader.kind or "sound", name=name)


def _class(value: Any, names: list[str]) -> Any:
    if isinstance(value, int) and not 0 <= value < len(names):
        raise RowError(f"is of class {value}, but there are {len(names)}", "unknown label")
    return names[value] if isinstance(value, int) else value
