"""CoVoST 2: recordings of Common Voice with a translation of what is said."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from soundflow_data.bank.readers._rows import Row, filled, listed, read_table, said
from soundflow_data.bank.readers._transcripts import language_of
from soundflow_data.bank.source import File, Reader, SourceItem
from soundflow_data.errors import BankError

CORPUS = "covost"
_NAME = re.compile(r"covost_v2\.(?P<source>[A-Za-z-]+)_(?P<target>[A-Za-z-]+)(?:\.(?P<part>train|dev|test))?\.tsv")
_NEEDED = ("path", "sentence", "translation")


class Covost(Reader, frozen=True, kw_only=True):
    """Tables of CoVoST 2 beside the clips of Common Voice (github.com/facebookresearch/covost).

    Layout:
        covost_v2.<source>_<target>[.{train,dev,test}].tsv    path, sentence, translation, client_id
        clips/<path>                                          MP3 of Common Voice 4 in the source language

    The translation is kept as the reply. Where the tables are there as a whole and by part, the parts are read. A
    speaker is never in two splits, of Common Voice neither.
    """

    folder: Annotated[Path, Meta(description="The folder that holds the tables.")]
    clips: Annotated[
        Path | None, Meta(description="The folder of the clips; `clips` beside the tables by default.")
    ] = None
    target: Annotated[str, Meta(description="Only translations into this language, such as zh-CN; all by default.")] = (
        ""
    )
    licence: Annotated[str, Meta(description="Licence of recordings and translations.")] = "CC0-1.0"

    def items(self) -> Iterator[SourceItem]:
        """Lists the rows, table by table."""
        for table, name in self._tables():

            def recording(row: Row, found: re.Match[str] = name) -> Iterator[SourceItem]:
                yield self._item(row, found)

            rows = read_table("covost", table, _NEEDED, mark="\t", quoted=False)
            yield from listed(rows, recording, kind="speech", name=table.name)

    def _tables(self) -> list[tuple[Path, re.Match[str]]]:
        files = sorted(self.folder.glob("covost_v2.*.tsv"))
        named = [(file, found) for file in files if (found := _NAME.fullmatch(file.name))]
        split = {(found["source"], found["target"]) for _, found in named if found["part"]}
        tables = [
            (file, found)
            for file, found in named
            if (not self.target or found["target"] == self.target)
            and (found["part"] or (found["source"], found["target"]) not in split)
        ]
        if not tables:
            there = ", ".join(file.name for file in files) or "none"
            raise BankError(
                f"source 'covost': {self.folder} has no table covost_v2.<source>_{self.target or '<target>'}.tsv; "
                f"there are {there}"
            )
        return tables

    def _item(self, row: Row, name: re.Match[str]) -> SourceItem:
        path = filled(row, "path")
        stem = Path(path).stem
        # Without a speaker the recording is all that splits can go by.
        group = f"common_voice:{row.get('client_id') or stem}"
        return SourceItem(
            id=f"{stem}-{name['target']}",
            audio=File(path=(self.clips or self.folder / "clips") / path),
            kind="speech",
            path=f"clips/{path}",
            text=said(row, "sentence"),
            language=language_of(name["source"]),
            speaker=group if row.get("client_id") else "",
            reply=said(row, "translation"),
            origin=f"common_voice:{stem}",
            group=group,
            fold=name["part"] or "",
            corpus=CORPUS,
            licence=self.licence,
        )
