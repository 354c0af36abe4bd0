"""AISHELL-1: Mandarin sentences read by 400 speakers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from soundflow_data.bank.readers._rows import Row, RowError, listed, read_pairs
from soundflow_data.bank.readers._transcripts import joined
from soundflow_data.bank.source import File, Reader, SourceItem
from soundflow_data.errors import BankError

CORPUS = "aishell"


class Aishell(Reader, frozen=True, kw_only=True):
    """The folder `data_aishell` of AISHELL-1 (openslr.org/33).

    Layout:
        wav/{train,dev,test}/<speaker>/<utterance>.wav
        transcript/aishell_transcript_v0.8.txt    `<utterance> <words with spaces between>` per line

    A recording without a transcript is passed over as the corpus has some hundreds; a transcript without its recording
    is reported as missing. A speaker is never in two splits; train, dev and test are the folds.
    """

    folder: Annotated[Path, Meta(description="The folder that holds wav/ and transcript/.")]
    parts: Annotated[tuple[str, ...], Meta(description="Only these of train, dev and test; all by default.")] = ()
    licence: Annotated[str, Meta(description="Licence of the recordings.")] = "Apache-2.0"

    def items(self) -> Iterator[SourceItem]:
        """Lists the transcripts in their order."""
        tables = sorted((self.folder / "transcript").glob("*.txt"))
        recordings = {file.stem: file for file in sorted((self.folder / "wav").glob("*/*/*.wav"))}
        if not tables or not recordings:
            raise BankError(
                f"source 'aishell': {self.folder} holds {len(recordings)} recordings wav/<part>/<speaker>/*.wav and "
                f"{len(tables)} tables transcript/*.txt; unpack the speakers' archives and give the folder data_aishell"
            )
        for table in tables:

            def sentence(row: Row) -> Iterator[SourceItem]:
                name, text = row["name"], row["text"]
                if not text:
                    raise RowError(f"{name} has no text", "no text")
                if name not in recordings:
                    raise RowError(f"there is no recording {name}.wav", "missing")
                if not self.parts or recordings[name].parts[-3] in self.parts:
                    yield self._item(recordings[name], joined(text))

            yield from listed(read_pairs("aishell", table), sentence, kind="speech", name=f"transcript/{table.name}")

    def _item(self, file: Path, text: str) -> SourceItem:
        part, speaker = file.parts[-3:-1]
        return SourceItem(
            id=file.stem,
            audio=File(path=file),
            kind="speech",
            path=f"wav/{part}/{speaker}/{file.name}",
            text=text,
            language="zh",
            speaker=f"aishell:{speaker}",
            origin=f"aishell:{file.stem}",
            group=f"aishell:{speaker}",
            fold=part,
            corpus=CORPUS,
            licence=self.licence,
        )
