"""AudioSet: ten-second clips of videos with names of the sounds in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from soundflow_data.bank.readers._rows import Row, RowError, filled, listed, read_table, span
from soundflow_data.bank.readers._sounds import VideoClips, sole_label, with_beds
from soundflow_data.bank.source import File, Reader, SourceItem
from soundflow_data.errors import BankError

CORPUS = "audioset"
_COLUMNS = ("YTID", "start_seconds", "end_seconds", "positive_labels")


class _Class(msgspec.Struct, frozen=True):
    id: str
    name: str


class Audioset(Reader, frozen=True, kw_only=True):
    """Segment tables of AudioSet beside a folder of clips (research.google.com/audioset/download.html).

    Layout:
        {balanced_train,unbalanced_train,eval}_segments.csv    YTID, start_seconds, end_seconds, positive_labels
        ontology.json or class_labels_indices.csv              names of the labels, such as /m/05tny_
        any folders of clips, named <YTID>, Y<YTID>, <YTID>_<start> or <YTID>_<start>_<end>, in seconds or milliseconds

    The labels of a segment must agree on one sound that the ontology knows, or it is passed over: most segments hold
    several sounds, and what is said about them would not be true. A video is never in two splits, of AudioCaps neither.
    """

    folder: Annotated[Path, Meta(description="The folder of the tables.")]
    clips: Annotated[Path | None, Meta(description="The folder of the clips; that of the tables by default.")] = None
    whole: Annotated[bool, Meta(description="The files are whole videos, to be cut at the segments.")] = False
    partial: Annotated[bool, Meta(description="Pass over segments without a file instead of counting them.")] = True
    several: Annotated[bool, Meta(description="Keep segments with several sounds, under the first known one.")] = False
    beds: Annotated[tuple[str, ...], Meta(description="Labels that are noise beds as well, such as rain.")] = ()
    licence: Annotated[str, Meta(description="Licence of the clips, which belong to who uploaded them.")] = "YouTube"

    def items(self) -> Iterator[SourceItem]:
        """Lists the segments, table by table."""
        tables = sorted(self.folder.glob("*_segments.csv"))
        if not tables:
            raise BankError(f"source 'audioset': {self.folder} holds no *_segments.csv; give the folder of the tables")
        names = self._names()
        clips = VideoClips(self.clips or self.folder)
        if not len(clips):
            raise BankError(
                f"source 'audioset': {self.clips or self.folder} holds no clip named by a YouTube id; give `clips`"
            )
        for table in tables:

            def segment(row: Row, fold: str = table.stem.removesuffix("_segments")) -> Iterator[SourceItem]:
                yield from self._items(row, fold, names, clips)

            rows = read_table("audioset", table, _COLUMNS, names=_COLUMNS, comment="#")
            yield from listed(rows, segment, kind="sound", name=table.name)

    def _names(self) -> dict[str, str]:
        ontology, table = self.folder / "ontology.json", self.folder / "class_labels_indices.csv"
        if table.is_file():
            rows = read_table("audioset", table, ("mid", "display_name"))
            return {row["mid"]: row["display_name"] for _, row in rows if not isinstance(row, RowError)}
        try:
            return {one.id: one.name for one in msgspec.json.decode(ontology.read_bytes(), type=list[_Class])}
        except (OSError, msgspec.DecodeError) as error:
            raise BankError(
                f"source 'audioset': {self.folder} needs class_labels_indices.csv or ontology.json ({error})"
            ) from error

    def _items(self, row: Row, fold: str, names: dict[str, str], clips: VideoClips) -> Iterator[SourceItem]:
        video = filled(row, "YTID")
        start_s, end_s = span(row["start_seconds"], row["end_seconds"])
        ids = [one.strip() for one in filled(row, "positive_labels").split(",")]
        unknown = [one for one in ids if one not in names]
        if unknown:
            raise RowError(f"there is no label {unknown[0]!r}", "unknown label")
        label = sole_label([names[one] for one in ids], several=self.several)
        file = clips.find(video, start_s)
        if not label or (file is None and self.partial):
            return
        if file is None:
            raise RowError(f"there is no clip of {video} at {start_s:g} s", "missing")
        item = SourceItem(
            id=f"{video}_{start_s:g}",
            audio=File(path=file, start_s=start_s, end_s=end_s) if self.whole else File(path=file),
            kind="sound",
            path=file.name,
            label=label,
            origin=f"youtube:{video}",
            fold=fold,
            corpus=CORPUS,
            licence=self.licence,
        )
        yield from with_beds(item, self.beds)
