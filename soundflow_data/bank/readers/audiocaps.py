"""AudioCaps: clips of AudioSet with sentences about what is heard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from soundflow_data.bank.readers._rows import Row, RowError, filled, listed, read_table, said, seconds
from soundflow_data.bank.readers._sounds import VideoClips
from soundflow_data.bank.source import File, Reader, SourceItem
from soundflow_data.errors import BankError

CORPUS = "audiocaps"
CLIP_S = 10.0
_NEEDED = ("youtube_id", "start_time", "caption")


class Audiocaps(Reader, frozen=True, kw_only=True):
    """Tables of AudioCaps beside a folder of clips (github.com/cdjkim/audiocaps).

    Layout:
        {train,val,test}.csv    audiocap_id, youtube_id, start_time, caption; clips of val and test have several rows
        any folders of clips, named <id>, Y<id>, <id>_<start> or <id>_<start>_<end>, in seconds or milliseconds

    A clip keeps the first sentence about it. A video is never in two splits, of AudioSet neither.
    """

    folder: Annotated[Path, Meta(description="The folder of the tables.")]
    clips: Annotated[Path | None, Meta(description="The folder of the clips; that of the tables by default.")] = None
    whole: Annotated[bool, Meta(description="The files are whole videos, of which ten seconds are cut.")] = False
    partial: Annotated[bool, Meta(description="Pass over rows without a file instead of counting them.")] = True
    licence: Annotated[str, Meta(description="Licence of the clips, which belong to who uploaded them.")] = "YouTube"

    def items(self) -> Iterator[SourceItem]:
        """Lists the clips, table by table."""
        tables = [table for part in ("train", "val", "test") if (table := self.folder / f"{part}.csv").is_file()]
        clips = VideoClips(self.clips or self.folder)
        if not tables or not len(clips):
            raise BankError(
                f"source 'audiocaps': {self.folder} holds {len(tables)} of the tables train.csv, val.csv, test.csv, "
                f"and {self.clips or self.folder} clips of {len(clips)} videos; give `folder` and `clips`"
            )
        for table in tables:
            known: set[str] = set()

            def clip(row: Row, fold: str = table.stem, known: set[str] = known) -> Iterator[SourceItem]:
                item = self._item(row, fold, clips)
                if item is not None and item.id not in known:
                    known.add(item.id)
                    yield item

            yield from listed(read_table("audiocaps", table, _NEEDED), clip, kind="sound", name=table.name)

    def _item(self, row: Row, fold: str, clips: VideoClips) -> SourceItem | None:
        video, start_s, caption = (
            filled(row, "youtube_id"),
            seconds(row["start_time"], "start_time"),
            said(row, "caption"),
        )
        file = clips.find(video, start_s)
        if file is None:
            if self.partial:
                return None
            raise RowError(f"there is no clip of {video} at {start_s:g} s", "missing")
        return SourceItem(
            id=f"audiocaps-{video}_{start_s:g}",
            audio=File(path=file, start_s=start_s, end_s=start_s + CLIP_S) if self.whole else File(path=file),
            kind="sound",
            path=file.name,
            caption=caption,
            origin=f"youtube:{video}",
            fold=fold,
            corpus=CORPUS,
            licence=self.licence,
        )
