"""Bells and chimes."""

from __future__ import annotations

import numpy as np

from soundflow_data.audio.procedural.filters import convolve
from soundflow_data.audio.procedural.kind import sound
from soundflow_data.audio.procedural.modal import BAR, BELL, SMALL_BELL, scatter, struck
from soundflow_data.audio.procedural.signals import (
    Rng,
    Signal,
    add,
    fade,
    impulses,
    random_times,
    samples,
    steady_times,
)
from soundflow_data.timeline import SAMPLE_RATE


@sound("occurrence", (1.2, 2.2))
def doorbell(rng: Rng, n: int) -> Signal:
    """A door chime: ding, and dong a third lower."""
    high = rng.uniform(550, 900)
    low = high / 2 ** (rng.choice([3, 4, 4, 5]) / 12)
    out = np.zeros(n)
    overtones = (1.0, 2.0, 3.0, 4.2)
    for at, hz in ((0, high), (samples(rng.uniform(0.35, 0.6)), low)):
        add(out, struck(n, [hz * r for r in overtones], (1.8, 0.9, 0.6, 0.3), (1.0, 0.35, 0.3, 0.12)), at)
    return fade(out, 0.0, 0.2)


@sound("occurrence", (0.8, 1.4), place="outdoor")
def bicycle_bell(rng: Rng, n: int) -> Signal:
    """One push of a bicycle bell: a bright dome rung back and forth."""
    base = rng.uniform(2_000, 2_900)
    dome = struck(n, [base * r for r in SMALL_BELL[:5]], (0.8, 0.8, 0.5, 0.5, 0.3))
    strokes, rate = int(rng.integers(5, 9)), rng.uniform(20, 30)
    out = np.zeros(n)
    for half in (0.0, rng.uniform(0.28, 0.34)):
        times = samples(half + 1e-4) + np.arange(strokes) * round(SAMPLE_RATE / rate)
        scatter(out, [dome], [int(t) for t in times], [float(g) for g in rng.uniform(0.5, 1.0, strokes)])
    return fade(out, 0.0, 0.1)


@sound("occurrence", (2.5, 5.0), place="outdoor")
def church_bell(rng: Rng, n: int) -> Signal:
    """One stroke of a church bell: hum, prime, minor third and nominal, dying away over seconds."""
    base = rng.uniform(220, 520)
    t60 = [rng.uniform(5.0, 8.0) / (0.5 + r) for r in BELL]
    gains = (0.6, 0.8, 0.7, 0.3, 1.0, 0.4, 0.4, 0.35, 0.25)
    pairs = [base * r * d for r in BELL for d in (1.0, 1 + rng.uniform(0.0005, 0.002))]
    bell = struck(n, pairs, [t for t in t60 for _ in range(2)], [g for g in gains for _ in range(2)])
    return fade(bell, 0.003, 0.4)


@sound("steady", (4.0, 8.0), place="outdoor")
def train_crossing_bell(rng: Rng, n: int) -> Signal:
    """The warning bell of a level crossing: a hard clang two or three times a second."""
    base = rng.uniform(600, 950)
    gong = struck(samples(0.8), [base * r for r in (1, 1.52, 2.31, 3.4, 4.6, 6.1)], (0.7, 0.5, 0.45, 0.3, 0.2, 0.15))
    return convolve(impulses(rng, n, steady_times(rng, n, rng.uniform(2.2, 3.6), 0.01), 0.8), gong)


@sound("occurrence", (0.8, 1.6))
def desk_bell(rng: Rng, n: int) -> Signal:
    """One ding of the bell on a shop or hotel counter."""
    base = rng.uniform(2_300, 3_300)
    bell = struck(n, [base * r for r in (1.0, 1.003, 1.9, 2.3)], (1.5, 1.4, 0.7, 0.4), (1.0, 0.6, 0.3, 0.2))
    return fade(bell, 0.0, 0.1)


@sound("passage", (4.0, 9.0), place="outdoor")
def wind_chimes(rng: Rng, n: int) -> Signal:
    """Metal tubes moved by a breeze: scattered soft strokes from one scale."""
    base = rng.uniform(600, 1_100)
    tubes = [
        struck(samples(2.5), [base * 2 ** (s / 12) * r for r in BAR], (2.2, 1.2, 0.5, 0.2), (1.0, 0.5, 0.25, 0.1))
        for s in rng.permutation([0, 2, 4, 7, 9, 12])
    ]
    times = random_times(rng, n, rng.uniform(2.5, 5.0))
    order = [tubes[int(k)] for k in rng.integers(0, len(tubes), times.size)]
    return scatter(np.zeros(n), order, [int(t) for t in times], [float(g) for g in rng.uniform(0.15, 1, times.size)])
