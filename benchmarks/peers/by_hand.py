"""The script that a researcher writes in an afternoon: load, add, encode, tar; with librosa, or with soundfile."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path

import librosa
import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from benchmarks.peers.plan import StreamPlan

RATE = 16_000
Load = Callable[[Path], NDArray[np.float32]]


def load_with_librosa(path: Path) -> NDArray[np.float32]:
    """Returns float32 (num_samples,)."""
    audio, _ = librosa.load(path, sr=RATE)
    return audio


def load_with_soundfile(path: Path) -> NDArray[np.float32]:
    """Returns float32 (num_samples,); trusts that the file has the right rate."""
    audio, _ = sf.read(path, dtype="float32")
    return audio


def make_shard(plans: Sequence[StreamPlan], out: Path, load: Load) -> None:
    """Writes one tar of FLAC and JSON."""
    with tarfile.open(out, "w") as tar:
        for plan in plans:
            audio = io.BytesIO()
            sf.write(audio, mix(plan, load), RATE, format="FLAC")
            labels = {
                "key": plan.key,
                "events": [{"text": placed.text, "onset_s": placed.onset / RATE} for placed in plan.placed],
                "responses": plan.responses,
            }
            _add(tar, f"{plan.key}.flac", audio.getvalue())
            _add(tar, f"{plan.key}.json", json.dumps(labels).encode())


def mix(plan: StreamPlan, load: Load) -> NDArray[np.float32]:
    """Returns float32 (num_samples,): the events at their offsets, and beds at their distance below them."""
    mixed = np.zeros(plan.num_samples, np.float32)
    power = 0.0
    for placed in plan.placed:
        audio = load(placed.path)[: placed.num_samples] * np.float32(placed.gain)
        mixed[placed.onset : placed.onset + len(audio)] += audio
        power += float(np.mean(np.square(audio))) / len(plan.placed)
    for bed in plan.beds:
        noise = load(bed.path)
        if len(noise) < plan.num_samples:
            noise = np.tile(noise, -(-plan.num_samples // len(noise)))
        noise = noise[: plan.num_samples]
        wanted = power / 10 ** (bed.snr_db / 10)
        mixed += noise * np.float32(np.sqrt(wanted / np.mean(np.square(noise))))
    return mixed


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))
