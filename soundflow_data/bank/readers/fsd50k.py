"""FSD50K: sounds of Freesound with names of the AudioSet ontology."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from soundflow_data.bank.readers._licences import licence_name
from soundflow_data.bank.readers._rows import Row, filled, listed, read_table
from soundflow_data.bank.readers._sounds import sole_label, with_beds
from soundflow_data.bank.source import File, Reader, SourceItem
from soundflow_data.errors import BankError

CORPUS = "fsd50k"


class _Info(msgspec.Struct, frozen=True):
    license: str = ""


class Fsd50k(Reader, frozen=True, kw_only=True):
    """The folder of FSD50K (zenodo.org/records/4060432).

    Layout:
        FSD50K.ground_truth/{dev,eval}.csv                    fname, labels, mids; dev.csv also split
        FSD50K.{dev,eval}_audio/<fname>.wav
        FSD50K.metadata/{dev,eval}_clips_info_FSD50K.json     {<fname>: {license, uploader, ...}}, where it is there

    The labels of a clip must agree on one sound that the ontology knows, or it is passed over, because another sound is
    heard in it too. A Freesound recording is never in two splits, of other corpora from there neither.
    """

    folder: Annotated[Path, Meta(description="The folder that holds FSD50K.ground_truth and the others.")]
    parts: Annotated[tuple[str, ...], Meta(description="Which of dev and eval.")] = ("dev", "eval")
    several: Annotated[bool, Meta(description="Keep clips with several sounds, under the first known one.")] = False
    beds: Annotated[tuple[str, ...], Meta(description="Labels that are noise beds as well, such as rain.")] = ()
    licence: Annotated[str, Meta(description="Licence of clips without one of their own.")] = "unknown"

    def items(self) -> Iterator[SourceItem]:
        """Lists the clips, part by part."""
        for part in self.parts:
            table = self.folder / "FSD50K.ground_truth" / f"{part}.csv"
            licences = self._licences(part)

            def clip(row: Row, part: str = part, licences: dict[str, str] = licences) -> Iterator[SourceItem]:
                yield from self._items(row, part, licences)

            yield from listed(read_table("fsd50k", table, ("fname", "labels")), clip, kind="sound", name=table.name)

    def _licences(self, part: str) -> dict[str, str]:
        file = self.folder / "FSD50K.metadata" / f"{part}_clips_info_FSD50K.json"
        if not file.is_file():
            return {}
        try:
            clips = msgspec.json.decode(file.read_bytes(), type=dict[str, _Info])
        except msgspec.DecodeError as error:
            raise BankError(f"source 'fsd50k': {file} is not what it should be ({error}); unpack it again") from error
        return {name: licence_name(info.license, self.licence) for name, info in clips.items()}

    def _items(self, row: Row, part: str, licences: dict[str, str]) -> Iterator[SourceItem]:
        name = filled(row, "fname")
        label = sole_label(filled(row, "labels").split(","), several=self.several)
        if not label:
            return
        path = f"FSD50K.{part}_audio/{name}.wav"
        item = SourceItem(
            id=name,
            audio=File(path=self.folder / path),
            kind="sound",
            path=path,
            label=label,
            origin=f"freesound:{name}",
            fold=row.get("split") or part,
            corpus=CORPUS,
            licence=licences.get(name, self.licence),
        )
        yield from with_beds(item, self.beds)
