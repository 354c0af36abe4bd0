"""Clotho: sounds of Freesound with five sentences about each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from soundflow_data.bank.readers._licences import licence_name
from soundflow_data.bank.readers._rows import Row, RowError, filled, listed, read_table
from soundflow_data.bank.source import File, Reader, SourceItem
from soundflow_data.errors import BankError

CORPUS = "clotho"
_CAPTIONS = tuple(f"caption_{number}" for number in range(1, 6))


class Clotho(Reader, frozen=True, kw_only=True):
    """The folder of Clotho (zenodo.org/records/4783391).

    Layout:
        clotho_captions_<part>.csv            file_name, caption_1 to caption_5
        clotho_metadata_<part>.csv            file_name, keywords, sound_id, ..., license; not all of it UTF-8
        <part>/<file_name>                    WAV of 15 to 30 s; the folder may be called clotho_audio_<part> as well

    A clip keeps the first sentence about it. A Freesound recording is never in two splits, of other corpora from there
    neither; each has its own licence.
    """

    folder: Annotated[Path, Meta(description="The folder of the tables.")]
    licence: Annotated[str, Meta(description="Licence of recordings whose metadata name none.")] = "unknown"

    def items(self) -> Iterator[SourceItem]:
        """Lists the recordings, part by part."""
        tables = sorted(self.folder.glob("clotho_captions_*.csv"))
        if not tables:
            raise BankError(f"source 'clotho': {self.folder} holds no clotho_captions_<part>.csv")
        for table in tables:
            part = table.stem.removeprefix("clotho_captions_")
            folder = next(
                (
                    name
                    for name in (f"clotho_audio_{part}", f"clotho_audio_files/{part}")
                    if (self.folder / name).is_dir()
                ),
                part,
            )
            known = self._metadata(part)

            def recording(
                row: Row, part: str = part, folder: str = folder, known: dict[str, Row] = known
            ) -> Iterator[SourceItem]:
                yield self._item(row, part, folder, known)

            rows = read_table("clotho", table, ("file_name", "caption_1"))
            yield from listed(rows, recording, kind="sound", name=table.name)

    def _metadata(self, part: str) -> dict[str, Row]:
        table = self.folder / f"clotho_metadata_{part}.csv"
        if not table.is_file():
            return {}
        rows = read_table("clotho", table, ("file_name", "sound_id", "license"))
        return {row["file_name"].strip(): row for _, row in rows if not isinstance(row, RowError)}

    def _item(self, row: Row, part: str, folder: str, known: dict[str, Row]) -> SourceItem:
        name = filled(row, "file_name")
        caption = next((text for one in _CAPTIONS if (text := str(row.get(one) or "").strip())), "")
        if not caption:
            raise RowError(f"{name} has no caption", "no text")
        told = known.get(name, {})
        number = str(told.get("sound_id", "")).strip()
        return SourceItem(
            id=f"clotho-{part}-{Path(name).stem}",
            audio=File(path=self.folder / folder / name),
            kind="sound",
            path=f"{folder}/{name}",
            caption=caption,
            origin=f"freesound:{number}" if number.isdecimal() else f"clotho:{name}",
            fold=part,
            corpus=CORPUS,
            licence=licence_name(str(told.get("license", "")), self.licence),
        )
