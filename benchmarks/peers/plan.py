"""The plan that all peers are given ready made, and the clips as the files that they would keep them in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import soundfile as sf

from soundflow_data.corpus import Corpus
from soundflow_data.timeline import SAMPLE_RATE, Timeline


class Placed(msgspec.Struct, frozen=True, kw_only=True):
    """A foreground event: a whole clip at an offset, cut to a length, with a gain."""

    path: Path
    onset: int
    num_samples: int
    gain: float
    text: str


class Bed(msgspec.Struct, frozen=True, kw_only=True):
    """A noise bed, and how far it lies below the foreground."""

    path: Path
    snr_db: float


class StreamPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One stream; `responses` are what the assistant says: text and the second from which it is due."""

    key: str
    num_samples: int
    placed: tuple[Placed, ...]
    beds: tuple[Bed, ...]
    responses: tuple[dict[str, Any], ...]


def export_clips(corpus: Corpus, timelines: Sequence[Timeline], folder: Path) -> None:
    """Writes every clip that the streams use as a 16 kHz WAV file."""
    folder.mkdir(parents=True, exist_ok=True)
    for timeline in timelines:
        for event in timeline.events:
            path = _path(folder, event.bank, event.clip)
            if not path.exists():
                bank = corpus.banks[event.bank]
                sf.write(path, bank.pcm(bank.find(event.clip)), SAMPLE_RATE, subtype="PCM_16")


def plan_for_peers(timeline: Timeline, folder: Path) -> StreamPlan:
    """Translates a timeline; the beds start at the beginning of their clip, which is simpler than what we do."""
    beds: dict[str, Bed] = {}
    assert timeline.snr_db is not None
    for event in timeline.events:
        if event.kind == "noise" and event.track not in beds:
            below = 0.0 if not beds else 5.0
            beds[event.track] = Bed(path=_path(folder, event.bank, event.clip), snr_db=timeline.snr_db + below)
    return StreamPlan(
        key=timeline.key,
        num_samples=timeline.num_samples,
        placed=tuple(
            Placed(
                path=_path(folder, event.bank, event.clip),
                onset=event.onset,
                num_samples=event.num_samples,
                gain=10 ** ((event.gain_db + timeline.gain_db) / 20),
                text=event.text or event.label,
            )
            for event in timeline.events
            if event.kind != "noise"
        ),
        beds=tuple(beds.values()),
        responses=tuple(
            {"text": response.text, "due_s": response.due / SAMPLE_RATE} for response in timeline.responses
        ),
    )


def _path(folder: Path, bank: str, clip: str) -> Path:
    return folder / f"{bank}-{clip}.wav"
