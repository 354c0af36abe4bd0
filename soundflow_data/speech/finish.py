"""What a model says becomes speech: checked, at 16 kHz, parts joined."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Final

import numpy as np
import soxr
from numpy.typing import NDArray

from soundflow_data.audio.decode import to_int16
from soundflow_data.errors import SpeechError
from soundflow_data.timeline import SAMPLE_RATE

PAUSE: Final = 4_000  # samples of silence between the parts of a divided text; 0.25 s
_SILENT: Final = 33  # largest magnitude that counts as silence; -60 dBFS
_OVERLOAD: Final = 4.0  # a model whose samples are larger does not have full scale at 1.0


def finish(samples: NDArray[np.float32], rate_hz: int, name: str) -> NDArray[np.int16]:
    """Returns int16 (num_samples,) at 16 kHz.

    Args:
        samples: float32 (num_samples,), mono, full scale at 1.0.
        rate_hz: Their rate.
        name: Who said what, for messages.

    Raises:
        SpeechError: There is nothing, or nothing to hear, or values that are no audio.
    """
    if not len(samples):
        raise SpeechError(f"{name}: the model returned no samples; try again, or use another voice", reason="silent")
    peak = float(np.abs(samples).max())
    if not np.isfinite(peak):
        raise SpeechError(
            f"{name}: the model returned samples that are NaN or infinite; try again, or load it in float32",
            reason="not finite",
        )
    if peak > _OVERLOAD:
        raise SpeechError(
            f"{name}: the model returned samples up to {peak:.6g} where full scale is 1.0; its folder may be damaged",
            reason="out of range",
        )
    resampled = samples if rate_hz == SAMPLE_RATE else soxr.resample(samples, rate_hz, SAMPLE_RATE, quality="HQ")
    return audible(to_int16(resampled), name)


def audible(pcm: NDArray[np.int16], name: str) -> NDArray[np.int16]:
    """Returns what it is given, int16 (num_samples,).

    Raises:
        SpeechError: There is nothing to hear.
    """
    peak = max(int(pcm.max()), -int(pcm.min())) if len(pcm) else 0
    if peak <= _SILENT:
        raise SpeechError(
            f"{name}: {len(pcm)} samples with a peak of {peak} of 32767 are silence; try again, or use another voice",
            reason="silent",
        )
    return pcm


def join(parts: Sequence[NDArray[np.int16]]) -> NDArray[np.int16]:
    """Joins the parts of a text with `PAUSE` samples of silence between them."""
    pause = np.zeros(PAUSE, np.int16)
    return np.concatenate(list(itertools.chain.from_iterable((pause, part) for part in parts))[1:])
