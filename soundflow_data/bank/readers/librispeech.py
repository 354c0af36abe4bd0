"""LibriSpeech: English audiobooks cut into utterances."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from soundflow_data.bank.readers._rows import Row, RowError, listed, read_lines, read_pairs, seconds
from soundflow_data.bank.readers._transcripts import lowered
from soundflow_data.bank.source import File, Reader, SourceItem
from soundflow_data.errors import BankError
from soundflow_data.timeline import SAMPLE_RATE, Word

CORPUS = "librispeech"


class Librispeech(Reader, frozen=True, kw_only=True):
    """The folder of LibriSpeech, or of anything laid out like it (openslr.org/12, its README.TXT).

    Layout:
        <subset>/<speaker>/<chapter>/<speaker>-<chapter>-<utterance>.flac
        <subset>/<speaker>/<chapter>/<speaker>-<chapter>.trans.txt        `<utterance id> <TEXT IN CAPITALS>` per line
        <subset>/<speaker>/<chapter>/<speaker>-<chapter>.alignment.txt    word times, where they were put beside it:
            `<utterance id> ",WORD,,WORD," "0.5,0.9,1.0,1.4,2.0"` (github.com/CorentinJ/librispeech-alignments)

    Texts are put in small letters. A speaker is never in two splits; the subset is the fold.
    """

    folder: Annotated[Path, Meta(description="The folder that holds the subsets.")]
    subsets: Annotated[tuple[str, ...], Meta(description="Only these, such as train-clean-100; all by default.")] = ()
    licence: Annotated[str, Meta(description="Licence of the recordings.")] = "CC-BY-4.0"

    def items(self) -> Iterator[SourceItem]:
        """Lists the utterances, chapter by chapter."""
        tables = sorted(self.folder.glob("*/*/*/*.trans.txt"))
        if self.subsets:
            tables = [table for table in tables if table.parts[-4] in self.subsets]
        if not tables:
            raise BankError(
                f"source 'librispeech': {self.folder} holds no <subset>/<speaker>/<chapter>/*.trans.txt"
                f"{' of ' + ', '.join(self.subsets) if self.subsets else ''}; give the folder that holds the subsets"
            )
        for table in tables:
            yield from self._chapter(table)

    def _chapter(self, table: Path) -> Iterator[SourceItem]:
        subset, speaker, chapter = table.parts[-4:-1]
        times = _alignment(table.with_name(table.name.replace(".trans.txt", ".alignment.txt")))
        place = f"{subset}/{speaker}/{chapter}"

        def utterance(row: Row) -> Iterator[SourceItem]:
            name, text = row["name"], row["text"]
            if not text:
                raise RowError(f"utterance {name!r} has no text", "no text")
            yield SourceItem(
                id=name,
                audio=File(path=table.parent / f"{name}.flac"),
                kind="speech",
                path=f"{place}/{name}.flac",
                text=lowered(text),
                language="en",
                speaker=f"librispeech:{speaker}",
                words=_words(times.get(name, "")),
                origin=f"librispeech:{name}",
                group=f"librispeech:{speaker}",
                fold=subset,
                corpus=CORPUS,
                licence=self.licence,
            )

        rows = read_pairs("librispeech", table)
        yield from listed(rows, utterance, kind="speech", name=f"{place}/{table.name}")


def _alignment(file: Path) -> dict[str, str]:
    """Reads the word times of a chapter, by utterance; none where the file is not there."""
    if not file.is_file():
        return {}
    lines = (line for _, line in read_lines("librispeech", file) if isinstance(line, str))
    return {name: rest for name, _, rest in (line.partition(" ") for line in lines)}


def _words(alignment: str) -> tuple[Word, ...]:
    """Reads `",WORD,WORD," "0.5,0.9,1.4,2.0"`: each part with its end in seconds; silences have no letters."""
    if not alignment:
        return ()
    spoken, _, ends = (part.strip('" ') for part in alignment.partition(" "))
    texts, times = spoken.split(","), ends.split(",")
    if len(texts) != len(times):
        raise RowError(f"its alignment has {len(texts)} words and {len(times)} times", "bad word times")
    edges = [0, *(round(seconds(time, "a word time") * SAMPLE_RATE) for time in times)]
    return tuple(
        Word(text=lowered(text), start=edges[number], end=edges[number + 1])
        for number, text in enumerate(texts)
        if text
    )
