"""Containers that libsndfile cannot read (m4a, aac, webm, wma ...), through pydub and ffmpeg where these are installed.

Slow (a process per file) and never on the hot path. pydub holds the whole span at the rate of the recording.
"""

from __future__ import annotations

import importlib
import io
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from soundflow_data.errors import AudioError

SNIFF_BYTES: Final = 16

# How the files begin; an MPEG-4 file has the size of its first box before "ftyp".
_STARTS: Final = {
    b"\x1a\x45\xdf\xa3": "webm",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "wma",
    b"\xff\xf1": "aac",
    b"\xff\xf9": "aac",
    b"#!AMR": "amr",
    b"FLV": "flv",
}


def kind_of(start: bytes) -> str:
    """Returns the name of the container that begins with these bytes; empty if it is none that ffmpeg is needed for."""
    if start[4:8] == b"ftyp":
        return "m4a"
    return next((kind for mark, kind in _STARTS.items() if start.startswith(mark)), "")


def read(
    source: Path | bytes, kind: str, name: str, *, start_s: float = 0.0, duration_s: float
) -> tuple[NDArray[np.float32], int]:
    """Decodes a span.

    Args:
        source: A file, or its bytes.
        kind: What `kind_of` says.
        name: How messages call the recording.
        start_s: Where the span begins, in seconds.
        duration_s: How long it is at most, in seconds.

    Returns:
        float32 (num_frames, num_channels) with full scale at 1.0, and the rate in Hz.

    Raises:
        AudioError: pydub or ffmpeg is not installed, or they cannot read the recording.
    """
    pydub = _pydub(kind, name)
    try:
        segment: Any = pydub.AudioSegment.from_file(
            io.BytesIO(source) if isinstance(source, bytes) else str(source),
            start_second=start_s or None,
            duration=duration_s,
        )
    except (pydub.exceptions.CouldntDecodeError, OSError, IndexError, KeyError) as error:
        last = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        raise AudioError(
            f"{name}: ffmpeg cannot read this {kind} file ({last[0]}); replace it", reason="unreadable"
        ) from error
    samples = np.array(segment.get_array_of_samples()).reshape(-1, segment.channels)
    return samples.astype(np.float32) / np.float32(1 << (8 * segment.sample_width - 1)), int(segment.frame_rate)


def _pydub(kind: str, name: str) -> ModuleType:
    if not shutil.which("ffmpeg") or not shutil.which("ffprobe"):
        raise AudioError(
            f"{name}: reading {kind} files takes the programs ffmpeg and ffprobe, which are not on the PATH; "
            "install them, or convert the file to FLAC",
            reason="needs ffmpeg",
        )
    try:
        return importlib.import_module("pydub")
    except ImportError as error:
        raise AudioError(
            f"{name}: libsndfile cannot read {kind} files; convert it to FLAC, or run "
            "`pip install 'soundflow[containers]'` and install ffmpeg",
            reason="needs ffmpeg",
        ) from error
