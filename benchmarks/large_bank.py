"""A bank of any number of hours, written straight from noise: as many clips as a real one, quickly."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from soundflow_data.audio.levels import peak, rms_db
from soundflow_data.bank import Bank, Clip
from soundflow_data.bank.writer import BankWriter
from soundflow_data.dice import Dice
from soundflow_data.errors import BankError
from soundflow_data.ontology import load_ontology
from soundflow_data.timeline import SAMPLE_RATE, Kind, Word

_TEXT: Final = "somebody forgot where the old key was hidden"
_BASE_S: Final = 300
_NOISE_EVERY: Final = 40  # one clip in so many is a bed; beds are ten times as long
_SPEECH_OF_TEN: Final = 6


def large_bank(folder: Path, hours: float) -> Bank:
    """Returns the bank of that size, written unless it is there."""
    try:
        bank = Bank.open(folder)
    except BankError:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _write(folder, hours)
        bank = Bank.open(folder)
    return bank


def _write(folder: Path, hours: float) -> None:
    with BankWriter(folder) as writer:
        for clip, pcm in _clips(hours):
            writer.add(clip, pcm)
        writer.finish(
            name=folder.name,
            inputs="",
            created_by={},
            source={"reader": "large_bank", "hours": hours},
            settings={},
            num_items=writer.num_clips,
            num_cut=0,
            num_single=0,
        )
    os.sync()  # writing it out would go on for a while, and slow down whatever is measured next


def _clips(hours: float) -> Iterator[tuple[Clip, NDArray[np.int16]]]:
    labels = {kind: [sound.label for sound in load_ontology() if sound.kind == kind] for kind in ("sound", "noise")}
    base = (np.random.default_rng(0).standard_normal(_BASE_S * SAMPLE_RATE) * 2_000).astype(np.int16)
    dice = Dice("large bank")
    left = round(hours * 3600 * SAMPLE_RATE)
    number = 0
    while left > 0:
        kind = _kind(number)
        length = dice.integer(2, 6) * (10 if kind == "noise" else 1) * SAMPLE_RATE
        start = dice.integer(0, len(base) - length)
        pcm = base[start : start + length]
        yield _describe(number, kind, dice.choice(labels.get(kind, [""])), pcm), pcm
        left -= length
        number += 1


def _kind(number: int) -> Kind:
    if number % _NOISE_EVERY == 0:
        return "noise"
    return "speech" if number % 10 < _SPEECH_OF_TEN else "sound"


def _describe(number: int, kind: Kind, label: str, pcm: NDArray[np.int16]) -> Clip:
    speech = kind == "speech"
    texts = _TEXT.split() if speech else []
    step = len(pcm) // max(1, len(texts))
    return Clip(
        row=-1,
        id=f"{kind}-{number:08d}",
        kind=kind,
        num_samples=len(pcm),
        label=label,
        text=_TEXT if speech else "",
        language="en" if speech else "",
        speaker=f"speaker-{number % 1000}" if speech else "",
        words=tuple(Word(text=text, start=i * step, end=(i + 1) * step) for i, text in enumerate(texts)),
        origin=f"{kind}-{number:08d}",
        group=f"speaker-{number % 1000}" if speech else f"{kind}-{number:08d}",
        corpus="noise",
        licence="CC0-1.0",
        level_db=rms_db(pcm),
        peak=peak(pcm),
        recognisable=len(pcm) // 2,
    )
