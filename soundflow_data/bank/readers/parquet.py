"""Parquet files with a column of recordings, as Hugging Face keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import pyarrow as pa
import pyarrow.parquet as pq
from msgspec import Meta

from soundflow_data.bank.readers._arrow import audio_column, batch_items, decode_features
from soundflow_data.bank.readers._packed import PackedCorpus
from soundflow_data.bank.source import SourceItem
from soundflow_data.errors import BankError

_BATCH: Final = 16  # recordings in memory at once


class Parquet(PackedCorpus, frozen=True, kw_only=True):
    """Parquet files in which a row is a recording (huggingface.co/docs/hub/datasets-audio, section Parquet).

    Layout:
        *.parquet     an audio column of {bytes, path} (bytes of a WAV, FLAC, MP3 ... file), or of plain bytes; and
                      text, label, speaker, ... under our names or common others

    Numbers of classes are replaced by their names where the file declares them. Files that are called `train-...`,
    `test-...` name the fold. A speaker is never in two splits; without speakers, a recording is not.
    """

    audio: Annotated[str, Meta(description="The audio column; found by its type where it is not given.")] = ""

    def items(self) -> Iterator[SourceItem]:
        """Lists the rows, file by file."""
        self.check_columns()
        for file in self.files(".parquet"):
            try:
                yield from self._file(file)
            except (OSError, pa.ArrowException) as error:
                raise BankError(f"source 'parquet': {file} is not a proper Parquet file ({error})") from error

    def _file(self, file: Path) -> Iterator[SourceItem]:
        with pq.ParquetFile(file) as opened:
            schema = opened.schema_arrow
            features = decode_features((schema.metadata or {}).get(b"huggingface", b"{}"), "info")
            column = audio_column("parquet", schema, features, self.audio, file)
            first = file.stem.partition("-")[0]
            yield from batch_items(
                self,
                opened.iter_batches(_BATCH),
                column=column,
                features=features,
                folder=file.parent,
                name=file.relative_to(self.path).as_posix() if self.path.is_dir() else file.name,
                fold=first if first in {"train", "validation", "test"} else "",
            )
