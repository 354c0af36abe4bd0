"""How loud a clip is over time, its noise floor, and the level of what stands out from it."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from soundflow_data.audio.levels import ENERGY_BLOCK, FULL_SCALE

LOWEST_DB: Final = -90.0  # about one step of int16; blocks below it were digital silence
FLOOR_PERCENTILE: Final = 10

_SMOOTH_BLOCKS: Final = 5  # 50 ms
_MEAN_SAMPLES: Final = 81  # 5 ms; what is slower than about 100 Hz is wind, handling and hum
_BLOCKS_AT_ONCE: Final = 6_000  # one minute


class Contour(msgspec.Struct, frozen=True, kw_only=True):
    """The levels of one clip.

    Attributes:
        level_db: float64 (num_blocks,), RMS level of each 10 ms in dBFS, at least -90 (a last part of a block counts as
            if silence followed it).
        smooth_db: float64 (num_blocks,), the same over the 50 ms around.
        floor_db: The 10th percentile of the smooth level, digital silence left out.
        active_db: Level of the sound itself: the mean of the blocks' energies, each weighted by itself, which hardly
            depends on how much silence the clip holds, and is right for one short click and for a steady hum.
    """

    level_db: NDArray[np.float64]
    smooth_db: NDArray[np.float64]
    floor_db: float
    active_db: float

    @property
    def contrast_db(self) -> float:
        """How far the sound stands out from the floor; near 0 for a steady sound."""
        return max(0.0, self.active_db - self.floor_db)


def contour(pcm: NDArray[np.int16]) -> Contour:
    """Measures int16 (num_samples,) without its rumble: each sample counts as its distance from the mean of 5 ms."""
    blocks = _block_power(pcm)
    smooth_db = _decibels(_moving_mean(blocks))
    sounding = smooth_db[smooth_db > LOWEST_DB]
    total = float(blocks.sum())
    return Contour(
        level_db=_decibels(blocks),
        smooth_db=smooth_db,
        floor_db=float(np.percentile(sounding, FLOOR_PERCENTILE)) if len(sounding) else LOWEST_DB,
        active_db=float(_decibels(np.array([(blocks**2).sum() / total]))[0]) if total else LOWEST_DB,
    )


def runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Returns the (start, exclusive end) of each run of true values."""
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0)).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


def _block_power(pcm: NDArray[np.int16]) -> NDArray[np.float64]:
    """Returns float64 (num_blocks,), the mean square of each 10 ms around the moving mean, 1.0 for full scale."""
    num_blocks = -(-len(pcm) // ENERGY_BLOCK)
    power = np.empty(num_blocks)
    half = _MEAN_SAMPLES // 2
    for first in range(0, num_blocks, _BLOCKS_AT_ONCE):
        last = min(first + _BLOCKS_AT_ONCE, num_blocks)
        start, end = first * ENERGY_BLOCK, min(last * ENERGY_BLOCK, len(pcm))
        around = pcm[max(0, start - half) : end + half]
        sums = np.zeros(end - start + _MEAN_SAMPLES, np.int64)  # beyond the ends the last sample goes on
        early, late = max(0, half - start), max(0, end + half - len(pcm))
        inner = sums[1 + early : len(sums) - late]
        sums[1 : 1 + early], inner[:], sums[len(sums) - late :] = pcm[0], around, pcm[-1]
        np.cumsum(sums, out=sums)
        # Whole numbers up to 2**53, so float64 holds their sums of squares exactly.
        distance = np.zeros((last - first) * ENERGY_BLOCK)
        distance[: end - start] = pcm[start:end]
        distance[: end - start] *= _MEAN_SAMPLES
        distance[: end - start] -= sums[_MEAN_SAMPLES:] - sums[:-_MEAN_SAMPLES]
        rows = distance.reshape(-1, ENERGY_BLOCK)
        power[first:last] = np.einsum("ij,ij->i", rows, rows)
    return power / (ENERGY_BLOCK * (_MEAN_SAMPLES * FULL_SCALE) ** 2)


def _decibels(power: NDArray[np.float64]) -> NDArray[np.float64]:
    return 10.0 * np.log10(np.maximum(power, 10.0 ** (LOWEST_DB / 10)))


def _moving_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    half = _SMOOTH_BLOCKS // 2
    total = np.concatenate([[0.0], np.cumsum(np.pad(values, half))])
    return np.maximum(total[_SMOOTH_BLOCKS:] - total[:-_SMOOTH_BLOCKS], 0.0) / _SMOOTH_BLOCKS
