"""Levels of int16 recordings, counted in whole numbers so that they are equal on every machine."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

ENERGY_BLOCK: Final = 160  # samples; 10 ms
FULL_SCALE: Final = 32_768  # the int16 value that 0 dBFS stands for
SILENT_DB: Final = -200.0  # stands for the level of digital silence, whose logarithm does not exist

# Squares of int16 are at most 2**30, so float64 sums of up to 2**23 of them are exact in any order of adding.
_EXACT = 1 << 20


def sum_squares(pcm: NDArray[np.int16]) -> int:
    """Returns the exact sum of squares of int16 (num_samples,)."""
    total = 0
    for start in range(0, len(pcm), _EXACT):
        span = pcm[start : start + _EXACT].astype(np.float64)
        total += int(np.einsum("i,i->", span, span))
    return total


def level_db(sum_of_squares: int, num_samples: int) -> float:
    """Returns an RMS level in dBFS from an exact sum of squares.

    It is rounded to 0.0001 dB, so that the last bit of a machine's logarithm does not show.
    """
    if sum_of_squares == 0 or num_samples == 0:
        return SILENT_DB
    return round(10.0 * math.log10(sum_of_squares / (num_samples * FULL_SCALE**2)), 4)


def rms_db(pcm: NDArray[np.int16]) -> float:
    """Returns the RMS level of int16 (num_samples,) in dBFS; a full-scale square wave has 0 dB."""
    return level_db(sum_squares(pcm), len(pcm))


def peak(pcm: NDArray[np.int16]) -> int:
    """Returns the largest absolute value, 0 to 32768; 0 for no samples."""
    return max(int(pcm.max()), -int(pcm.min())) if len(pcm) else 0
