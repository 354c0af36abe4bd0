"""Machines that are breaking, leaking or about to burn."""

from __future__ import annotations

import numpy as np

from soundflow_data.audio.procedural.families.machines import mains_hz, motor
from soundflow_data.audio.procedural.filters import bandpass, convolve, highpass, lowpass, resonances
from soundflow_data.audio.procedural.kind import sound
from soundflow_data.audio.procedural.modal import shard, thump
from soundflow_data.audio.procedural.signals import (
    Rng,
    Signal,
    coloured,
    constant,
    decay,
    fade,
    impulses,
    partials,
    phase,
    random_times,
    samples,
    smooth_curve,
    steady_times,
    wander,
    white,
)


@sound("steady", (3.0, 8.0))
def grinding_bearing(rng: Rng, n: int) -> Signal:
    """A worn bearing: metal grinds on metal once per turn, over a hum that should be alone."""
    turn = rng.uniform(4, 9)
    grit = resonances(white(rng, n), (1_300, 4.0, 1.0), (2_700, 6.0, 1.2), (4_600, 6.0, 0.8))
    # Impacts of one ball on one pit recur near, never at, a multiple of the turning rate.
    pits = steady_times(rng, n, turn * rng.uniform(4.6, 5.6), 0.08)
    ring = shard(rng, 1_600, 1_800, 5_500, (0.02, 0.08), modes=5)
    load = 0.5 + 0.5 * np.clip(np.sin(phase(constant(n, turn))), -0.6, 1)
    return (
        1.6 * grit * load + 0.9 * load * convolve(impulses(rng, n, pits, 3.0), ring) + 0.5 * motor(rng, n, turn * 12, 8)
    )


@sound("steady", (2.5, 6.0))
def electric_arc(rng: Rng, n: int) -> Signal:
    """Electricity that jumps a gap: a harsh mains buzz in irregular bursts, with snaps."""
    mains = mains_hz(rng)
    spark = np.clip(np.cos(phase(constant(n, mains))), 0.55, 1) - 0.55
    buzz = highpass(spark * white(rng, n) * 3 + partials(constant(n, mains), [0.6] * 45) * 0.12, 250)
    bursts = np.clip(0.45 + 0.7 * wander(rng, n, 9), 0.08, 1.4)
    snap = highpass(white(rng, 300) * decay(300, 0.01), 1_200)
    return buzz * bursts + 1.5 * convolve(impulses(rng, n, random_times(rng, n, 10), 6.0), snap)


@sound("steady", (2.0, 5.0))
def electrical_hum(rng: Rng, n: int) -> Signal:
    """A transformer or a loose lamp: a steady mains buzz, annoying and harmless."""
    mains = mains_hz(rng)
    levels = [float(g) / (1 + 0.2 * k) for k, g in enumerate(rng.uniform(0.4, 1, 20))]
    return partials(constant(n, mains), levels) * (1 + 0.05 * wander(rng, n, 2.0)) + 0.03 * white(rng, n)


@sound("steady", (3.0, 8.0))
def rattling_fan(rng: Rng, n: int) -> Signal:
    """A fan whose blade hits its guard: a fast plastic clatter on top of the air."""
    air = coloured(rng, n, (60, -4), (250, 0), (900, -6), (3_000, -20), (7_500, -34))
    rate = rng.uniform(11, 19)
    tick = shard(rng, 1_200, 350, 2_600, (0.015, 0.05), modes=5) + 0.3 * highpass(
        white(rng, 1_200) * decay(1_200, 0.01), 2_000
    )
    limp = 1 + 0.6 * np.clip(np.cos(phase(constant(n, rate / rng.integers(3, 6)))), 0, 1)
    return 0.45 * air + 1.3 * limp * convolve(impulses(rng, n, steady_times(rng, n, rate, 0.05), 3.0), tick)


@sound("steady", (3.0, 8.0))
def gas_leak(rng: Rng, n: int) -> Signal:
    """Gas or steam that escapes from a pipe under pressure: a hard, thin, unbroken hiss with a faint whistle."""
    edge = rng.uniform(3_500, 5_500)
    hiss = coloured(rng, n, (600, -45), (2_000, -18), (edge, 0), (7_800, 3))
    whistle = bandpass(white(rng, n), rng.uniform(4_200, 6_800), 40.0, times=2) * rng.uniform(2, 8)
    return hiss * (1 + 0.05 * wander(rng, n, 14)) + whistle


@sound("steady", (3.0, 7.0))
def hydraulic_knock(rng: Rng, n: int) -> Signal:
    """Water hammer or a failing pump: heavy regular knocks that ring along a pipe."""
    rate = rng.uniform(2.2, 4.5)
    pipe = rng.uniform(140, 260)
    length = samples(0.35)
    knock = thump(rng, length, 60, 220, 0.15) * 1.4
    for k in range(1, 8):
        knock += bandpass(white(rng, length) * decay(length, 0.2), pipe * k, 25) * 2 / k
    strokes = convolve(impulses(rng, n, steady_times(rng, n, rate, 0.06), 2.5), knock)
    return strokes + 0.08 * motor(rng, n, rng.uniform(45, 60), 8)


@sound("passage", (2.0, 5.0))
def squealing_belt(rng: Rng, n: int) -> Signal:
    """A slipping drive belt: a piercing squeal that wavers over the running engine."""
    hz = rng.uniform(900, 1_900) * (1 + 0.03 * wander(rng, n, 5) + 0.01 * wander(rng, n, 30))
    squeal = partials(hz, (1.0, 0.7, 0.5, 0.3, 0.2)) * np.clip(0.75 + 0.35 * wander(rng, n, 6), 0.1, 1.3)
    chirps = 0.75 + 0.25 * np.cos(phase(constant(n, rng.uniform(8, 13))))
    return squeal * chirps + 0.35 * motor(rng, n, rng.uniform(28, 45), 12) + 0.1 * white(rng, n)


@sound("passage", (2.5, 5.0))
def motor_stalling(rng: Rng, n: int) -> Signal:
    """An electric motor that jams: its pitch sags, it groans, strains, and hums without turning."""
    sag = smooth_curve(n, (0, 1), (0.25, 0.95), (0.45, 0.5), (0.55, 0.62), (0.75, 0.2), (1, 0.18))
    speed = rng.uniform(200, 320) * sag * (1 + 0.03 * wander(rng, n, 12))
    whine = partials(speed, [float(g) for g in rng.uniform(0.3, 1, 20)])
    groan = partials(constant(n, 100.0), [1, 0.8, 0.7, 0.5, 0.4, 0.3, 0.2, 0.2]) * smooth_curve(
        n, (0, 0.05), (0.4, 0.2), (0.8, 1), (1, 1)
    )
    return lowpass(whine * (0.3 + 0.7 * sag), 3_500) + 1.2 * groan


@sound("occurrence", (0.6, 1.2))
def steam_burst(rng: Rng, n: int) -> Signal:
    """A valve that lets go: one sudden blast of steam."""
    blast = coloured(rng, n, (150, -16), (800, -4), (3_000, 0), (7_500, -2))
    return fade(blast * smooth_curve(n, (0, 0.9), (0.05, 1), (0.5, 0.5), (1, 0)) ** 1.5, 0.008, 0.1)


@sound("occurrence", (0.7, 1.4))
def explosion(rng: Rng, n: int) -> Signal:
    """A blast: a pressure thump, a tearing burst and falling debris."""
    burst = coloured(rng, n, (40, 6), (150, 4), (800, -4), (4_000, -14)) * decay(n, rng.uniform(0.7, 1.2)) * 2
    debris = np.abs(wander(rng, n, 70)) * highpass(white(rng, n), 1_200) * smooth_curve(n, (0, 0), (0.25, 0.25), (1, 0))
    push = lowpass(white(rng, n) * decay(n, 0.15), 90) * 20
    return fade(np.tanh(1.5 * (burst + push)) + debris, 0.001, 0.2)
