"""ESC-50 and its subsets: environmental sounds of five seconds in folds."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from soundflow_data.bank.source import File, Reader, SourceItem
from soundflow_data.errors import BankError

CORPUS = "esc50"
_NEEDED = ("filename", "fold", "category")


class Esc50(Reader, frozen=True, kw_only=True):
    """A folder laid out like ESC-50.

    Layout:
        meta/*.csv    columns filename, fold, category; src_file, take and license where known
        audio/        the files, named `<fold>-<Freesound id>-<take>-<target>` with any ending that can be decoded

    Takes of one Freesound recording have the same origin, so that splits keep them together.
    """

    folder: Annotated[Path, Meta(description="The folder that holds meta/ and audio/.")]
    categories: Annotated[tuple[str, ...], Meta(description="Only these categories; all by default.")] = ()
    beds: Annotated[tuple[str, ...], Meta(description="Categories that are noise beds as well, such as rain.")] = ()
    licence: Annotated[str, Meta(description="Licence of clips whose row names none.")] = "CC-BY-NC-3.0"

    def items(self) -> Iterator[SourceItem]:
        """Lists the rows of the tables in their order."""
        tables = sorted((self.folder / "meta").glob("*.csv"))
        if not tables:
            raise BankError(f"source 'esc50': {self.folder / 'meta'} holds no CSV table; give the folder of the corpus")
        known: set[str] = set()
        for table in tables:
            with table.open(newline="", encoding="utf-8") as file:
                for row in _rows(file, table):
                    known.add(row["category"])
                    if not self.categories or row["category"] in self.categories:
                        yield from self._items(row)
        unknown = sorted({*self.categories, *self.beds} - known)
        if unknown:
            raise BankError(f"source 'esc50': no category {', '.join(unknown)}; there are {', '.join(sorted(known))}")

    def _items(self, row: dict[str, str]) -> Iterator[SourceItem]:
        name = Path(row["filename"])
        fields = name.stem.split("-")
        recording = row.get("src_file") or (fields[1] if len(fields) == 4 else name.stem)
        for kind, suffix in (("sound", ""), ("noise", "-bed")):
            if kind == "sound" or row["category"] in self.beds:
                yield SourceItem(
                    id=name.stem + suffix,
                    audio=File(path=self.folder / "audio" / name),
                    kind=kind,  # type: ignore[arg-type]
                    path=f"audio/{name}",
                    label=row["category"],
                    origin=f"freesound:{recording}",
                    fold=row["fold"],
                    corpus=CORPUS,
                    licence=row.get("license") or self.licence,
                )


def _rows(file: Iterator[str], table: Path) -> Iterator[dict[str, str]]:
    reader = csv.DictReader(file)
    missing = [name for name in _NEEDED if name not in (reader.fieldnames or ())]
    if missing:
        raise BankError(f"source 'esc50': {table} lacks the columns {', '.join(missing)}; it has {reader.fieldnames}")
    return reader
