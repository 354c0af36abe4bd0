"""Containers that libsndfile cannot read (m4a, aac, webm, wma ...), through pydub and ffmpeg where these are installed.

ffmpeg is the program on the PATH, or else the one that the package imageio-ffmpeg carries; both packages come with the
extra `containers`. Slow (two processes per file) and never on the hot path. pydub holds the whole span at the rate of
the recording.
"""

from __future__ import annotations

import contextlib
import importlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from soundflow_data.errors import AudioError

SNIFF_BYTES: Final = 16

_KNOW_THEIR_LENGTH: Final = {"m4a", "webm"}  # of the others, ffmpeg says what it finds in them
_LENGTH_SLACK_S: Final = 0.25  # encoders count their padding differently

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
    pydub, ffmpeg = _pydub(kind, name), _ffmpeg(kind, name)
    # A class of our own, because the program is an attribute of pydub's class, which belongs to the whole process.
    segments: Any = type("Segments", (pydub.AudioSegment,), {"converter": ffmpeg})
    with _on_disk(source) as path:
        header_s = _header_s(ffmpeg, path) if kind in _KNOW_THEIR_LENGTH else None
        try:
            # Unlike `from_file`, this asks no ffprobe, which imageio-ffmpeg does not carry.
            segment = segments.from_file_using_temporary_files(
                str(path), start_second=start_s or None, duration=duration_s
            )
        except (pydub.exceptions.CouldntDecodeError, OSError) as error:
            last = str(error).strip().splitlines()[-1:] or [type(error).__name__]
            raise AudioError(
                f"{name}: ffmpeg cannot read this {kind} file ({last[0]}); replace it", reason="unreadable"
            ) from error
    samples = np.array(segment.get_array_of_samples()).reshape(-1, segment.channels)
    rate = int(segment.frame_rate)
    if header_s is not None and len(samples) / rate < min(header_s - start_s, duration_s) - _LENGTH_SLACK_S:
        raise AudioError(
            f"{name}: the header of this {kind} file claims {header_s:.2f} s, but after {start_s:.2f} s it holds "
            f"{len(samples) / rate:.2f} s; copy it again",
            reason="truncated",
        )
    return samples.astype(np.float32) / np.float32(1 << (8 * segment.sample_width - 1)), rate


@contextlib.contextmanager
def _on_disk(source: Path | bytes) -> Iterator[Path]:
    """Gives a file, which ffmpeg needs to be able to seek in a container."""
    if isinstance(source, Path):
        yield source
        return
    with tempfile.NamedTemporaryFile(prefix="soundflow-") as file:
        file.write(source)
        file.flush()
        yield Path(file.name)


def _header_s(ffmpeg: str, path: Path) -> float | None:
    """Returns how long a file says that it is, in seconds; None where it does not say."""
    command = [ffmpeg, "-hide_banner", "-nostdin", "-i", f"file:{path}"]
    said = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - it fails, as it has nothing to write
    found = re.search(rb"Duration: (\d+):(\d\d):(\d\d\.\d+)", said.stderr)
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3]) if found else None


def _ffmpeg(kind: str, name: str) -> str:
    program = shutil.which("ffmpeg")
    if program:
        return program
    try:
        carried: str = importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise AudioError(
            f"{name}: reading {kind} files takes the program ffmpeg, which is not on the PATH; install it, run "
            "`pip install 'soundflow[containers]'`, or convert the file to FLAC",
            reason="needs ffmpeg",
        ) from error
    return carried


def _pydub(kind: str, name: str) -> ModuleType:
    try:
        return importlib.import_module("pydub")
    except ImportError as error:
        raise AudioError(
            f"{name}: libsndfile cannot read {kind} files; convert it to FLAC, or run "
            "`pip install 'soundflow[containers]'`, which brings pydub and ffmpeg",
            reason="needs ffmpeg",
        ) from error
