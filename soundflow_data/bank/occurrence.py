"""Cuts a single occurrence, such as one bark, out of a clip that holds several."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from soundflow_data.audio.bursts import bursts
from soundflow_data.audio.levels import sum_squares
from soundflow_data.timeline import SAMPLE_RATE

_BEFORE: Final = SAMPLE_RATE // 20  # 50 ms of what precedes it, for its attack
_AFTER: Final = SAMPLE_RATE // 5  # 200 ms of what follows, for its reverberation
_TAPER: Final = SAMPLE_RATE // 50


def one_occurrence(pcm: NDArray[np.int16]) -> NDArray[np.int16] | None:
    """Returns the strongest occurrence of a clip, tapered at both ends by half a Hann window of 20 ms.

    Args:
        pcm: int16 (num_samples,).

    Returns:
        int16 (shorter,), or None when no part can be cut out in which exactly one occurrence is found again.
    """
    spans = bursts(pcm)
    strongest_first = sorted(range(len(spans)), key=lambda i: sum_squares(pcm[slice(*spans[i])]), reverse=True)
    for i in strongest_first:
        start, end = spans[i]
        low = max(spans[i - 1][1] if i else 0, start - _BEFORE)
        high = min(spans[i + 1][0] if i + 1 < len(spans) else len(pcm), end + _AFTER)
        one = _tapered(pcm[low:high], rise=min(_TAPER, start - low), fall=min(_TAPER, high - end))
        if len(bursts(one)) == 1:
            return one
    return None


def _tapered(pcm: NDArray[np.int16], rise: int, fall: int) -> NDArray[np.int16]:
    result = pcm.astype(np.float64)
    result[:rise] *= _hann(rise)
    result[len(result) - fall :] *= _hann(fall)[::-1]
    return np.rint(result).astype(np.int16)


def _hann(num_samples: int) -> NDArray[np.float64]:
    return 0.5 - 0.5 * np.cos(np.pi * (np.arange(num_samples) + 0.5) / max(1, num_samples))
