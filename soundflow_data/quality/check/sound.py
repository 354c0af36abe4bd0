"""Levels, content hash and a small log-mel embedding of one stream, from samples that were decoded once.

embedding   64 ms frames -> power spectrum -> 16 mel bands -> log -> mean in each of 16 equal parts of the stream

Log-mel embeddings of equal parts notice copies that were changed in level, codec or noise floor, and tell apart streams
that share their noise beds: what differs then is when something is heard in which band.
"""

from __future__ import annotations

import functools
from typing import Final

import numpy as np
import xxhash
from numpy.typing import NDArray
from scipy import fft

from soundflow_data.timeline import SAMPLE_RATE

NUM_BANDS: Final = 16
NUM_PARTS: Final = 16
FRAME: Final = 1024
LOW_HZ: Final = 60.0
HIGH_HZ: Final = 7_600.0
FULL_SCALE: Final = 32_767
SILENT_DBFS: Final = -120.0  # what a stream of zeros is said to have

SOUND: Final = np.dtype(
    [("xxh3", "<u8"), ("rms_dbfs", "<f4"), ("peak", "<i4"), ("clipped", "<i4"), ("longest_silence_s", "<f4")]
)


def measure_sound(pcm: NDArray[np.int16]) -> tuple[NDArray[np.void], NDArray[np.float16]]:
    """Measures one stream.

    Args:
        pcm: int16 (num_samples,), at least one sample.

    Returns:
        One element of dtype `SOUND`, and the embedding as float16 (NUM_PARTS * NUM_BANDS,).
    """
    row = np.zeros((), SOUND)
    samples = pcm.astype(np.float32)
    peak = max(int(pcm.max()), -int(pcm.min()))
    power = float(np.dot(samples, samples)) / len(pcm) / 32768.0**2
    row["xxh3"] = xxhash.xxh3_64_intdigest(np.ascontiguousarray(pcm).data)
    row["rms_dbfs"] = 10 * np.log10(power) if power else SILENT_DBFS
    row["peak"] = peak
    row["clipped"] = int(np.count_nonzero((pcm >= FULL_SCALE) | (pcm <= -FULL_SCALE))) if peak >= FULL_SCALE else 0
    frames = _frames(samples)
    empty: NDArray[np.bool_] = np.logical_not(np.any(frames, axis=1))
    row["longest_silence_s"] = _longest_run(empty) * FRAME / SAMPLE_RATE
    return row[()], _embed(frames)


def _frames(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cuts float32 (num_samples,) into (num_frames, FRAME), at least NUM_PARTS of them; the rest is left out."""
    short = NUM_PARTS * FRAME - len(samples)
    if short > 0:
        samples = np.pad(samples, (0, short))
    count = len(samples) // FRAME
    return samples[: count * FRAME].reshape(count, FRAME)


def _embed(frames: NDArray[np.float32]) -> NDArray[np.float16]:
    window, bands = _constants()
    spectrum = fft.rfft(frames * window)
    power = spectrum.real**2 + spectrum.imag**2
    mel = np.log(power @ bands + np.float32(1.0))  # 1.0: far below one step of int16, so that zeros stay finite
    edges = np.arange(NUM_PARTS) * len(frames) // NUM_PARTS
    sizes = np.diff(np.append(edges, len(frames)))
    means = np.add.reduceat(mel, edges, axis=0) / sizes[:, None]
    return (means - means.mean()).astype(np.float16).ravel()


@functools.cache
def _constants() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns a Hann window (FRAME,) and triangular mel filters (FRAME // 2 + 1, NUM_BANDS) of equal area."""
    edges_hz = 700 * np.expm1(np.linspace(np.log1p(LOW_HZ / 700), np.log1p(HIGH_HZ / 700), NUM_BANDS + 2))
    bins_hz = np.arange(FRAME // 2 + 1)[:, None] * SAMPLE_RATE / FRAME
    low, middle, high = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    filters = np.maximum(0, np.minimum((bins_hz - low) / (middle - low), (high - bins_hz) / (high - middle)))
    filters /= np.maximum(filters.sum(axis=0), 1e-9)
    return np.hanning(FRAME).astype(np.float32), filters.astype(np.float32)


def _longest_run(flags: NDArray[np.bool_]) -> int:
    """Returns the length of the longest run of true values."""
    if not flags.any():
        return 0
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max())
