"""int16 samples to the bytes of a file, the same bytes for the same samples.

FLAC is made by our own integer encoder (see `flac`) and is equal on every machine. Opus comes from libsndfile, which
draws the serial number of each Ogg stream at random; we replace it. Its encoder works in floating point, so equal bytes
are promised for one kind of processor and one libsndfile.

One core encodes 60 s mixes of recorded sounds to FLAC at 13,200 times real time (76.6 MB per hour), and to Opus at 60
times (13.3 MB per hour), because libsndfile sets that encoder to its highest complexity.
"""

from __future__ import annotations

import io
from typing import Final, Literal

import numpy as np
import soundfile as sf
from numpy.typing import NDArray

from soundflow_data.audio import ogg
from soundflow_data.errors import AudioError
from soundflow_data.timeline import SAMPLE_RATE

Codec = Literal["flac", "opus"]
EXTENSION: Final[dict[Codec, str]] = {"flac": "flac", "opus": "opus"}

OPUS_BITS_PER_S: Final = 32_000

# libsndfile maps its compression levels 0..1 to 256,000..6,000 bits per second and channel.
_OPUS_LEVEL: Final = (256_000 - OPUS_BITS_PER_S) / 250_000
_OPUS_SERIAL: Final = 1


def encode(pcm: NDArray[np.int16], codec: Codec = "flac") -> bytes:
    """Encodes mono 16 kHz samples.

    Args:
        pcm: int16 (num_samples,).
        codec: `flac` keeps every bit; `opus` is Ogg/Opus at 32 kb/s.

    Raises:
        AudioError: The samples are none, or not one channel of int16, or the codec is unknown.
    """
    if pcm.dtype != np.int16 or pcm.ndim != 1:
        raise AudioError(
            f"cannot encode {pcm.dtype} samples of shape {pcm.shape}; give int16 (num_samples,)",
            reason="not int16 mono",
        )
    if not len(pcm):
        raise AudioError("cannot encode a recording of no samples; give at least one", reason="empty")
    if codec == "flac":
        from soundflow_data.audio.flac import encode_flac  # noqa: PLC0415 - numba takes 0.2 s, and readers need none

        return encode_flac(pcm)
    if codec == "opus":
        return _encode_opus(pcm)
    raise AudioError(f"unknown codec {codec!r}; allowed are {', '.join(EXTENSION)}", reason="unknown codec")


def _encode_opus(pcm: NDArray[np.int16]) -> bytes:
    file = io.BytesIO()
    sf.write(file, pcm, SAMPLE_RATE, format="OGG", subtype="OPUS", compression_level=_OPUS_LEVEL)
    return ogg.with_serial(file.getvalue(), _OPUS_SERIAL)
