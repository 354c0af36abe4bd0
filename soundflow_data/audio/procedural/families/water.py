"""Water in the house and outside."""

from __future__ import annotations

import numpy as np

from soundflow_data.audio.procedural.filters import bandpass, convolve, highpass, lowpass
from soundflow_data.audio.procedural.kind import sound
from soundflow_data.audio.procedural.modal import scatter
from soundflow_data.audio.procedural.signals import (
    Rng,
    Signal,
    coloured,
    curve,
    decay,
    fade,
    log_uniform,
    partials,
    phase,
    random_times,
    samples,
    smooth_curve,
    wander,
    white,
)


def bubble(rng: Rng, hz: float, t60_s: float) -> Signal:
    """One air bubble: a decaying sine whose pitch rises as it nears the surface (van den Doel 2005)."""
    n = samples(t60_s * 1.2)
    rise = 1 + rng.uniform(0.1, 0.5) * np.arange(n) / n
    out: Signal = np.sin(phase(hz * rise)) * decay(n, t60_s)
    return out


def bubbles(rng: Rng, n: int, rate_hz: float, low_hz: float, high_hz: float, *, t60_s: float = 0.05) -> Signal:
    """A crowd of bubbles of many sizes, of about unit RMS."""
    out = np.zeros(n)
    times = random_times(rng, n, rate_hz)
    # A fixed set of bubbles, each with its own train of impulses: as lively as thousands of single ones, and fast.
    for part in np.array_split(rng.permutation(times), 24):
        hz = log_uniform(rng, low_hz, high_hz)
        train = np.zeros(n)
        train[part] += rng.exponential(1.0, part.size) * np.sqrt(low_hz / hz)
        out += convolve(train, bubble(rng, hz, t60_s * (low_hz / hz) ** 0.4))
    return out / (np.sqrt(np.mean(np.square(out))) + 1e-9)


@sound("occurrence", (0.3, 0.6))
def water_drip(rng: Rng, n: int) -> Signal:
    """One drop that falls into water: a tiny click and a rising plop."""
    hz = log_uniform(rng, 450, 1_600)
    out = np.zeros(n)
    splash = highpass(white(rng, 160), 3_000) * decay(160, 0.008) * 0.15
    plop = bubble(rng, hz, rng.uniform(0.12, 0.3))
    times = [0, samples(rng.uniform(0.012, 0.03)), samples(rng.uniform(0.05, 0.12))]
    return scatter(out, [splash, plop, bubble(rng, hz * rng.uniform(1.2, 1.8), 0.1)], times, [1.0, 1.0, 0.25])


@sound("steady", (3.0, 10.0))
def running_tap(rng: Rng, n: int) -> Signal:
    """A tap running into a basin: bright rush with a little metal and bubbling."""
    sink = rng.uniform(350, 900)
    rush = coloured(rng, n, (100, -22), (500, -8), (1_800, 0), (4_500, rng.uniform(-4, 3)), (7_500, -8))
    basin = bandpass(white(rng, n), sink, 4.0) * 1.5
    return rush * (1 + 0.08 * wander(rng, n, 9.0)) + basin + 0.25 * bubbles(rng, n, 60, 700, 2_500, t60_s=0.04)


@sound("passage", (4.0, 8.0))
def toilet_flush(rng: Rng, n: int) -> Signal:
    """A flush: a lever click, a roaring gush, gurgling as the bowl empties, then the cistern filling."""
    roar = coloured(rng, n, (80, -10), (300, 0), (900, 0), (3_000, -6), (7_000, -16))
    hiss = coloured(rng, n, (500, -25), (2_500, 0), (7_000, -2))
    gurgle = bubbles(rng, n, 45, 180, 700, t60_s=0.12)
    out = roar * smooth_curve(n, (0, 0.05), (0.06, 1), (0.35, 0.9), (0.6, 0.12), (1, 0.04))
    out += 0.45 * gurgle * smooth_curve(n, (0, 0), (0.3, 0.4), (0.5, 1), (0.68, 0.1), (1, 0))
    out += 0.3 * hiss * smooth_curve(n, (0, 0.1), (0.3, 0.4), (0.6, 1), (1, 0.7))
    return out


@sound("steady", (4.0, 10.0), place="outdoor")
def stream(rng: Rng, n: int) -> Signal:
    """A brook over stones: babbling bubbles over a soft rush."""
    rush = coloured(rng, n, (80, -14), (400, -4), (1_200, 0), (3_500, -9), (7_500, -20))
    small = bubbles(rng, n, rng.uniform(90, 160), 500, 2_200, t60_s=0.06)
    large = bubbles(rng, n, rng.uniform(15, 30), 220, 600, t60_s=0.1)
    return 0.6 * rush * (1 + 0.15 * wander(rng, n, 2.0)) + 0.8 * small + 0.5 * large


@sound("steady", (6.0, 12.0), place="outdoor")
def sea_waves(rng: Rng, n: int) -> Signal:
    """Surf: long swells that rise, break with a hiss and draw back."""
    period = rng.uniform(4.0, 7.0)
    turn = phase(1 / period * (1 + 0.15 * wander(rng, n, 0.3)), rng.uniform(0, 6.28)) / (2 * np.pi) % 1.0
    swell_gain = np.interp(turn, (0, 0.35, 0.45, 1.0), (0.35, 0.6, 1.0, 0.35))
    foam_gain = np.interp(turn, (0, 0.38, 0.48, 0.8, 1.0), (0.15, 0.2, 1.0, 0.4, 0.15))
    low = coloured(rng, n, (50, 0), (200, 0), (700, -8), (3_000, -25))
    foam = coloured(rng, n, (200, -20), (1_000, -3), (3_000, 0), (7_500, -8))
    return low * swell_gain + 0.7 * foam * foam_gain


@sound("passage", (2.5, 6.0))
def pouring_water(rng: Rng, n: int) -> Signal:
    """Water poured into a glass or jug: the air above it rings higher and higher as it fills."""
    start = rng.uniform(350, 700)
    pitch = start * curve(n, (0, 1.0), (0.6, 1.7), (1, rng.uniform(2.6, 3.6))) * (1 + 0.02 * wander(rng, n, 12))
    ring = partials(pitch, (1.0, 0.3, 0.35, 0.2)) * np.abs(lowpass(white(rng, n), 60)) * 8
    splash = coloured(rng, n, (200, -20), (1_500, -3), (4_000, 0), (7_500, -6))
    return fade(ring + 0.5 * splash + 0.5 * bubbles(rng, n, 70, 600, 2_500, t60_s=0.05), 0.05, 0.15)


@sound("steady", (4.0, 10.0))
def boiling_water(rng: Rng, n: int) -> Signal:
    """A pot at a rolling boil: low rumbling bubbles and a lid that hisses softly."""
    large = bubbles(rng, n, rng.uniform(35, 60), 110, 380, t60_s=0.14)
    small = bubbles(rng, n, rng.uniform(60, 120), 380, 1_100, t60_s=0.06)
    steam = coloured(rng, n, (300, -20), (2_000, -6), (6_000, 0))
    return large + 0.4 * small + 0.12 * steam * (1 + 0.3 * wander(rng, n, 4.0))


@sound("steady", (4.0, 10.0))
def shower(rng: Rng, n: int) -> Signal:
    """A shower on tiles: an even bright hiss with a soft patter underneath."""
    hiss = coloured(rng, n, (150, -20), (800, -8), (2_500, -2), (5_000, 0), (7_500, -3))
    patter = np.zeros(n)
    patter[random_times(rng, n, 350)] = 1.0
    drops = bandpass(patter, rng.uniform(900, 1_600), 1.5) * 3
    return hiss + drops + 0.2 * lowpass(white(rng, n), 250)


@sound("occurrence", (0.7, 1.3), place="outdoor")
def splash(rng: Rng, n: int) -> Signal:
    """Something heavy that drops into water: a slap, a crown of spray, bubbles after it."""
    slap = coloured(rng, n, (80, 0), (400, 0), (2_000, -6), (7_000, -14)) * decay(n, rng.uniform(0.3, 0.5)) * 1.5
    spray = coloured(rng, n, (800, -15), (3_000, 0), (7_500, -3)) * smooth_curve(
        n, (0, 0), (0.12, 0.5), (0.6, 0.05), (1, 0)
    )
    return fade(
        slap + spray + 0.4 * bubbles(rng, n, 60, 250, 1_200, t60_s=0.1) * curve(n, (0, 0), (0.2, 1), (0.8, 0)),
        0.002,
        0.1,
    )
