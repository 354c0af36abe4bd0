"""Blows, falls and breakage."""

from __future__ import annotations

import numpy as np

from soundflow_data.audio.procedural.filters import bandpass, highpass, lowpass
from soundflow_data.audio.procedural.kind import sound
from soundflow_data.audio.procedural.modal import bounces, scatter, shard, struck, thump
from soundflow_data.audio.procedural.signals import (
    Rng,
    Signal,
    add,
    coloured,
    curve,
    decay,
    fade,
    log_uniform,
    partials,
    samples,
    steady_times,
    white,
)
from soundflow_data.timeline import SAMPLE_RATE


@sound("occurrence", (0.8, 1.6))
def glass_breaking(rng: Rng, n: int) -> Signal:
    """A pane or tumbler that shatters: a sharp crack, then a spray of ringing shards that thins out."""
    crack = highpass(white(rng, n), rng.uniform(1_800, 3_000)) * decay(n, rng.uniform(0.1, 0.25)) * 1.5
    out = crack + thump(rng, n, 350, 1_200, 0.08) * rng.uniform(0.4, 1.0)
    count = int(rng.integers(50, 110))
    times = (rng.exponential(n * 0.17, count) % (n * 0.7)).astype(int)
    shards = [shard(rng, samples(0.25), 2_000, 7_500, (0.04, 0.3), modes=4) for _ in range(16)]
    gains = rng.uniform(0.1, 1.0, count) * np.exp(-times / (n * 0.35))
    return fade(scatter(out, shards, [int(t) for t in times], [float(g) for g in gains]), 0.0, 0.1)


@sound("occurrence", (0.4, 0.8))
def glass_clink(rng: Rng, n: int) -> Signal:
    """Two glasses that touch in a toast: one pure ringing clink."""
    out = np.zeros(n)
    for at, level in ((0, 1.0), (samples(rng.uniform(0.001, 0.02)), rng.uniform(0.5, 0.9))):
        base = rng.uniform(1_500, 2_600)
        modes = [base, base * 2.3, base * rng.uniform(3.4, 4.2)]
        add(out, struck(n, modes, (rng.uniform(0.4, 0.8), 0.35, 0.2), (1.0, 0.6, 0.4)), at, level)
    return fade(out, 0.0, 0.08)


@sound("occurrence", (1.0, 1.9))
def dishes_crash(rng: Rng, n: int) -> Signal:
    """A stack of plates that falls: ceramic clatter, each plate bouncing until it lies still."""
    out = np.zeros(n)
    for _ in range(int(rng.integers(5, 10))):
        plate = shard(rng, samples(0.3), 500, 4_200, (0.05, 0.22), modes=6)
        plate += bandpass(white(rng, plate.size), 2_200, 0.8) * decay(plate.size, 0.04)
        start, level = rng.exponential(0.09), rng.uniform(0.3, 1.0)
        for at, gain in bounces(rng, rng.uniform(0.06, 0.17), rng.uniform(0.7, 0.9), 9):
            add(out, plate, at + int(start * SAMPLE_RATE), gain * level)
    first = int(np.argmax(np.abs(out) > 1e-3))
    return fade(np.concatenate([out[first:], np.zeros(first)]), 0.0, 0.15)


@sound("occurrence", (0.5, 1.3))
def door_knock(rng: Rng, n: int) -> Signal:
    """One group of knuckle raps on a wooden door."""
    gap = rng.uniform(0.13, 0.24)
    rap = shard(rng, samples(0.2), 120, 350, (0.05, 0.12), modes=4)
    rap += 0.6 * shard(rng, rap.size, 500, 1_400, (0.02, 0.05), modes=3)
    rap += lowpass(white(rng, rap.size) * decay(rap.size, 0.012), 2_500)
    count = int(np.clip((n / SAMPLE_RATE - 0.12) / gap, 2, rng.integers(2, 6)))
    times = [round(k * gap * SAMPLE_RATE * rng.uniform(0.96, 1.04)) for k in range(count)]
    return fade(scatter(np.zeros(n), [rap], times, [float(g) for g in rng.uniform(0.7, 1, count)]), 0.0, 0.05)


@sound("occurrence", (0.6, 1.3))
def door_slam(rng: Rng, n: int) -> Signal:
    """A door thrown shut: the latch, a heavy low thud and the frame that rattles after it."""
    out = thump(rng, n, 55, 260, rng.uniform(0.35, 0.6), noise=2.0)
    out += lowpass(white(rng, n), rng.uniform(1_500, 3_500)) * decay(n, rng.uniform(0.15, 0.3)) * 2
    latch = shard(rng, samples(0.05), 900, 4_000, (0.02, 0.05))
    scatter(out, [latch], [0, samples(0.03)], [2.0, 1.2])
    for at, gain in bounces(rng, rng.uniform(0.05, 0.08), 0.85, 5):
        add(out, thump(rng, samples(0.15), 150, 700, 0.08), at + samples(0.05), 0.25 * gain)
    return fade(out, 0.0, 0.15)


@sound("passage", (2.0, 6.0))
def footsteps(rng: Rng, n: int) -> Signal:
    """Someone walking: heel, then sole, at an even pace."""
    hard = rng.random()
    heel = thump(rng, samples(0.15), 70, 300, 0.09, noise=0.8)
    heel += hard * 0.7 * shard(rng, heel.size, 900, 3_000, (0.01, 0.03))
    sole = coloured(rng, samples(0.09), (200, 0), (1_500, -4), (6_000, -14)) * decay(samples(0.09), 0.09)
    out = np.zeros(n)
    for k, at in enumerate(steady_times(rng, n, rng.uniform(1.6, 2.3), 0.03)):
        level = (1.0 if k % 2 else 0.8) * rng.uniform(0.8, 1.1)
        add(out, heel, int(at), level)
        add(out, sole, int(at) + samples(rng.uniform(0.07, 0.11)), 0.35 * level)
    return out


@sound("occurrence", (0.25, 0.5))
def hammer_blow(rng: Rng, n: int) -> Signal:
    """One blow of a hammer on a nail in wood."""
    nail = shard(rng, n, 1_800, 5_500, (0.04, 0.15), modes=5)
    return nail + thump(rng, n, 150, 600, 0.09) + highpass(white(rng, n) * decay(n, 0.01), 2_000)


@sound("occurrence", (0.6, 1.1))
def heavy_fall(rng: Rng, n: int) -> Signal:
    """A body or a heavy bag that drops to the floor: a dull double thud with no ring."""
    out = thump(rng, n, 40, 150, rng.uniform(0.25, 0.4), noise=1.5)
    later = samples(rng.uniform(0.1, 0.22))
    add(out, thump(rng, n, 60, 220, 0.18, noise=1.2), later, rng.uniform(0.5, 0.9))
    cloth = coloured(rng, n, (100, 0), (800, -3), (4_000, -15)) * decay(n, 0.25)
    return fade(lowpass(out, 900) + 0.15 * cloth, 0.004, 0.1)


@sound("occurrence", (0.9, 1.8), place="outdoor")
def gunshot(rng: Rng, n: int) -> Signal:
    """One shot: a crack with an instant rise and a rolling echo from the surroundings."""
    crack = white(rng, n) * decay(n, rng.uniform(0.06, 0.12)) * 6
    body = coloured(rng, n, (60, 4), (300, 2), (1_500, -8), (7_000, -22)) * decay(n, rng.uniform(0.7, 1.3))
    for delay in rng.uniform(0.08, 0.4, 3):
        add(crack, lowpass(crack, 2_000), samples(delay), 0.15)
    return fade(crack + body, 0.0, 0.2)


@sound("passage", (3.0, 6.0), place="outdoor")
def fireworks(rng: Rng, n: int) -> Signal:
    """Rockets: a rising whistle, a boom and a shower of crackles, overlapping at random."""
    out, at = np.zeros(n), 0
    while at < n - samples(0.5):
        rise = samples(rng.uniform(0.5, 0.9))
        whistle = partials(curve(rise, (0, rng.uniform(700, 1_200)), (1, rng.uniform(2_000, 3_500))), (1.0, 0.2))
        add(out, fade(whistle + 0.3 * white(rng, rise), 0.3, 0.05), at, 0.2)
        boom = samples(1.2)
        burst = coloured(rng, boom, (50, 6), (200, 3), (1_200, -8), (6_000, -20)) * decay(boom, 0.8)
        add(out, burst, at + rise)
        count = int(rng.integers(30, 80))
        times = at + rise + samples(0.15) + rng.exponential(0.3 * SAMPLE_RATE, count).astype(int)
        pops = [white(rng, 200) * decay(200, 0.012) for _ in range(4)]
        scatter(out, pops, [int(t) for t in times], [float(g) for g in rng.uniform(0.05, 0.45, count)])
        at += samples(rng.uniform(0.7, 1.6))
    return out


@sound("passage", (2.0, 5.0))
def keys_jingle(rng: Rng, n: int) -> Signal:
    """A bunch of keys shaken: dense bright metal ticks that come and go with the hand."""
    grains = [shard(rng, samples(0.12), 2_800, 7_500, (0.03, 0.14), modes=4) for _ in range(14)]
    shake = rng.uniform(3.0, 5.5)
    count = int(rng.uniform(35, 55) * n / SAMPLE_RATE)
    beat = np.floor(rng.uniform(0, n / SAMPLE_RATE * shake, count)) + rng.beta(2, 5, count) * 0.8
    times = np.sort(beat / shake * SAMPLE_RATE).astype(int)
    times -= times[0]
    return scatter(np.zeros(n), grains, [int(t) for t in times], [log_uniform(rng, 0.05, 1) for _ in range(count)])


@sound("occurrence", (0.9, 1.6))
def coin_drop(rng: Rng, n: int) -> Signal:
    """A coin that falls on a table, bounces and spins to rest."""
    base = rng.uniform(3_500, 5_500)
    ping = struck(samples(0.25), [base, base * 1.31, base * 1.6], (0.2, 0.15, 0.1))
    out = np.zeros(n)
    for at, gain in bounces(rng, rng.uniform(0.18, 0.24), 0.76, 30):
        add(out, ping, at, gain + 0.05)
    return fade(out, 0.0, 0.1)


@sound("passage", (2.0, 5.0))
def cutlery_clatter(rng: Rng, n: int) -> Signal:
    """Forks and plates at a meal: scattered light clinks."""
    steel = [shard(rng, samples(0.2), 2_200, 7_000, (0.05, 0.2), modes=4) for _ in range(6)]
    china = [shard(rng, samples(0.2), 900, 3_500, (0.04, 0.12), modes=5) for _ in range(6)]
    count = max(4, int(rng.uniform(4, 8) * n / SAMPLE_RATE))
    times = np.sort(rng.integers(0, max(1, n - samples(0.1)), count))
    order = [(steel, china)[int(rng.integers(2))][int(rng.integers(6))] for _ in range(count)]
    gains = [log_uniform(rng, 0.1, 1.0) for _ in range(count)]
    return scatter(np.zeros(n), order, [int(t - times[0]) for t in times], gains)
