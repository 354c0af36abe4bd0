"""Filters for the procedural sounds: second-order sections after the Audio EQ Cookbook, convolution, rooms.

`scipy.signal` takes a second to import, so it is imported by the functions that filter: listing the kinds is quick.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from soundflow_data.audio.procedural.signals import Rng, Signal, decay, samples, white
from soundflow_data.timeline import SAMPLE_RATE


def _apply(x: Signal, b: tuple[float, float, float], a: tuple[float, float, float], times: int) -> Signal:
    from scipy.signal import sosfilt  # noqa: PLC0415 - see the top

    section: NDArray[np.float64] = np.array([[b[0], b[1], b[2], *a]]) / a[0]
    section = np.repeat(section, times, axis=0)
    out: Signal = sosfilt(section, x)
    return out


def _angle(hz: float, q: float) -> tuple[float, float]:
    w = 2 * np.pi * min(hz, 0.49 * SAMPLE_RATE) / SAMPLE_RATE
    return float(np.cos(w)), float(np.sin(w) / (2 * q))


def lowpass(x: Signal, hz: float, q: float = 0.707, times: int = 1) -> Signal:
    """Low-pass of 12 dB per octave, applied `times` times in a row."""
    c, alpha = _angle(hz, q)
    return _apply(x, ((1 - c) / 2, 1 - c, (1 - c) / 2), (1 + alpha, -2 * c, 1 - alpha), times)


def highpass(x: Signal, hz: float, q: float = 0.707, times: int = 1) -> Signal:
    """High-pass of 12 dB per octave, applied `times` times in a row."""
    c, alpha = _angle(hz, q)
    return _apply(x, ((1 + c) / 2, -(1 + c), (1 + c) / 2), (1 + alpha, -2 * c, 1 - alpha), times)


def bandpass(x: Signal, hz: float, q: float = 1.0, times: int = 1) -> Signal:
    """Band-pass with 0 dB at its centre; the band is `hz / q` wide."""
    c, alpha = _angle(hz, q)
    return _apply(x, (alpha, 0.0, -alpha), (1 + alpha, -2 * c, 1 - alpha), times)


def shelf(x: Signal, hz: float, gain_db: float) -> Signal:
    """High shelf: everything well above `hz` changes by `gain_db`."""
    c, alpha = _angle(hz, 0.707)
    g = 10 ** (gain_db / 40)
    root = 2 * np.sqrt(g) * alpha
    b = (g * (g + 1 + (g - 1) * c + root), -2 * g * (g - 1 + (g + 1) * c), g * (g + 1 + (g - 1) * c - root))
    a = (g + 1 - (g - 1) * c + root, 2 * (g - 1 - (g + 1) * c), g + 1 - (g - 1) * c - root)
    return _apply(x, b, a, 1)


def resonances(x: Signal, *bands: tuple[float, float, float]) -> Signal:
    """Sum of parallel band-passes: (centre Hz, Q, gain); the body of an instrument, a box or a mouth."""
    out = np.zeros_like(x)
    for hz, q, gain in bands:
        out += gain * bandpass(x, hz, q)
    return out


def convolve(x: Signal, kernel: Signal) -> Signal:
    """Convolution cut to the length of `x`; for a long train of impulses, each becomes one copy of the kernel."""
    from scipy.signal import oaconvolve  # noqa: PLC0415 - see the top

    out: Signal = oaconvolve(x, kernel)[: x.size]
    return out


def room(rng: Rng, x: Signal, t60_s: float, wet_db: float) -> Signal:
    """Add the diffuse reverberation of a room, `wet_db` relative to the dry sound; same length as `x`.

    The response is exponentially decaying noise (Moorer 1979), darker than the source as walls are.
    """
    size = samples(t60_s)
    response = white(rng, size) * decay(size, t60_s)
    response[: samples(0.004)] = 0.0
    response = lowpass(response, 4_500.0)
    response *= 10 ** (wet_db / 20) / np.sqrt(np.sum(np.square(response)))
    return x + convolve(x, response)
