"""Audio for `soundflow listen`: a file in pieces, or raw PCM from a pipe as it comes."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from soundflow_data.audio.decode import decode


def read_pieces(source: str, num_samples: int) -> Iterator[NDArray[np.int16]]:
    """Yields int16 pieces of at most `num_samples`.

    Args:
        source: Path of a file of any rate, or `-` for raw 16 kHz mono little-endian int16 on standard input.
        num_samples: Length of a piece.

    Raises:
        AudioError: The file cannot be decoded.
    """
    if source != "-":
        pcm = decode(Path(source))
        for start in range(0, len(pcm), num_samples):
            yield pcm[start : start + num_samples]
        return
    rest = b""
    pipe = cast("io.BufferedReader", sys.stdin.buffer)
    while data := pipe.read1(2 * num_samples):
        data = rest + data
        whole = len(data) // 2 * 2
        rest = data[whole:]
        yield np.frombuffer(data[:whole], "<i2").astype(np.int16)
