"""What a bank looks like on disk.

    bank.json             what is in it, counted; written last
    index.parquet         one row per clip, for people and DuckDB
    records.bin           the same rows, one packed record after another, for workers
    lookup.bin            where each record starts, and rows ordered by the hash of their id
    pcm-00000.i16         samples: 16 kHz, mono, little-endian int16; every clip starts on a block of 160
    energy-00000.i64      sum of squares of the samples before each block of that part, from 0 to the total
    quarantine.jsonl      one line per item of the source that could not be used

Workers map all files but the index, so that a bank of any size opens at once and the workers of a machine share it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa

from soundflow_data.errors import BankError

FORMAT: Final = 1
PART_SAMPLES: Final = 1 << 29  # 1 GiB of int16

INFO: Final = "bank.json"
INDEX: Final = "index.parquet"
RECORDS: Final = "records.bin"
LOOKUP: Final = "lookup.bin"
QUARANTINE: Final = "quarantine.jsonl"

# Columns with few different values, by which rows can be looked up; the others are numbers or free text.
CODED: Final = (
    "kind", "label", "language", "speaker", "emotion", "dialogue", "origin", "group", "fold", "corpus", "licence",
)  # fmt: skip

SCHEMA: Final = pa.schema(
    [
        ("row", pa.int32()),
        ("id", pa.string()),
        ("kind", pa.string()),
        ("num_samples", pa.int32()),
        ("label", pa.string()),
        ("caption", pa.string()),
        ("text", pa.string()),
        ("language", pa.string()),
        ("speaker", pa.string()),
        ("words", pa.list_(pa.struct([("text", pa.string()), ("start", pa.int32()), ("end", pa.int32())]))),
        ("emotion", pa.string()),
        ("dialogue", pa.string()),
        ("turn", pa.int32()),
        ("reply", pa.string()),
        ("origin", pa.string()),
        ("group", pa.string()),
        ("fold", pa.string()),
        ("corpus", pa.string()),
        ("licence", pa.string()),
        ("level_db", pa.float64()),
        ("peak", pa.int32()),
        ("recognisable", pa.int32()),
        ("occurrences", pa.int32()),
        ("sha256", pa.string()),
        ("path", pa.string()),
        ("part", pa.int32()),
        ("start", pa.int64()),
    ]
)


class BankInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The content of `bank.json`.

    Attributes:
        format: Version of the layout on disk.
        name: Name of the bank.
        fingerprint: SHA-256 over `digests`; banks with equal ones hold the same clips in the same order.
        digests: SHA-256 of `records.bin` and of each PCM file.
        inputs: SHA-256 over the source's description, its listing and the settings; decides whether to build again.
        created_by: Versions of the programs that made it.
        source: The source's own description.
        settings: How clips were prepared.
        num_items: Items that the source listed.
        num_clips: Rows of the index.
        hours: Hours of audio.
        hours_by_kind: The same per kind.
        hours_by_licence: The same per licence.
        drops: Items that could not be used, by reason.
        num_cut: Items that were longer than the settings allow and were cut.
        num_single: Extra clips that hold one occurrence of a longer recording.
        parts: Samples in each PCM file.
        records_size: Bytes of `records.bin`.
    """

    format: int
    name: str
    fingerprint: str
    digests: tuple[str, ...]
    inputs: str
    created_by: dict[str, str]
    source: dict[str, Any]
    settings: dict[str, Any]
    num_items: int
    num_clips: int
    hours: float
    hours_by_kind: dict[str, float]
    hours_by_licence: dict[str, float]
    drops: dict[str, int]
    num_cut: int
    num_single: int
    parts: tuple[int, ...]
    records_size: int


class _FormatOnly(msgspec.Struct):
    format: int


def part_names(part: int) -> tuple[str, str]:
    """Returns the names of the sample file and the energy file of a part."""
    return f"pcm-{part:05d}.i16", f"energy-{part:05d}.i64"


def write_info(folder: Path, info: BankInfo) -> None:
    """Writes `bank.json`."""
    (folder / INFO).write_bytes(msgspec.json.format(msgspec.json.encode(info), indent=2) + b"\n")


def read_info(folder: Path) -> BankInfo:
    """Reads `bank.json`.

    Raises:
        BankError: The folder is not a bank, or one of another format.
    """
    file = folder / INFO
    try:
        data = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BankError(f"{folder} is not a bank: it has no {INFO}; build one with `soundflow bank build`") from error
    try:
        found = msgspec.json.decode(data, type=_FormatOnly).format
        if found != FORMAT:
            raise BankError(
                f"{file}: format {found}, but this version of SoundFlow reads format {FORMAT}; build the bank again"
            )
        return msgspec.json.decode(data, type=BankInfo)
    except msgspec.DecodeError as error:
        raise BankError(f"{file} is damaged ({error}); build the bank again") from error
