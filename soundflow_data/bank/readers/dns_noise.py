"""Noise of the Deep Noise Suppression Challenge: clips of AudioSet, Freesound and DEMAND."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from soundflow_data.bank.source import File, Reader, SourceItem
from soundflow_data.errors import BankError
from soundflow_data.ontology import load_ontology

CORPUS = "dns_noise"
_FREESOUND = re.compile(r"(?P<label>.+?)_Freesound(?:_validated)?_(?P<id>\d+)(?:_\d+)?")
_DEMAND = re.compile(
    r"(?:DKITCHEN|DLIVING|DWASHING|NFIELD|NPARK|NRIVER|OHALLWAY|OMEETING|OOFFICE|PCAFETER|PRESTO|PSTATION|SCAFE|SPSQUARE"
    r"|STRAFFIC|TBUS|TCAR|TMETRO)(?:_.*)?"
)
_YOUTUBE = re.compile(r"[\w-]{11}")


class DnsNoise(Reader, frozen=True, kw_only=True):
    """The noise of the DNS Challenge (github.com/microsoft/DNS-Challenge, its section on data and licences).

    Layout:
        noise/ or noise_fullband/, with or without folders
        <label>_Freesound_validated_<Freesound id>_<part>.wav    clips of Freesound
        <YouTube id>.wav                                         clips of AudioSet
        <place>_<channel>.wav, such as NPARK_ch01.wav            recordings of DEMAND; any other name counts as one

    All make noise beds. A recording of Freesound or a video is never in two splits, of other corpora neither.
    """

    folder: Annotated[Path, Meta(description="The folder of the clips.")]
    freesound: Annotated[str, Meta(description="Licence of the clips of Freesound.")] = "CC0-1.0"
    audioset: Annotated[str, Meta(description="Licence of the clips of AudioSet.")] = "CC-BY-4.0"
    demand: Annotated[str, Meta(description="Licence of the recordings of DEMAND.")] = "CC-BY-SA-3.0"

    def items(self) -> Iterator[SourceItem]:
        """Lists the clips by name."""
        files = sorted(self.folder.rglob("*.wav"))
        if not files:
            raise BankError(f"source 'dns_noise': {self.folder} holds no WAV file; give the folder of the noise")
        for file in files:
            origin, label, licence = self._told(file.stem)
            yield SourceItem(
                id=file.stem,
                audio=File(path=file),
                kind="noise",
                path=file.relative_to(self.folder).as_posix(),
                label=label,
                origin=origin,
                corpus=CORPUS,
                licence=licence,
            )

    def _told(self, name: str) -> tuple[str, str, str]:
        """Returns what a name tells: origin, label where the ontology has it, and licence."""
        found = _FREESOUND.fullmatch(name)
        if found:
            return f"freesound:{found['id']}", load_ontology().canonical(found["label"]) or "", self.freesound
        if _YOUTUBE.fullmatch(name) and not _DEMAND.fullmatch(name):
            return f"youtube:{name}", "", self.audioset
        return f"dns:{name}", "", self.demand
