"""A log-mel spectrogram in numpy, for pictures and for finding near-duplicates.

It looks at a whole recording. The features that a model hears come from the trainer's causal front end, not from here.
"""

from __future__ import annotations

import functools
from typing import Final

import numpy as np
from numpy.typing import NDArray

from soundflow_data.timeline import SAMPLE_RATE

WINDOW: Final = 400  # samples, 25 ms
HOP: Final = 160  # samples, 10 ms
FFT: Final = 512
FLOOR_DB: Final = -100.0

_FRAMES_AT_ONCE: Final = 2048  # 8 MB of spectra


def log_mel(pcm: NDArray[np.int16], *, num_mels: int = 64) -> NDArray[np.float32]:
    """Returns float32 (num_frames, num_mels) in dB, where a full-scale sine has about 0 dB in its band.

    Args:
        pcm: int16 (num_samples,) at 16 kHz. Frame i covers the 25 ms around sample 160 * i + 80, with silence outside.
        num_mels: Number of bands, equally spaced in mel from 0 to 8 kHz.
    """
    weights = mel_weights(num_mels)
    result = [10.0 * np.log10(power @ weights + 10.0 ** (FLOOR_DB / 10)) for power in _power_blocks(pcm)]
    return np.concatenate(result) if result else np.zeros((0, num_mels), np.float32)


def spectral_entropy(pcm: NDArray[np.int16], *, num_mels: int = 64) -> NDArray[np.float32]:
    """Returns float32 (num_frames,), how evenly each frame's power is spread: 0 is in one band, 1 alike in all.

    Frames without any power have 1.
    """
    weights = mel_weights(num_mels)
    blocks = [_entropy(power @ weights) for power in _power_blocks(pcm)]
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


@functools.cache
def mel_weights(num_mels: int) -> NDArray[np.float32]:
    """Returns float32 (FFT // 2 + 1, num_mels), triangles on the mel scale 2595 log10(1 + f / 700) with peaks of 1."""
    hz = np.arange(FFT // 2 + 1) * (SAMPLE_RATE / FFT)
    top = 2595.0 * np.log10(1.0 + SAMPLE_RATE / 2 / 700.0)
    corners = 700.0 * (10.0 ** (np.linspace(0.0, top, num_mels + 2) / 2595.0) - 1.0)
    # Low triangles are narrower than the spacing of the bins; none may fall between two of them.
    rise = np.maximum(corners[1:-1] - corners[:-2], SAMPLE_RATE / FFT)
    fall = np.maximum(corners[2:] - corners[1:-1], SAMPLE_RATE / FFT)
    offset = hz[:, None] - corners[None, 1:-1]
    weights = np.maximum(0.0, 1.0 + np.where(offset < 0, offset / rise, -offset / fall)).astype(np.float32)
    weights.setflags(write=False)
    return weights


def _power_blocks(pcm: NDArray[np.int16]) -> list[NDArray[np.float32]]:
    num_frames = -(-len(pcm) // HOP)
    window = np.hanning(WINDOW + 2)[1:-1].astype(np.float32)
    scale = np.float32(1.0 / (32768.0 * window.sum() / 2))  # a sine of full scale gives a peak of 1
    before = (WINDOW - HOP) // 2
    padded = np.zeros(num_frames * HOP + WINDOW, np.float32)
    padded[before : before + len(pcm)] = pcm
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][:num_frames]
    blocks = []
    for first in range(0, num_frames, _FRAMES_AT_ONCE):
        spectra = np.fft.rfft(frames[first : first + _FRAMES_AT_ONCE] * (window * scale), FFT)
        blocks.append((spectra.real**2 + spectra.imag**2).astype(np.float32))
    return blocks


def _entropy(bands: NDArray[np.float32]) -> NDArray[np.float32]:
    total = bands.sum(axis=1, keepdims=True)
    share = np.where(total > 0, bands / np.maximum(total, 1e-30), 1.0 / bands.shape[1])
    entropy = -(share * np.log(np.maximum(share, 1e-12))).sum(axis=1) / np.log(bands.shape[1])
    return entropy.astype(np.float32)
