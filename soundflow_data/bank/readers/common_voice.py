"""Common Voice: sentences in many languages, read by volunteers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from soundflow_data.bank.readers._rows import Row, filled, listed, read_table, said
from soundflow_data.bank.readers._transcripts import language_of
from soundflow_data.bank.source import File, Reader, SourceItem
from soundflow_data.errors import BankError

CORPUS = "common_voice"
_NEEDED = ("client_id", "path", "sentence")


class CommonVoice(Reader, frozen=True, kw_only=True):
    """The folder of one language of Common Voice (github.com/common-voice/cv-dataset).

    Layout:
        {train,dev,test,validated,...}.tsv    client_id, path, sentence, up_votes, down_votes, age, gender, ..., locale;
                                              tab-separated, never quoted
        clips/<path>                          MP3

    A speaker is never in two splits, of CoVoST 2 neither; the table's name is the fold.
    """

    folder: Annotated[Path, Meta(description="The folder of the language, such as cv-corpus-17.0/zh-CN.")]
    tables: Annotated[tuple[str, ...], Meta(description="Names of the tables to read.")] = ("train", "dev", "test")
    language: Annotated[str, Meta(description="Language; by default the table's locale, or the folder's name.")] = ""
    licence: Annotated[str, Meta(description="Licence of the recordings.")] = "CC0-1.0"

    def items(self) -> Iterator[SourceItem]:
        """Lists the rows, table by table."""
        for name in self.tables:
            table = self.folder / f"{name}.tsv"
            if not table.is_file():
                there = ", ".join(sorted(file.stem for file in self.folder.glob("*.tsv"))) or "none"
                raise BankError(f"source 'common_voice': {self.folder} has no table {name}.tsv; there are {there}")

            def recording(row: Row, fold: str = name) -> Iterator[SourceItem]:
                yield self._item(row, fold)

            rows = read_table("common_voice", table, _NEEDED, mark="\t", quoted=False)
            yield from listed(rows, recording, kind="speech", name=table.name)

    def _item(self, row: Row, fold: str) -> SourceItem:
        # Some releases leave the ending out.
        path = filled(row, "path")
        path = path if path.endswith((".mp3", ".wav", ".flac", ".ogg")) else f"{path}.mp3"
        speaker = f"common_voice:{filled(row, 'client_id')}"
        return SourceItem(
            id=Path(path).stem,
            audio=File(path=self.folder / "clips" / path),
            kind="speech",
            path=f"clips/{path}",
            text=said(row, "sentence"),
            language=language_of(self.language or row.get("locale") or self.folder.name),
            speaker=speaker,
            origin=f"common_voice:{Path(path).stem}",
            group=speaker,
            fold=fold,
            corpus=CORPUS,
            licence=self.licence,
        )
