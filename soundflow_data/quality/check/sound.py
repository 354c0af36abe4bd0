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
    frames = _frames(pcm)
    energy = np.einsum("ij,ij->i", frames, frames)
    power = float(energy.sum(dtype=np.float64)) / len(pcm) / 32768.0**2
    peak = max(int(pcm.max()), -int(pcm.min()))
    row["xxh3"] = xxhash.xxh3_64_intdigest(np.ascontiguousarray(pcm).data)
    row["rms_dbfs"] = 10 * np.log10(power) if power else SILENT_DBFS
    row["peak"] = peak
    row["clipped"] = int(np.count_nonzero((pcm >= FULL_SCALE) | (pcm <= -FULL_SCALE))) if peak >= FULL_SCALE else 0
    row["longest_silence_s"] = _longest_run(energy[: len(pcm) // FRAME] == 0) * FRAME / SAMPLE_RATE
    return row[()], _embed(frames)


def _frames(pcm: NDArray[np.int16]) -> NDArray[np.float32]:
    """Cuts int16 (num_samples,) into float32 (num_frames, FRAME), at least NUM_PARTS; zeros fill up the last ones."""
    count = max(NUM_PARTS, -(-len(pcm) // FRAME))
    samples = np.zeros(count * FRAME, np.float32)
    samples[: len(pcm)] = pcm
    return samples.reshape(count, FRAME)


def _embed(frames: NDArray[np.float32]) -> NDArray[np.float16]:
    window, bins = _constants()
    spectrum = fft.rfft(frames * window)[:, bins[0] : bins[-1]]
    # Sums over neighbouring bins, not a product with filters: a product would wake the threads of the BLAS library.
    mel = np.add.reduceat(spectrum.real**2 + spectrum.imag**2, bins[:-1] - bins[0], axis=1)
    mel = np.log(mel / np.diff(bins).astype(np.float32) + np.float32(1.0))  # 1.0: below a step of int16, so finite
    edges = np.arange(NUM_PARTS) * len(frames) // NUM_PARTS
    means = np.add.reduceat(mel, edges, axis=0) / np.diff(edges, append=len(frames))[:, None]
    return (means - means.mean()).astype(np.float16).ravel()


@functools.cache
def _constants() -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Returns a Hann window (FRAME,) and the first bins of the mel bands and the end of the last, (NUM_BANDS + 1,)."""
    edges_hz = 700 * np.expm1(np.linspace(np.log1p(LOW_HZ / 700), np.log1p(HIGH_HZ / 700), NUM_BANDS + 1))
    return np.hanning(FRAME).astype(np.float32), np.rint(edges_hz * FRAME / SAMPLE_RATE).astype(np.int64)


def _longest_run(flags: NDArray[np.bool_]) -> int:
    """Returns the length of the longest run of true values."""
    if not flags.any():
        return 0
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max())
