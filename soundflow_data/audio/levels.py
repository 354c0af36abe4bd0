"""Levels of int16 recordings, counted in whole numbers so that they are equal on every machine."""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from soundflow_data.errors import AudioError

ENERGY_BLOCK: Final = 160  # samples; 10 ms
FULL_SCALE: Final = 32_768  # the int16 value that 0 dBFS stands for
SILENT_DB: Final = -200.0  # stands for the level of digital silence, whose logarithm does not exist

# Squares of int16 are at most 2**30, so float64 sums of up to 2**23 of them are exact in any order of adding.
_EXACT = 1 << 20


class Energy(msgspec.Struct, frozen=True, kw_only=True):
    """Sums of squares of one clip, from which the level of any block-aligned span follows without its audio.

    Attributes:
        cumulative: int64 (num_blocks + 1,); entry i is the sum of squares of the first i blocks of 160 samples, the
            last of which may be shorter.
        num_samples: Length of the clip.
    """

    cumulative: NDArray[np.int64]
    num_samples: int

    def sum_squares(self, start: int = 0, end: int | None = None) -> int:
        """Returns the exact sum of squares from sample `start` to `end` (exclusive; the clip's end if None).

        Raises:
            AudioError: A bound lies outside the clip, or neither on a multiple of 160 samples nor at its end.
        """
        stop = self.num_samples if end is None else end
        if not 0 <= start <= stop <= self.num_samples:
            raise AudioError(
                f"span {start}..{stop} is not inside the {self.num_samples} samples of the clip; correct its bounds",
                reason="bad span",
            )
        return int(self.cumulative[self._block(stop)] - self.cumulative[self._block(start)])

    def rms_db(self, start: int = 0, end: int | None = None) -> float:
        """Returns the RMS level of a span in dBFS; see `sum_squares` for its bounds."""
        stop = self.num_samples if end is None else end
        return level_db(self.sum_squares(start, stop), stop - start)

    def _block(self, sample: int) -> int:
        if sample % ENERGY_BLOCK and sample != self.num_samples:
            raise AudioError(
                f"sample {sample} is not a multiple of {ENERGY_BLOCK}; snap it to a block, or measure the audio itself",
                reason="bad span",
            )
        return -(-sample // ENERGY_BLOCK)


def measure(pcm: NDArray[np.int16]) -> Energy:
    """Returns the energy table of int16 (num_samples,)."""
    whole = len(pcm) // ENERGY_BLOCK
    sums = np.zeros(-(-len(pcm) // ENERGY_BLOCK) + 1, np.int64)
    step = _EXACT // ENERGY_BLOCK
    for first in range(0, whole, step):
        last = min(first + step, whole)
        span = pcm[first * ENERGY_BLOCK : last * ENERGY_BLOCK].astype(np.float64).reshape(-1, ENERGY_BLOCK)
        sums[first + 1 : last + 1] = np.einsum("ij,ij->i", span, span)
    if len(pcm) % ENERGY_BLOCK:
        sums[-1] = sum_squares(pcm[whole * ENERGY_BLOCK :])
    return Energy(cumulative=np.cumsum(sums), num_samples=len(pcm))


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
