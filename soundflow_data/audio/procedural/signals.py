"""Oscillators, noises and envelopes: the raw material of the procedural sounds, float64 at 16 kHz."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from soundflow_data.timeline import SAMPLE_RATE

Signal = NDArray[np.float64]
Rng = np.random.Generator

HIGHEST_HZ = 7_600.0
"""Partials above this are left out: they would alias, or be taken by the filters of any real recorder."""


def samples(time_s: float) -> int:
    """Number of samples nearest to a time in seconds, at least one."""
    return max(1, round(time_s * SAMPLE_RATE))


def log_uniform(rng: Rng, low: float, high: float) -> float:
    """Draw from [low, high] so that equal ratios are equally likely."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def white(rng: Rng, n: int) -> Signal:
    """Gaussian white noise of unit RMS."""
    return rng.standard_normal(n)


def coloured(rng: Rng, n: int, *points: tuple[float, float]) -> Signal:
    """Stationary Gaussian noise of unit RMS whose spectrum runs through the given points.

    Args:
        rng: Source of randomness.
        n: Number of samples.
        points: (frequency in Hz, level in dB), straight lines over the logarithm of frequency.
    """
    from scipy.fft import irfft, next_fast_len, rfftfreq  # noqa: PLC0415 - slow to import, and listing needs none

    size = next_fast_len(n, real=True)
    frequency = np.maximum(rfftfreq(size, 1 / SAMPLE_RATE), 1.0)
    hz, level_db = zip(*points, strict=True)
    gain = 10 ** (np.interp(np.log(frequency), np.log(hz), level_db) / 20)
    gain[0] = 0.0
    spectrum = rng.standard_normal(frequency.size) + 1j * rng.standard_normal(frequency.size)
    x: Signal = irfft(spectrum * gain, size)[:n]
    return x / np.sqrt(np.mean(np.square(x)) + 1e-30)


def phase(frequency_hz: Signal, start: float = 0.0) -> Signal:
    """Running phase in radians of an oscillator whose frequency is given per sample."""
    out: Signal = np.cumsum(frequency_hz) * (2 * np.pi / SAMPLE_RATE) + start
    return out


def constant(n: int, value: float) -> Signal:
    """A curve that stays at one value."""
    return np.full(n, float(value))


def partials(frequency_hz: Signal, amplitudes: Sequence[float]) -> Signal:
    """Sum of sine harmonics, each faded out where it would pass `HIGHEST_HZ`.

    Args:
        frequency_hz: Fundamental per sample.
        amplitudes: Amplitude of harmonic 1, 2, 3 ...
    """
    angle = phase(frequency_hz)
    two_cos = 2 * np.cos(angle)
    # sin(kx) by the Chebyshev recurrence sin((k+1)x) = 2 cos(x) sin(kx) - sin((k-1)x): one sine for all harmonics.
    before, current = np.zeros_like(angle), np.sin(angle)
    lowest, highest = float(frequency_hz.min()), float(frequency_hz.max())
    out = np.zeros_like(angle)
    for k, amplitude in enumerate(amplitudes, start=1):
        if k * lowest > HIGHEST_HZ:
            break
        if k * highest > HIGHEST_HZ * 0.9:
            out += amplitude * current * np.clip((HIGHEST_HZ - k * frequency_hz) / (0.1 * HIGHEST_HZ), 0.0, 1.0)
        else:
            out += amplitude * current
        before, current = current, two_cos * current - before
    return out


def tone(n: int, frequency_hz: float, start: float = 0.0) -> Signal:
    """A sine of one frequency."""
    out: Signal = np.sin(np.arange(n) * (2 * np.pi * frequency_hz / SAMPLE_RATE) + start)
    return out


def curve(n: int, *points: tuple[float, float]) -> Signal:
    """Straight lines through (place, value), where place runs from 0 (first sample) to 1 (end)."""
    place, value = zip(*points, strict=True)
    out: Signal = np.interp(np.arange(n) / n, place, value)
    return out


def smooth_curve(n: int, *points: tuple[float, float]) -> Signal:
    """Like `curve`, with corners rounded by a cosine glide between neighbouring points."""
    place, value = (np.asarray(column, dtype=float) for column in zip(*points, strict=True))
    at = np.interp(np.arange(n) / n, place, np.arange(place.size))
    step = np.floor(at)
    out: Signal = np.interp(step + (1 - np.cos(np.pi * (at - step))) / 2, np.arange(place.size), value)
    return out


def wander(rng: Rng, n: int, rate_hz: float) -> Signal:
    """Smooth random curve of about unit variance that changes direction about `rate_hz` times per second."""
    step = max(1.0, SAMPLE_RATE / rate_hz)
    knots = rng.standard_normal(int(n / step) + 3)
    at = np.arange(n) / step + float(rng.random())
    index = at.astype(np.intp)
    blend = (1 - np.cos(np.pi * (at - index))) / 2
    out: Signal = (knots[index] * (1 - blend) + knots[index + 1] * blend) * 1.2
    return out


def decay(n: int, t60_s: float) -> Signal:
    """Exponential fall that loses 60 dB in `t60_s`."""
    out: Signal = np.exp(np.arange(n) * (-6.907755 / (t60_s * SAMPLE_RATE)))
    return out


def swell(n: int, attack_s: float, t60_s: float) -> Signal:
    """Cosine rise over `attack_s` seconds, then an exponential fall."""
    rise = min(n, samples(attack_s))
    out = np.empty(n)
    out[:rise] = (1 - np.cos(np.pi * np.arange(rise) / rise)) / 2
    out[rise:] = decay(n - rise, t60_s)
    return out


def fade(x: Signal, in_s: float, out_s: float) -> Signal:
    """Copy of a signal with cosine ramps at both ends."""
    y = x.copy()
    up, down = min(x.size, samples(in_s)), min(x.size, samples(out_s))
    y[:up] *= (1 - np.cos(np.pi * np.arange(up) / up)) / 2
    y[x.size - down :] *= (1 + np.cos(np.pi * (np.arange(down) + 1) / down)) / 2
    return y


def gate(n: int, cycle_s: Sequence[float], ramp_s: float = 0.004) -> Signal:
    """Repeat (on, off, on, off ...) spans for the whole length, with short ramps; starts with an on span."""
    pieces = [np.full(samples(span), float(i % 2 == 0)) for i, span in enumerate(cycle_s)]
    cycle = np.concatenate(pieces)
    pattern = np.resize(cycle, n)
    ramp = np.hanning(samples(ramp_s) + 2)
    out: Signal = np.convolve(pattern, ramp / ramp.sum())[:n]
    return out


def add(out: Signal, grain: Signal, at: int, gain: float = 1.0) -> None:
    """Add a short sound into a longer one, in place; what would lie past the end is cut."""
    size = min(grain.size, out.size - at)
    if size > 0:
        out[at : at + size] += gain * grain[:size]


def random_times(rng: Rng, n: int, rate_hz: float) -> NDArray[np.int64]:
    """Sorted sample positions of a Poisson process, the first at once."""
    count = int(rng.poisson(rate_hz * n / SAMPLE_RATE))
    times = np.sort(rng.integers(0, n, size=max(1, count)))
    return times - times[0]


def steady_times(rng: Rng, n: int, rate_hz: float, jitter: float = 0.0) -> NDArray[np.int64]:
    """Sample positions at an even rate; `jitter` is the standard deviation as a share of the period."""
    period = SAMPLE_RATE / rate_hz
    at = np.arange(0.0, n, period)
    moved = at + rng.standard_normal(at.size) * jitter * period
    return np.clip(moved, 0, n - 1).astype(np.int64)


def impulses(rng: Rng, n: int, times: NDArray[np.int64], spread_db: float = 0.0) -> Signal:
    """Train of unit impulses at the given samples, whose levels differ by `spread_db` (standard deviation)."""
    out = np.zeros(n)
    np.add.at(out, times, 10 ** (rng.standard_normal(times.size) * spread_db / 20))
    return out
