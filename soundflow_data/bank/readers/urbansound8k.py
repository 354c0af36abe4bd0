"""UrbanSound8K: slices of field recordings with ten kinds of urban sound."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from soundflow_data.bank.readers._rows import Row, filled, listed, read_table
from soundflow_data.bank.readers._sounds import with_beds
from soundflow_data.bank.source import File, Reader, SourceItem

CORPUS = "urbansound8k"
_NEEDED = ("slice_file_name", "fsID", "salience", "fold", "class")


class Urbansound8k(Reader, frozen=True, kw_only=True):
    """The folder of UrbanSound8K (urbansounddataset.weebly.com/urbansound8k.html).

    Layout:
        metadata/UrbanSound8K.csv                slice_file_name, fsID, start, end, salience, fold, classID, class
        audio/fold<fold>/<slice_file_name>       WAV of at most 4 s

    Slices of one Freesound recording have the same origin, which is never in two splits, with other corpora from there
    neither.
    """

    folder: Annotated[Path, Meta(description="The folder that holds metadata/ and audio/.")]
    foreground: Annotated[bool, Meta(description="Only slices in which the sound stands out (salience 1).")] = True
    beds: Annotated[tuple[str, ...], Meta(description="Classes that are noise beds as well, such as drilling.")] = ()
    licence: Annotated[str, Meta(description="Licence of the slices.")] = "CC-BY-NC-3.0"

    def items(self) -> Iterator[SourceItem]:
        """Lists the slices in the order of the table."""
        table = self.folder / "metadata" / "UrbanSound8K.csv"
        rows = read_table("urbansound8k", table, _NEEDED)
        return listed(rows, self._items, kind="sound", name=table.name)

    def _items(self, row: Row) -> Iterator[SourceItem]:
        if self.foreground and row["salience"].strip() != "1":
            return
        name, fold = filled(row, "slice_file_name"), filled(row, "fold")
        path = f"audio/fold{fold}/{name}"
        item = SourceItem(
            id=Path(name).stem,
            audio=File(path=self.folder / path),
            kind="sound",
            path=path,
            label=filled(row, "class"),
            origin=f"freesound:{filled(row, 'fsID')}",
            fold=fold,
            corpus=CORPUS,
            licence=self.licence,
        )
        yield from with_beds(item, self.beds)
