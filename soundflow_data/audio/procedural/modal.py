"""Struck things: a blow excites modes, each a sine that dies away at its own pace (modal synthesis)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from soundflow_data.audio.procedural.filters import lowpass
from soundflow_data.audio.procedural.signals import (
    HIGHEST_HZ,
    Rng,
    Signal,
    add,
    decay,
    log_uniform,
    samples,
    tone,
    white,
)
from soundflow_data.timeline import SAMPLE_RATE

BELL = (0.5, 1.0, 1.19, 1.5, 2.0, 2.51, 2.66, 3.01, 4.16)
"""Hum, prime, tierce, quint, nominal and upper partials of a church bell, as ratios to the prime."""
SMALL_BELL = (1.0, 1.0051, 2.41, 2.43, 3.93, 5.4)
"""A domed gong such as a bicycle bell; neighbouring pairs beat because no dome is perfectly round."""
BAR = (1.0, 2.756, 5.404, 8.933)
"""A free metal bar: chimes, music-box teeth, xylophones."""


def struck(
    n: int, frequencies_hz: Sequence[float], t60_s: Sequence[float] | float, gains: Sequence[float] | None = None
) -> Signal:
    """Sum of modes that start together with a blow at the first sample.

    Args:
        n: Number of samples.
        frequencies_hz: One per mode; those above `HIGHEST_HZ` are left out.
        t60_s: Time to lose 60 dB, per mode or for all.
        gains: Amplitude per mode; falls gently with the mode's number where absent.
    """
    out = np.zeros(n)
    times = [t60_s] * len(frequencies_hz) if isinstance(t60_s, int | float) else t60_s
    levels = [1 / (1 + 0.4 * k) for k in range(len(frequencies_hz))] if gains is None else gains
    for hz, t60, gain in zip(frequencies_hz, times, levels, strict=True):
        if hz < HIGHEST_HZ:
            size = min(n, samples(t60 * 1.1))
            out[:size] += gain * tone(size, hz) * decay(size, t60)
    return out


def shard(rng: Rng, n: int, low_hz: float, high_hz: float, t60_s: tuple[float, float], *, modes: int = 3) -> Signal:
    """One small hard piece hitting something: a few unrelated modes, drawn anew for each piece."""
    frequencies = [log_uniform(rng, low_hz, high_hz) for _ in range(modes)]
    times = [log_uniform(rng, *t60_s) for _ in range(modes)]
    return struck(n, frequencies, times, [float(g) for g in rng.uniform(0.3, 1.0, modes)])


def thump(rng: Rng, n: int, low_hz: float, high_hz: float, t60_s: float, *, noise: float = 0.5) -> Signal:
    """A dull blow on something large: low modes and a burst of dark noise."""
    body = shard(rng, n, low_hz, high_hz, (t60_s * 0.5, t60_s), modes=4)
    burst = lowpass(white(rng, n) * decay(n, t60_s * 0.5), high_hz * 3)
    return body + noise * burst * 2


def bounces(rng: Rng, first_s: float, ratio: float, count: int) -> list[tuple[int, float]]:
    """Times (samples) and gains of something that bounces, each hop shorter and weaker by `ratio`."""
    at, gap, gain, out = 0.0, first_s, 1.0, []
    for _ in range(count):
        out.append((round(at * SAMPLE_RATE), gain))
        at += gap * float(rng.uniform(0.9, 1.1))
        gap, gain = gap * ratio, gain * ratio
    return out


def scatter(out: Signal, grains: Sequence[Signal], times: Sequence[int], gains: Sequence[float]) -> Signal:
    """Add grains at their times, reusing them in turn, and return `out`."""
    for k, (at, gain) in enumerate(zip(times, gains, strict=True)):
        add(out, grains[k % len(grains)], int(at), float(gain))
    return out
