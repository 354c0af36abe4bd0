"""Data sets that Hugging Face `datasets` saved to disk; the library itself is not needed to read them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import pyarrow as pa
from msgspec import Meta

from soundflow_data.bank.readers._arrow import audio_column, batch_items, decode_features
from soundflow_data.bank.readers._packed import PackedCorpus
from soundflow_data.bank.source import SourceItem
from soundflow_data.errors import BankError

_ROWS: Final = 16  # recordings in memory at once


class _DataFile(msgspec.Struct, frozen=True):
    filename: str


class _State(msgspec.Struct, frozen=True):
    files: list[_DataFile] = msgspec.field(name="_data_files")
    indices: list[Any] | None = msgspec.field(name="_indices_data_files", default=None)


class SavedDataset(PackedCorpus, frozen=True, kw_only=True):
    """A folder that `Dataset.save_to_disk` or `DatasetDict.save_to_disk` wrote (huggingface.co/docs/datasets/process).

    Layout:
        dataset_dict.json                        {splits: [...]}, each split in a folder; or one split:
        [<split>/]state.json                     {_data_files: [{filename}, ...], ...}
        [<split>/]dataset_info.json              {features: {<column>: {_type: Audio}, ...}, ...}
        [<split>/]data-<number>-of-<count>.arrow an Arrow stream with an audio column of {bytes, path}; and text, label,
                                                 speaker, ... under our names or common others

    Numbers of classes are replaced by their names, and the split is the fold. A speaker is never in two splits; without
    speakers, a recording is not.
    """

    audio: Annotated[str, Meta(description="The audio column; found by its type where it is not given.")] = ""

    def items(self) -> Iterator[SourceItem]:
        """Lists the rows, split by split."""
        self.check_columns()
        for folder, split in self._splits():
            state = self._state(folder)
            info = folder / "dataset_info.json"
            features = decode_features(info.read_bytes() if info.is_file() else b"{}")
            for one in state.files:
                file = folder / one.filename
                name = f"{split}/{one.filename}" if split else one.filename
                try:
                    with pa.memory_map(str(file)) as mapped, pa.ipc.open_stream(mapped) as stream:
                        column = audio_column("saved_dataset", stream.schema, features, self.audio, file)
                        yield from batch_items(
                            self,
                            _slices(stream),
                            column=column,
                            features=features,
                            folder=folder,
                            name=name,
                            fold=split,
                        )
                except (OSError, pa.ArrowException) as error:
                    raise BankError(
                        f"source 'saved_dataset': {file} is not a proper Arrow stream ({error}); save it again"
                    ) from error

    def _splits(self) -> list[tuple[Path, str]]:
        listing = self.path / "dataset_dict.json"
        if not listing.is_file():
            return [(self.path, "")]
        try:
            splits = msgspec.json.decode(listing.read_bytes(), type=dict[str, list[str]])["splits"]
        except (msgspec.DecodeError, KeyError) as error:
            raise BankError(f"source 'saved_dataset': {listing} does not name the splits ({error})") from error
        return [(self.path / split, split) for split in splits]

    def _state(self, folder: Path) -> _State:
        file = folder / "state.json"
        try:
            state = msgspec.json.decode(file.read_bytes(), type=_State)
        except (OSError, msgspec.DecodeError) as error:
            raise BankError(
                f"source 'saved_dataset': {folder} is no folder that `save_to_disk` wrote: state.json cannot be read "
                f"({error})"
            ) from error
        if state.indices:
            raise BankError(
                f"source 'saved_dataset': {folder} was saved with a selection of rows beside it; call "
                "flatten_indices() and save it again"
            )
        return state


def _slices(stream: Any) -> Iterator[pa.RecordBatch]:
    """Cuts the batches of a stream, which may hold a thousand recordings, into a few rows each."""
    for batch in stream:
        for start in range(0, batch.num_rows, _ROWS):
            yield batch.slice(start, _ROWS)
