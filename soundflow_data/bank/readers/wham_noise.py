"""WHAM! noise: cafés, restaurants, bars and parks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from soundflow_data.bank.readers._rows import RowError, read_table
from soundflow_data.bank.source import File, Reader, SourceItem
from soundflow_data.errors import BankError

CORPUS = "wham_noise"
_PLACE = "Location ID"


class WhamNoise(Reader, frozen=True, kw_only=True):
    """The folder `wham_noise` (wham.whisper.ai, its metadata/README.md).

    Layout:
        {tr,cv,tt}/<name>.wav                     two channels at 16 kHz, which are averaged
        metadata/noise_meta_{tr,cv,tt}.csv        utterance_id, ..., Location ID, ..., where it is there

    A place of recording is never in two splits where the metadata name it; tr, cv and tt are the folds.
    """

    folder: Annotated[Path, Meta(description="The folder that holds tr/, cv/ and tt/.")]
    parts: Annotated[tuple[str, ...], Meta(description="Which of tr, cv and tt.")] = ("tr", "cv", "tt")
    licence: Annotated[str, Meta(description="Licence of the recordings.")] = "CC-BY-NC-4.0"

    def items(self) -> Iterator[SourceItem]:
        """Lists the recordings, part by part, as noise beds."""
        files = [(part, file) for part in self.parts for file in sorted((self.folder / part).glob("*.wav"))]
        if not files:
            raise BankError(f"source 'wham_noise': {self.folder} holds no WAV file in {', '.join(self.parts)}")
        places = {part: self._places(part) for part in self.parts}
        for part, file in files:
            place = places[part].get(file.stem, "")
            yield SourceItem(
                id=f"{part}-{file.stem}",
                audio=File(path=file),
                kind="noise",
                path=f"{part}/{file.name}",
                origin=f"wham:{part}:{file.stem}",
                group=f"wham:place:{place}" if place else "",
                fold=part,
                corpus=CORPUS,
                licence=self.licence,
            )

    def _places(self, part: str) -> dict[str, str]:
        table = self.folder / "metadata" / f"noise_meta_{part}.csv"
        if not table.is_file():
            return {}
        rows = read_table("wham_noise", table, ("utterance_id", _PLACE))
        return {
            row["utterance_id"].removesuffix(".wav"): row[_PLACE].strip()
            for _, row in rows
            if not isinstance(row, RowError)
        }
