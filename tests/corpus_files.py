"""Writes tiny corpora in their true layouts, and reads them into banks."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import soundfile as sf

from soundflow_data.bank import Bank
from soundflow_data.bank.build import build_bank
from soundflow_data.bank.source import Reader
from soundflow_data.timeline import SAMPLE_RATE


def write_tone(path: Path, seconds: float = 0.5, rate: int = SAMPLE_RATE, hz: float = 500.0) -> Path:
    """Writes a tone in the format that the path's ending names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, 0.4 * np.sin(np.arange(round(seconds * rate)) * (2 * np.pi * hz / rate)), rate)
    return path


def write_steps(path: Path, hz: list[float]) -> Path:
    """Writes one second of each pitch, so that a test can tell from which second a segment was cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    form = {"format": "OGG", "subtype": "OPUS"} if path.suffix == ".opus" else {}
    sf.write(path, np.concatenate([0.4 * np.sin(2 * np.pi * one * time) for one in hz]), SAMPLE_RATE, **form)
    return path


def pitch(pcm: np.ndarray) -> float:
    """Returns the strongest frequency of a recording in Hz."""
    return float(np.argmax(np.abs(np.fft.rfft(pcm))) * SAMPLE_RATE / len(pcm))


def write_lines(path: Path, *lines: str) -> Path:
    """Writes a text file in UTF-8."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def read(source: Reader, folder: Path) -> Bank:
    """Builds the bank of a reader in a new folder below `folder`, opens it, and holds it to what every reader promises.

    The same items are listed each time, each clip says its corpus, licence and path, and neither a recording nor a
    speaker is in two groups, because splits divide groups.
    """
    assert [item.identity() for item in source.items()] == [item.identity() for item in source.items()]
    bank = Bank.open(build_bank(source, folder / f"bank-{len(list(folder.glob('bank-*')))}").path)
    groups: dict[str, set[str]] = defaultdict(set)
    for clip in bank:
        assert all((clip.corpus, clip.licence, clip.path)), clip
        groups[f"origin {clip.origin}"].add(clip.group)
        if clip.speaker and not clip.dialogue:
            groups[f"speaker {clip.speaker}"].add(clip.group)
    assert all(len(some) == 1 for some in groups.values()), groups
    return bank
