"""A stationary noise spectrum and its subtraction in the short-time Fourier domain."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from soundflow_data.audio.decode import to_int16
from soundflow_data.audio.levels import ENERGY_BLOCK

WINDOW: Final = 512  # samples, 32 ms
HOP: Final = WINDOW // 2

_OVERSUBTRACTION: Final = 2.0  # single bins of noise exceed its mean power; twice the mean hardly ever, when smoothed
_LOWEST_GAIN: Final = 0.1  # -20 dB; removing all of it would leave chirps
_FRAMES_AT_ONCE: Final = 4_096  # 17 MB of spectra
_HALO: Final = 1  # frames on each side that the smoothing looks at


def noise_power(pcm: NDArray[np.int16], quiet_blocks: NDArray[np.intp]) -> NDArray[np.float32]:
    """Returns float32 (WINDOW // 2 + 1,), the mean power spectrum around the given blocks of 160 samples.

    Args:
        pcm: int16 (num_samples,).
        quiet_blocks: intp (num_quiet,), indices of blocks that hold noise alone; at least one.
    """
    total = np.zeros(WINDOW // 2 + 1)
    padded = np.pad(pcm, WINDOW // 2)
    window = _window()
    for first in range(0, len(quiet_blocks), _FRAMES_AT_ONCE):
        starts = quiet_blocks[first : first + _FRAMES_AT_ONCE] * ENERGY_BLOCK + ENERGY_BLOCK // 2
        frames = padded[np.minimum(starts, len(pcm))[:, None] + np.arange(WINDOW)].astype(np.float32) * window
        total += _power(np.fft.rfft(frames)).sum(axis=0, dtype=np.float64)
    return (total / len(quiet_blocks)).astype(np.float32)


def subtract(pcm: NDArray[np.int16], noise: NDArray[np.float32], coefficient: float) -> NDArray[np.int16]:
    """Returns int16 (num_samples,) without the noise.

    Args:
        pcm: int16 (num_samples,).
        noise: float32 (WINDOW // 2 + 1,), see `noise_power`.
        coefficient: How much of the gain to apply: 0 changes nothing, 1 takes noise down by 20 dB.
    """
    num_frames = -(-len(pcm) // HOP) + 1
    padded = np.zeros((num_frames + 1) * HOP, np.float32)
    padded[HOP : HOP + len(pcm)] = pcm
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    out = np.zeros((num_frames + 1, HOP), np.float32)
    window = _window()
    for first in range(0, num_frames, _FRAMES_AT_ONCE):
        last = min(first + _FRAMES_AT_ONCE, num_frames)
        low, high = max(0, first - _HALO), min(num_frames, last + _HALO)
        spectra = np.fft.rfft(frames[low:high] * window)
        gain = 1.0 - coefficient * (1.0 - _gain(_power(spectra), noise))
        clean = np.fft.irfft(spectra * gain, WINDOW)[first - low : last - low] * window
        out[first:last] += clean[:, :HOP]
        out[first + 1 : last + 1] += clean[:, HOP:]
    return to_int16(out.ravel()[HOP : HOP + len(pcm)] * np.float32(1.0 / 32768.0))


def _gain(power: NDArray[np.float32], noise: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the gain per frame and bin, from the power smoothed over 3 frames and 3 bins."""
    around = np.pad(power, 1, mode="edge")
    around = around[:, :-2] + around[:, 1:-1] + around[:, 2:]
    smooth = (around[:-2] + around[1:-1] + around[2:]) * np.float32(1.0 / 9.0)
    kept = 1.0 - np.float32(_OVERSUBTRACTION) * noise / np.maximum(smooth, np.float32(1e-9))
    return np.sqrt(np.maximum(kept, np.float32(_LOWEST_GAIN**2))).astype(np.float32)


def _power(spectra: NDArray[np.complexfloating]) -> NDArray[np.float32]:
    return (spectra.real**2 + spectra.imag**2).astype(np.float32)


def _window() -> NDArray[np.float32]:
    """Returns the root of a Hann window; its square, shifted by a half, adds up to 1."""
    return np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32)
