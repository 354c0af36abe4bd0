"""The Free Music Archive dataset: tracks with genre and licence."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from soundflow_data.bank.readers._licences import licence_name
from soundflow_data.bank.readers._rows import Row, RowError, filled, listed, read_table
from soundflow_data.bank.readers._sounds import sole_label
from soundflow_data.bank.source import File, Reader, SourceItem
from soundflow_data.errors import BankError

CORPUS = "fma"
_NEEDED = ("track_id", "set.split", "set.subset", "track.genre_top", "track.license")
_SUBSETS = {"fma_small": ("small",), "fma_medium": ("small", "medium")}
_GENERAL_LABEL = "music"


class Fma(Reader, frozen=True, kw_only=True):
    """Tracks of the Free Music Archive (github.com/mdeff/fma).

    Layout:
        fma_metadata/tracks.csv             two rows of headers (`track` over `license`), then one with `track_id`
        fma_{small,medium,large,full}/<first three digits>/<track id with six digits>.mp3

    Small and medium hold only their own subset of the table. Tracks are labelled by genre where the ontology has it,
    else `music`. An artist is never in two splits; each track has its own licence.
    """

    folder: Annotated[Path, Meta(description="The folder of the tracks, such as fma_small.")]
    table: Annotated[Path | None, Meta(description="tracks.csv; ../fma_metadata/tracks.csv by default.")] = None
    licence: Annotated[str, Meta(description="Licence of tracks that name none.")] = "unknown"

    def items(self) -> Iterator[SourceItem]:
        """Lists the tracks of the subset in the order of the table."""
        table = self.table or self.folder.parent / "fma_metadata" / "tracks.csv"
        rows = read_table("fma", table, _NEEDED, names=_header(table), skip=3)
        return listed(rows, self._items, kind="music", name=table.name)

    def _items(self, row: Row) -> Iterator[SourceItem]:
        subsets = _SUBSETS.get(self.folder.name)
        if subsets is not None and row["set.subset"] not in subsets:
            return
        track = filled(row, "track_id")
        if not track.isdecimal():
            raise RowError(f"track_id is {track!r}, not a number")
        path = f"{int(track):06d}"[:3] + f"/{int(track):06d}.mp3"
        genre = row["track.genre_top"].strip()
        yield SourceItem(
            id=f"fma-{track}",
            audio=File(path=self.folder / path),
            kind="music",
            path=path,
            label=(sole_label([f"{genre} music"]) if genre else "") or _GENERAL_LABEL,
            caption=f"{genre} music" if genre else "",
            origin=f"fma:{track}",
            group=f"fma:artist:{row['artist.id']}" if row.get("artist.id") else "",
            fold=row["set.split"],
            corpus=CORPUS,
            licence=licence_name(row["track.license"], self.licence),
        )


def _header(table: Path) -> list[str]:
    """Joins the two rows of headers: `track` over `license` is `track.license`; the first column is the track's id."""
    try:
        with table.open(newline="", encoding="utf-8-sig", errors="replace") as file:
            rows = csv.reader(file)
            groups, names = next(rows, []), next(rows, [])
    except OSError as error:
        raise BankError(f"source 'fma': {table} cannot be read ({error.strerror}); give `table`") from error
    return ["track_id", *(f"{group}.{name}" for group, name in zip(groups[1:], names[1:], strict=False))]
