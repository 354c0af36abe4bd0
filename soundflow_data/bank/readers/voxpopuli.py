"""VoxPopuli: speeches in the European Parliament."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from soundflow_data.bank.readers._rows import Row, RowError, filled, listed, read_table
from soundflow_data.bank.readers._transcripts import language_of
from soundflow_data.bank.source import File, Reader, SourceItem
from soundflow_data.errors import BankError

CORPUS = "voxpopuli"
_NEEDED = ("id", "raw_text", "normalized_text", "speaker_id")
_NOBODY = ("", "None", "nan")


class Voxpopuli(Reader, frozen=True, kw_only=True):
    """The transcribed speeches of one language, as `voxpopuli.get_asr_data` cuts them.

    The layout is that of github.com/facebookresearch/voxpopuli (voxpopuli/get_asr_data.py).

    Layout:
        transcribed_data/<language>/asr_{train,dev,test}.tsv    id, raw_text, normalized_text, speaker_id, split, gender
        transcribed_data/<language>/<year>/<id>.ogg             the year is the id's first four digits

    The raw text is kept, and the normalised one where there is no raw one. A speaker is never in two splits; where the
    speaker is not known, the session is not.
    """

    folder: Annotated[Path, Meta(description="The folder of the language, such as transcribed_data/en.")]
    parts: Annotated[tuple[str, ...], Meta(description="Which of train, dev and test.")] = ("train", "dev", "test")
    language: Annotated[str, Meta(description="Language; the folder's name by default.")] = ""
    licence: Annotated[str, Meta(description="Licence of the recordings.")] = "CC0-1.0"

    def items(self) -> Iterator[SourceItem]:
        """Lists the rows, table by table."""
        tables = [self.folder / f"asr_{part}.tsv" for part in self.parts]
        tables = [table for table in tables if table.is_file()]
        if not tables:
            raise BankError(
                f"source 'voxpopuli': {self.folder} holds no asr_<part>.tsv of {', '.join(self.parts)}; give the "
                "folder of a language, such as transcribed_data/en"
            )
        for table in tables:

            def speech(row: Row, part: str = table.stem.removeprefix("asr_")) -> Iterator[SourceItem]:
                yield self._item(row, part)

            rows = read_table("voxpopuli", table, _NEEDED, mark="\t", quoted=False)
            yield from listed(rows, speech, kind="speech", name=table.name)

    def _item(self, row: Row, part: str) -> SourceItem:
        name = filled(row, "id")
        text = row["raw_text"].strip() or row["normalized_text"].strip()
        if not text:
            raise RowError(f"{name} has neither raw_text nor normalized_text", "no text")
        speaker = f"voxpopuli:{row['speaker_id']}" if row["speaker_id"] not in _NOBODY else ""
        path = f"{name[:4]}/{name}.ogg"
        return SourceItem(
            id=name,
            audio=File(path=self.folder / path),
            kind="speech",
            path=path,
            text=text,
            language=language_of(self.language or self.folder.name),
            speaker=speaker,
            origin=f"voxpopuli:{name}",
            group=speaker or f"voxpopuli:{name.partition('_')[0]}",
            fold=part,
            corpus=CORPUS,
            licence=self.licence,
        )
