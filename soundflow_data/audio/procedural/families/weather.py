"""Weather, wind and fire."""

from __future__ import annotations

import numpy as np

from soundflow_data.audio.procedural.filters import bandpass, convolve, highpass, lowpass
from soundflow_data.audio.procedural.kind import sound
from soundflow_data.audio.procedural.modal import scatter, shard
from soundflow_data.audio.procedural.signals import (
    Rng,
    Signal,
    coloured,
    decay,
    impulses,
    phase,
    random_times,
    samples,
    smooth_curve,
    wander,
    white,
)


@sound("steady", (4.0, 12.0), place="outdoor")
def rain(rng: Rng, n: int) -> Signal:
    """Light rain: separate drops pattering over a thin hiss."""
    hiss = coloured(rng, n, (60, -12), (300, -14), (1_500, -4), (4_500, 0), (7_500, -6))
    drop = bandpass(white(rng, 400) * decay(400, 0.015), rng.uniform(2_200, 4_000), 1.2)
    near = convolve(impulses(rng, n, random_times(rng, n, rng.uniform(40, 90)), 7.0), drop)
    return 0.3 * hiss + near * 0.8


@sound("steady", (4.0, 12.0), place="outdoor")
def heavy_rain(rng: Rng, n: int) -> Signal:
    """A downpour: a dense broad roar in which no drop stands out."""
    roar = coloured(rng, n, (80, -8), (300, -5), (1_000, 0), (3_000, -2), (7_500, -10))
    drops = convolve(
        impulses(rng, n, random_times(rng, n, 900), 4.0), lowpass(white(rng, 120) * decay(120, 0.006), 5_000)
    )
    return roar * (1 + 0.06 * wander(rng, n, 1.5)) + 0.25 * drops


@sound("steady", (4.0, 10.0), place="outdoor")
def hail(rng: Rng, n: int) -> Signal:
    """Hail on a roof: hard rattling knocks of every size over the rush of rain."""
    stones = [shard(rng, samples(0.06), 900, 5_500, (0.012, 0.05), modes=4) for _ in range(10)]
    out = np.zeros(n)
    for stone in stones:
        out += convolve(impulses(rng, n, random_times(rng, n, rng.uniform(9, 18)), 8.0), stone)
    return out + 0.25 * coloured(rng, n, (200, -10), (1_500, 0), (7_000, -6))


@sound("steady", (4.0, 12.0), place="outdoor")
def wind(rng: Rng, n: int) -> Signal:
    """A breeze: soft low noise that slowly swells and sinks."""
    slow = np.exp(0.22 * wander(rng, n, 0.8))
    low = coloured(rng, n, (60, 0), (250, -2), (600, -14), (2_000, -32), (7_500, -50))
    leaves = coloured(rng, n, (500, -25), (2_500, 0), (6_000, -6))
    return low * slow + rng.uniform(0.01, 0.06) * leaves * slow**2


@sound("passage", (4.0, 12.0), place="outdoor")
def gale(rng: Rng, n: int) -> Signal:
    """A storm wind: heavy gusts that howl round the corners of a house."""
    gust = np.exp(0.6 * wander(rng, n, 0.8))
    noise = white(rng, n)
    out = 0.8 * coloured(rng, n, (40, 0), (200, 0), (900, -10), (4_000, -24)) * gust
    # The howl glides with the wind; three fixed whistles crossfaded by the gust sound like one that moves.
    place = np.clip(0.5 + 0.35 * wander(rng, n, 0.6), 0, 1) * 2
    base = rng.uniform(320, 520)
    for k, ratio in enumerate((1.0, 1.4, 1.9)):
        whistle = bandpass(noise, base * ratio, 18.0, times=2) * 14
        out += whistle * np.clip(1 - np.abs(place - k), 0, 1) * gust
    return out


@sound("passage", (3.0, 7.0), place="outdoor")
def thunder(rng: Rng, n: int) -> Signal:
    """A clap of thunder: a tearing crack, then long rolling rumbles."""
    distance = rng.random()
    crack = white(rng, n) * decay(n, rng.uniform(0.2, 0.5)) * np.abs(wander(rng, n, 60)) * 1.2
    rumble = coloured(rng, n, (30, 4), (90, 3), (250, -6), (900, -22), (4_000, -45))
    rolls = smooth_curve(n, (0, 0.2), (0.06, 1), (0.2, 0.6), (0.35, 0.8), (0.6, 0.3), (1, 0.02))
    mid = coloured(rng, n, (200, 0), (800, -4), (3_000, -20)) * decay(n, rng.uniform(1.0, 2.5))
    return rumble * rolls * np.exp(0.4 * wander(rng, n, 5)) + (1 - distance) * crack + (0.8 - 0.5 * distance) * mid


@sound("steady", (4.0, 10.0), place="near")
def fire_crackle(rng: Rng, n: int) -> Signal:
    """A wood fire: sharp random snaps over a low breathing roar."""
    roar = coloured(rng, n, (60, 0), (300, -4), (1_500, -14), (7_500, -24)) * (1 + 0.3 * wander(rng, n, 4))
    out = rng.uniform(0.12, 0.25) * roar
    for rate, length_s, gain in ((14, 0.006, 0.4), (8, 0.012, 0.7), (2.5, 0.03, 1.2)):
        size = samples(length_s)
        snap = highpass(white(rng, size) * decay(size, length_s), rng.uniform(300, 1_500))
        times = random_times(rng, n, rng.uniform(0.7, 1.4) * rate)
        out += gain * convolve(impulses(rng, n, times, 5.0), snap)
    return out


@sound("steady", (4.0, 10.0), place="near")
def big_fire(rng: Rng, n: int) -> Signal:
    """A blaze: a fluttering roar with pops and collapsing timber."""
    flutter = 1 + 0.45 * wander(rng, n, 11) + 0.3 * wander(rng, n, 3)
    out = coloured(rng, n, (40, 2), (150, 3), (600, -3), (2_000, -12), (7_000, -24)) * np.abs(flutter)
    pop = white(rng, 900) * decay(900, 0.035)
    out += convolve(impulses(rng, n, random_times(rng, n, 9), 8.0), pop) * 0.9
    return out


@sound("passage", (4.0, 8.0), place="indoor")
def earthquake(rng: Rng, n: int) -> Signal:
    """The ground shaking: a deep swelling rumble while furniture and crockery rattle."""
    swell = smooth_curve(n, (0, 0.1), (0.25, 1), (0.7, 0.9), (1, 0.15))
    rumble = coloured(rng, n, (28, 6), (70, 4), (160, -8), (600, -30)) * (1 + 0.4 * wander(rng, n, 6))
    rattle = [shard(rng, samples(0.1), 300, 3_500, (0.03, 0.1), modes=4) for _ in range(10)]
    # Things rattle on each swing of the building, about six a second.
    shake = random_times(rng, n, 60)
    shake = shake[np.cos(phase(6 * (1 + 0.1 * wander(rng, n, 1.0))))[shake] > rng.uniform(-0.2, 0.6, shake.size)]
    gains = [float(g) for g in rng.exponential(0.5, shake.size)]
    clatter = scatter(np.zeros(n), rattle, [int(t) for t in shake], gains)
    return swell * (rumble + 0.8 * swell * clatter)
