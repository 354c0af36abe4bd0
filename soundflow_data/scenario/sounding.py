"""What a verifier must know of a clip's sound, measured once: from the bank's energy table, without reading the audio.

Only the outermost milliseconds are read as samples, and clips that touch full scale.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from soundflow_data.audio.levels import ENERGY_BLOCK, FULL_SCALE, SILENT_DB
from soundflow_data.audio.spectrum import spectral_entropy
from soundflow_data.bank import Bank
from soundflow_data.timeline import SAMPLE_RATE

EDGE: Final = SAMPLE_RATE // 1000  # samples at each end that tell a splice from a rise; 1 ms
QUIET_PERCENTILE: Final = 10
TAIL_BLOCKS: Final = 5  # 50 ms before the end ...
TAPER_BLOCKS: Final = 2  # ... of which the last 20 may be a taper, which hides that a sound was cut off
FULL: Final = 32_766

_SMOOTH: Final = np.full(5, 0.2)  # 50 ms
_TINY: Final = 1e-10  # mean square of -100 dBFS


class Sounding(msgspec.Struct, frozen=True, kw_only=True):
    """The measures of one clip.

    Attributes:
        num_samples: Length.
        active_db: Level of the sound itself in dBFS: the mean of the blocks' energies, each weighted by itself.
        snr_db: How far that stands above the quiet frames, the 10th percentile of the 50 ms levels: an estimate of the
            ratio of sound to steady noise (after R. Martin, "Noise power spectral density estimation based on optimal
            smoothing and minimum statistics", 2001, with a percentile for the minimum). It says nothing about a sound
            that never pauses, whose quiet frames are the sound itself. Digital silence counts as -100 dBFS.
        head_db: Level of the first millisecond above `active_db`; near 0 or above it where a clip starts at once.
        rise_db: How much louder than its first 10 ms it becomes from 20 to 150 ms; a stroke is loudest at its start.
        end_db: Level of the last millisecond above `active_db`.
        tail_db: Level of the 30 ms before the final taper above `active_db`; near 0 where a sound did not end.
        full_share: Part of the samples at full scale.
    """

    num_samples: int
    active_db: float
    snr_db: float
    head_db: float
    rise_db: float
    end_db: float
    tail_db: float
    full_share: float


def measure_clip(bank: Bank, row: int, peak: int) -> Sounding:
    """Measures a clip of a bank.

    Args:
        bank: The bank.
        row: The clip.
        peak: Its largest magnitude; its samples are read only when that is full scale.
    """
    num_samples = int(bank.numbers("num_samples")[row])
    head = bank.pcm(row, 0, EDGE)
    end = bank.pcm(row, num_samples - EDGE, num_samples)
    full = float(np.mean(np.abs(bank.pcm(row).astype(np.int32)) >= FULL)) if peak >= FULL else 0.0
    return _measure(bank.block_energy(row), num_samples, head, end, full)


def measure_pcm(pcm: NDArray[np.int16]) -> Sounding:
    """Measures int16 (num_samples,)."""
    full = float(np.mean(np.abs(pcm.astype(np.int32)) >= FULL))
    return _measure(block_energy(pcm), len(pcm), pcm[:EDGE], pcm[-EDGE:], full)


def quiet_entropy(pcm: NDArray[np.int16]) -> float:
    """Returns how noise-like the quietest tenth of a clip is: about 0.9 for hiss, below 0.8 for voices and tones.

    The median of their spectral entropy (H. Misra et al., "Spectral entropy based feature for robust ASR", 2004).

    Args:
        pcm: int16 (num_samples,).
    """
    level, entropy = smooth(block_energy(pcm)), spectral_entropy(pcm)
    count = max(1, len(level) // QUIET_PERCENTILE)
    return float(np.median(entropy[np.argpartition(level, count - 1)[:count]]))


def block_energy(pcm: NDArray[np.int16]) -> NDArray[np.float64]:
    """Returns the sum of squares of every 10 ms of int16 (num_samples,), as `Bank.block_energy` does."""
    squares = np.zeros(-(-len(pcm) // ENERGY_BLOCK) * ENERGY_BLOCK)
    squares[: len(pcm)] = pcm
    squares *= squares
    blocks: NDArray[np.float64] = squares.reshape(-1, ENERGY_BLOCK).sum(axis=1)
    return blocks


def smooth(energy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the mean square over the 50 ms around each 10 ms block, 1.0 for full scale."""
    around: NDArray[np.float64] = np.convolve(energy, _SMOOTH, mode="same")[: len(energy)]
    return around / (ENERGY_BLOCK * FULL_SCALE**2)


def _measure(
    energy: NDArray[np.float64], num_samples: int, head: NDArray[np.int16], end: NDArray[np.int16], full: float
) -> Sounding:
    power = energy / (ENERGY_BLOCK * FULL_SCALE**2)
    total = float(power.sum())
    active = float(power @ power) / total if total else 0.0
    quiet = float(np.partition(smooth(energy), len(energy) // QUIET_PERCENTILE)[len(energy) // QUIET_PERCENTILE])
    active_db = _decibels(active)
    tail = power[-TAIL_BLOCKS:-TAPER_BLOCKS] if len(power) > TAIL_BLOCKS else power[:0]
    return Sounding(
        num_samples=num_samples,
        active_db=active_db,
        snr_db=active_db - _decibels(quiet),
        head_db=_edge_db(head) - active_db,
        rise_db=_decibels(float(power[2:15].max(initial=0.0))) - _decibels(float(power[0])),
        end_db=_edge_db(end) - active_db,
        tail_db=_decibels(float(tail.mean())) - active_db if len(tail) else SILENT_DB,
        full_share=full,
    )


def _edge_db(samples: NDArray[np.int16]) -> float:
    values = samples.astype(np.float64) / FULL_SCALE
    return _decibels(float(values @ values) / max(1, len(values)))


def _decibels(power: float) -> float:
    return round(10.0 * float(np.log10(max(power, _TINY))), 3)
