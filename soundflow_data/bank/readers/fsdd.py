"""The Free Spoken Digit Dataset: single English digits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from soundflow_data.bank.source import File, Reader, SourceItem, Unusable
from soundflow_data.errors import BankError

CORPUS = "fsdd"
_NAME = re.compile(r"(?P<digit>\d)_(?P<speaker>[^_]+)_(?P<take>\d+)")
_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


class Fsdd(Reader, frozen=True, kw_only=True):
    """A folder of spoken digits, laid out like the Free Spoken Digit Dataset.

    Layout:
        <digit>_<speaker>_<take>.wav    in the folder itself or in its folder `recordings`

    A speaker is never in two splits.
    """

    folder: Annotated[Path, Meta(description="The folder of the recordings, or the one that holds `recordings`.")]
    speakers: Annotated[tuple[str, ...], Meta(description="Only these speakers; all by default.")] = ()
    licence: Annotated[str, Meta(description="Licence of the recordings.")] = "CC-BY-SA-4.0"

    def items(self) -> Iterator[SourceItem]:
        """Lists the recordings by name; a name that says neither digit nor speaker is reported as unusable."""
        folder = self.folder / "recordings"
        folder = folder if folder.is_dir() else self.folder
        files = sorted(folder.glob("*.wav"))
        if not files:
            raise BankError(f"source 'fsdd': {folder} holds no WAV file; give the folder of the recordings")
        for file in files:
            found = _NAME.fullmatch(file.stem)
            if found is None:
                reason = Unusable(reason="bad name", message=f"{file.name} is not named <digit>_<speaker>_<take>.wav")
                yield SourceItem(id=file.stem, audio=reason, kind="speech", path=file.name)
            elif not self.speakers or found["speaker"] in self.speakers:
                yield self._item(file, found)

    def _item(self, file: Path, found: re.Match[str]) -> SourceItem:
        word = _WORDS[int(found["digit"])]
        return SourceItem(
            id=file.stem,
            audio=File(path=file),
            kind="speech",
            path=file.name,
            text=word,
            language="en",
            speaker=f"fsdd:{found['speaker']}",
            origin=f"fsdd:{file.stem}",
            group=f"fsdd:{found['speaker']}",
            corpus=CORPUS,
            licence=self.licence,
        )
