"""Small banks and libraries for the tests of scenes: clips that the tests draw themselves, sample by sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from soundflow_data.audio.levels import peak, rms_db
from soundflow_data.bank import Bank, Clip
from soundflow_data.bank.writer import BankWriter
from soundflow_data.library import Library
from soundflow_data.ontology import Ontology, load_ontology
from soundflow_data.scenario.plan import Annotation, ScenePlan, describe
from soundflow_data.speech.service import SpeechService
from soundflow_data.timeline import SAMPLE_RATE, Kind

Pcm = NDArray[np.int16]


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """A clip that is to be written: its description in short, and its samples."""

    id: str
    label: str = ""
    caption: str = ""
    pcm: Pcm | None = None
    kind: Kind = "sound"
    licence: str = "CC-BY-4.0"


def bark(
    seconds: float = 0.4, *, hz: float = 500.0, rise_s: float = 0.01, lead_s: float = 0.05, rest_s: float = 0.1
) -> Pcm:
    """A tone with harmonics that rises and then falls along an exponential, with silence before and behind it."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    envelope = np.minimum(1.0, time / rise_s) * np.exp(-8.0 * np.maximum(0.0, time - rise_s) / seconds)
    tone = sum(np.sin(2 * np.pi * hz * k * time) / k for k in (1, 2, 3))
    sound = 9_000 * envelope * tone
    silence = np.zeros(round(lead_s * SAMPLE_RATE)), np.zeros(round(rest_s * SAMPLE_RATE))
    return np.concatenate([silence[0], sound, silence[1]]).astype(np.int16)


def hiss(seconds: float, level_db: float, seed: int = 0) -> Pcm:
    """White noise of an RMS level in dBFS."""
    noise = np.random.default_rng(seed).standard_normal(round(seconds * SAMPLE_RATE))
    return np.rint(noise * 32_768 * 10 ** (level_db / 20)).astype(np.int16)


def mixed(*parts: Pcm) -> Pcm:
    """The sum of clips of the same length."""
    return np.clip(np.sum([part.astype(np.int64) for part in parts], axis=0), -32_768, 32_767).astype(np.int16)


def write_bank(folder: Path, recordings: Sequence[Recording], *, name: str = "") -> Bank:
    """Writes recordings as they are, without any preparation."""
    folder.mkdir(parents=True)
    with BankWriter(folder) as writer:
        for one in recordings:
            pcm = bark() if one.pcm is None else one.pcm
            writer.add(
                Clip(
                    row=-1,
                    id=one.id,
                    kind=one.kind,
                    num_samples=len(pcm),
                    label=one.label,
                    caption=one.caption,
                    origin=f"origin-{one.id}",
                    group=f"origin-{one.id}",
                    corpus="drawn",
                    licence=one.licence,
                    level_db=rms_db(pcm),
                    peak=peak(pcm),
                    recognisable=min(len(pcm), 4_800),
                ),
                pcm,
            )
        writer.finish(
            name=name or folder.name,
            inputs="",
            created_by={},
            source={"reader": "drawn"},
            settings={},
            num_items=len(recordings),
            num_cut=0,
            num_single=0,
        )
    return Bank.open(folder)


def library_of(
    *banks: Bank,
    split: str = "train",
    rows: Mapping[str, Sequence[int]] | None = None,
    ontology: Ontology | None = None,
) -> Library:
    """A split of all clips of some banks, or of some of their rows."""
    rows = rows or {}
    return Library(
        split=split,
        banks={bank.name: bank for bank in banks},
        rows={bank.name: np.array(rows.get(bank.name, range(len(bank))), np.int32) for bank in banks},
        speech=SpeechService(engine=None, version="", banks={}, voices={}),
        voices={},
        ontology=ontology or load_ontology(),
    )


def bag_of(*labels: str) -> tuple[Annotation, ...]:
    """A bag of clips with these labels."""
    return tuple(Annotation(bank="drawn", clip=f"clip-{i}", label=label) for i, label in enumerate(labels))


def plan_of(place: str, *labels: str, caption: str = "") -> ScenePlan:
    """A plan of these sounds as the ontology describes them, of any number."""
    events = tuple(describe(load_ontology().by_label(label)) for label in labels)
    if caption:
        events = tuple(msgspec.structs.replace(event, caption=caption) for event in events)
    return ScenePlan(place=place, title=place, events=events)
