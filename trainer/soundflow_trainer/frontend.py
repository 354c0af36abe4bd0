"""Log-mel features that depend on nothing but the chunk: one front end for training and live.

Whisper's log-mel clamps everything 8 decades below the loudest frame of the *whole clip*, so what a file gives differs
from what a live stream gives. Here the loudest value is a constant, and a chunk is mirrored at its own two ends:

    chunk            |---------------- C samples ----------------|
    mirrored     <<<<|                                           |>>>>       200 samples on each side
    frame 0      [   ^   ]                                                   400 samples, centred at sample 0
    frame 1          [   ^   ]                                               centred at sample 160
    last frame                                         [      ^      ]       centred at sample C - 160

So the features of a chunk are a pure function of its samples, and no frame looks past the end of the chunk.
"""

from __future__ import annotations

import functools
from typing import Final

import numpy as np
import scipy.fft
import scipy.sparse
from numpy.typing import NDArray

from soundflow_data.errors import SoundFlowError
from soundflow_data.timeline import SAMPLE_RATE

NUM_MELS: Final = 128
HOP: Final = 160
WINDOW: Final = 400
FRAMES_PER_EMBEDDING: Final = 4  # the audio tower halves the rate twice: 40 ms each
LOUDEST_LOG10: Final = 1.0  # foreground speech at -26 dBFS peaks near here
RANGE_LOG10: Final = 8.0  # as in Whisper
VERSION: Final = 1  # raised when features of the same samples change

Features = NDArray[np.float32]


def check_chunk(chunk: int) -> None:
    """Raises SoundFlowError for a chunk length in samples that is not a whole number of 40 ms embeddings."""
    step = HOP * FRAMES_PER_EMBEDDING
    if chunk <= 0 or chunk % step:
        raise SoundFlowError(
            f"chunk of {chunk} samples: the audio tower makes one embedding per {step} samples, so the chunk must be a "
            f"multiple of {step}, such as {max(step, chunk // step * step)}"
        )


def embeddings_per_chunk(chunk: int) -> int:
    """Returns how many positions of the sequence one chunk of audio takes."""
    check_chunk(chunk)
    return chunk // (HOP * FRAMES_PER_EMBEDDING)


def log_mel(audio: NDArray[np.int16] | NDArray[np.float32], chunk: int) -> Features:
    """Computes the features of whole chunks.

    Args:
        audio: (num_chunks * chunk,) at 16 kHz; int16, or float32 with full scale at 1.0.
        chunk: Samples per chunk.

    Returns:
        float32 (num_chunks, chunk // 160, 128), about -0.75 (silence) to 1.

    Raises:
        SoundFlowError: The audio is not a whole number of chunks, or holds values that are not finite.
    """
    check_chunk(chunk)
    if audio.ndim != 1 or len(audio) % chunk:
        raise SoundFlowError(f"audio of shape {audio.shape}: give one channel, a multiple of {chunk} samples")
    samples = audio.astype(np.float32) / 32768 if audio.dtype == np.int16 else np.asarray(audio, np.float32)
    if not np.isfinite(samples).all():
        raise SoundFlowError("audio holds values that are not finite; check the source of the samples")
    chunks = samples.reshape(-1, chunk)
    mirrored = np.pad(chunks, ((0, 0), (WINDOW // 2, WINDOW // 2)), mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(mirrored, WINDOW, axis=1)[:, :-1:HOP] * _hann()
    spectrum = scipy.fft.rfft(frames, axis=-1)
    power = (spectrum.real**2 + spectrum.imag**2).reshape(-1, WINDOW // 2 + 1)
    # A bin lies in two filters at most, so a sparse product is quick; it adds in one order whatever the number of
    # frames, so a chunk has the same bits alone and among others, and it does not wake the threads of a BLAS.
    mel = (_sparse_filters() @ np.ascontiguousarray(power.T)).T.reshape(len(chunks), chunk // HOP, NUM_MELS)
    logarithm = np.log10(np.maximum(mel, 1e-10))
    return ((np.maximum(logarithm, LOUDEST_LOG10 - RANGE_LOG10) + 4.0) / 4.0).astype(np.float32)


@functools.cache
def independent_bins() -> Features:
    """Returns over how many independent values of white noise each mel bin averages; float32 (128,), at least 1."""
    filters = _mel_filters().astype(np.float64)
    window = np.fft.rfft(_hann().astype(np.float64) ** 2)
    # Neighbouring frequencies of a windowed frame are alike: their powers correlate by the window's own spectrum.
    alike = np.abs(window / window[0]) ** 2
    away = np.abs(np.subtract.outer(np.arange(len(filters)), np.arange(len(filters))))
    spread = np.einsum("fm,fg,gm->m", filters, alike[away], filters, optimize=True)
    return np.maximum(1, filters.sum(0) ** 2 / spread).astype(np.float32)


@functools.cache
def _hann() -> Features:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32)


@functools.cache
def _sparse_filters() -> scipy.sparse.csr_array:
    return scipy.sparse.csr_array(_mel_filters().T)


@functools.cache
def _mel_filters() -> Features:
    """Returns float32 (201, 128): triangles on Slaney's mel scale with equal areas, as Whisper uses them."""
    bins_hz = np.linspace(0, SAMPLE_RATE / 2, WINDOW // 2 + 1)
    edges_hz = _mel_to_hz(np.linspace(_hz_to_mel(0.0), _hz_to_mel(SAMPLE_RATE / 2), NUM_MELS + 2))
    slopes = edges_hz[None, :] - bins_hz[:, None]
    widths = np.diff(edges_hz)
    triangles = np.maximum(0, np.minimum(-slopes[:, :-2] / widths[:-1], slopes[:, 2:] / widths[1:]))
    return (triangles * 2.0 / (edges_hz[2:] - edges_hz[:-2])).astype(np.float32)


def _hz_to_mel(hz: float) -> float:
    return 3 * hz / 200 if hz < 1000 else 15 + np.log(hz / 1000) * 27 / np.log(6.4)


def _mel_to_hz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(mel < 15, 200 * mel / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))
