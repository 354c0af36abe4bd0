"""Small local models in the libraries' own formats; these tests run in the speech environment alone (`make speech`)."""

from __future__ import annotations

import fcntl
import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

collect_ignore_glob = [] if all(map(importlib.util.find_spec, ("TTS", "torch", "whisperx"))) else ["*.py"]

if not collect_ignore_glob:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def make_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], None]], Path]:
    """Makes a folder once for all workers of pytest-xdist, which have one temporary folder above their own."""
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if "popen-gw" in shared.name else shared

    def make(name: str, fill: Callable[[Path], None]) -> Path:
        folder, done = shared / name, shared / f"{name}.done"
        with (shared / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                fill(folder)
                done.touch()
        return folder

    return make


@pytest.fixture(scope="session")
def english_ctc(make_once: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    """Folder of a small CTC model that finds English words of four espeak voices; learns in six seconds of CPU time."""
    from benchmarks.bench_align import train_aligner  # noqa: PLC0415

    return make_once("english_ctc", lambda folder: train_aligner(folder, "en", number=160, epochs=10, voices=4))


@pytest.fixture(scope="session")
def mandarin_ctc(make_once: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    """Folder of a small CTC model that finds characters of two espeak voices; learns in five seconds of CPU time."""
    from benchmarks.bench_align import train_aligner  # noqa: PLC0415

    return make_once("mandarin_ctc", lambda folder: train_aligner(folder, "zh", number=120, epochs=10, voices=2))


@pytest.fixture(scope="session")
def words_ctc(make_once: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    """Folder of a small CTC model that writes eight words of two espeak voices; learns in eight seconds of CPU time."""
    from benchmarks.bench_align import train_recogniser  # noqa: PLC0415

    return make_once("words_ctc", lambda folder: train_recogniser(folder, number=200, epochs=8, voices=2))
