"""MUSAN: noise and music."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from soundflow_data.bank.readers._rows import RowError, read_pairs
from soundflow_data.bank.source import File, Reader, SourceItem
from soundflow_data.errors import BankError

CORPUS = "musan"


class Musan(Reader, frozen=True, kw_only=True):
    """The folder of MUSAN (openslr.org/17).

    Layout:
        noise/<source>/<name>.wav
        music/<source>/<name>.wav
        music/<source>/ANNOTATIONS    `<name> <genres> <Y or N for vocals> <artist> ...` per line

    Noise makes beds. Its speech has no transcripts and is not read. An artist is never in two splits. Each source's
    file LICENSE lists the licences of its recordings, which all allow any use with attribution or are free.
    """

    folder: Annotated[Path, Meta(description="The folder that holds noise/ and music/.")]
    parts: Annotated[tuple[Literal["noise", "music"], ...], Meta(description="Which of noise and music.")] = (
        "noise",
        "music",
    )
    licence: Annotated[str, Meta(description="Licence of the recordings.")] = "CC-BY-4.0"

    def items(self) -> Iterator[SourceItem]:
        """Lists the recordings by name."""
        for part in self.parts:
            sources = sorted(folder for folder in (self.folder / part).glob("*") if folder.is_dir())
            files = [(source, file) for source in sources for file in sorted(source.glob("*.wav"))]
            if not files:
                raise BankError(
                    f"source 'musan': {self.folder} holds no {part}/<source>/*.wav; give the folder of MUSAN"
                )
            known = {name: text for source in sources for name, text in _annotations(source / "ANNOTATIONS")}
            for source, file in files:
                genres, _, artist = (*known.get(file.stem, "").split()[:3], "", "", "")[:3]
                yield SourceItem(
                    id=file.stem,
                    audio=File(path=file),
                    kind=part,
                    path=f"{part}/{source.name}/{file.name}",
                    label="music" if part == "music" else "",
                    caption=f"{genres.replace(',', ' and ')} music" if part == "music" and genres else "",
                    origin=f"musan:{file.stem}",
                    group=f"musan:artist:{artist}" if part == "music" and artist else "",
                    corpus=CORPUS,
                    licence=self.licence,
                )


def _annotations(file: Path) -> Iterator[tuple[str, str]]:
    if file.is_file():
        for _, row in read_pairs("musan", file):
            if not isinstance(row, RowError):
                yield row["name"], row["text"]
