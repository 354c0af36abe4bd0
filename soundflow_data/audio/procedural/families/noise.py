"""Plain noises, and the background of places: beds to lay under a scene."""

from __future__ import annotations

import numpy as np

from soundflow_data.audio.procedural.families.domestic import click
from soundflow_data.audio.procedural.families.water import bubbles
from soundflow_data.audio.procedural.filters import bandpass, convolve, lowpass
from soundflow_data.audio.procedural.kind import sound
from soundflow_data.audio.procedural.modal import scatter, shard, thump
from soundflow_data.audio.procedural.signals import (
    Rng,
    Signal,
    coloured,
    constant,
    impulses,
    partials,
    phase,
    random_times,
    samples,
    wander,
    white,
)
from soundflow_data.audio.procedural.voice import Formant, voiced
from soundflow_data.timeline import SAMPLE_RATE


@sound("steady", (4.0, 15.0), place="near")
def white_noise(rng: Rng, n: int) -> Signal:
    """White noise: equal power at every frequency."""
    return white(rng, n)


@sound("steady", (4.0, 15.0), place="near")
def pink_noise(rng: Rng, n: int) -> Signal:
    """Pink noise: 3 dB less per octave."""
    return coloured(rng, n, (20, 26), (8_000, 0))


@sound("steady", (4.0, 15.0), place="near")
def brown_noise(rng: Rng, n: int) -> Signal:
    """Brown noise: 6 dB less per octave, a deep soft roar."""
    return coloured(rng, n, (40, 46), (8_000, 0))


@sound("steady", (4.0, 15.0), place="near")
def radio_static(rng: Rng, n: int) -> Signal:
    """A radio between stations: narrow noise with crackles and a drifting heterodyne whistle."""
    hiss = coloured(rng, n, (150, -30), (500, 0), (3_200, 0), (4_500, -25))
    whistle = partials(rng.uniform(500, 1_500) * (1 + 0.06 * wander(rng, n, 0.6)), (1.0,)) * 0.2
    crackle = convolve(impulses(rng, n, random_times(rng, n, 9), 7.0), lowpass(white(rng, 200), 3_500)) * 0.8
    return hiss * (1 + 0.15 * wander(rng, n, 2.0)) + whistle + crackle


def murmur(rng: Rng, n: int, voices: int) -> Signal:
    """Several people who talk at once and say nothing: syllables of random vowels, of unit RMS."""
    out = np.zeros(n)
    for _ in range(voices):
        size = rng.uniform(0.9, 1.25)
        pitch = rng.uniform(90, 230) * (1 + 0.12 * wander(rng, n, 2.5))
        first, second = 480 * size * np.exp(0.35 * wander(rng, n, 5)), 1_500 * size * np.exp(0.28 * wander(rng, n, 5))
        mouth: list[Formant] = [(first, 110.0, 0.0), (second, 150.0, -6.0), (2_700 * size, 250.0, -14.0)]
        speech = voiced(pitch, mouth, -10, highest_hz=3_500)
        speech *= np.clip(0.4 + 0.6 * wander(rng, n, 4.5), 0, 2) * np.clip(0.6 + 0.4 * wander(rng, n, 0.7), 0.2, 1.2)
        # Played again from another moment it is a further person, at no cost.
        out += (speech + 0.8 * np.roll(speech, int(rng.integers(n)))) / (np.std(speech) + 1e-12)
    hiss = coloured(rng, n, (800, -20), (3_500, 0), (7_000, -4)) * np.clip(0.7 + 0.3 * wander(rng, n, 8), 0.2, 2)
    return out / np.std(out) + 0.04 * hiss


@sound("steady", (4.0, 12.0))
def crowd_murmur(rng: Rng, n: int) -> Signal:
    """The babble of a room full of people, no word of it to be understood."""
    return murmur(rng, n, 5)


@sound("steady", (5.0, 15.0), place="outdoor")
def street_ambience(rng: Rng, n: int) -> Signal:
    """A busy street at some distance: the wash of traffic, engines that come and go."""
    wash = coloured(rng, n, (40, 2), (120, 3), (400, 0), (1_000, -4), (2_500, -16), (7_000, -36))
    for _ in range(4):
        place = rng.uniform(0, n)
        near = np.exp(-np.square((np.arange(n) - place) / (rng.uniform(0.8, 1.8) * SAMPLE_RATE)))
        hum = partials(
            rng.uniform(60, 110) * (1 - 0.04 * np.tanh((np.arange(n) - place) / 12_000)), [1, 0.7, 0.5, 0.3, 0.2]
        )
        tyres = coloured(rng, n, (200, -6), (900, 0), (2_500, -6), (7_000, -22))
        wash += (0.35 * hum + 0.8 * tyres) * near
    return wash


@sound("steady", (5.0, 15.0))
def office_ambience(rng: Rng, n: int) -> Signal:
    """An open office: ventilation, typing, soft talk two desks away."""
    air = coloured(rng, n, (60, 0), (200, 0), (700, -8), (2_500, -20), (7_500, -36))
    keys = [click(rng, 700, 900, 4_500, 0.02) for _ in range(6)]
    times = random_times(rng, n, 5.0)
    order = [keys[int(k)] for k in rng.integers(0, 6, times.size)]
    typing = scatter(np.zeros(n), order, [int(t) for t in times], [float(g) for g in rng.uniform(0.2, 0.7, times.size)])
    return air + 0.3 * lowpass(murmur(rng, n, 1), 1_500) + 4.0 * typing


@sound("steady", (5.0, 15.0))
def kitchen_ambience(rng: Rng, n: int) -> Signal:
    """A kitchen at work: an extractor fan, a simmering pot, dishes now and then."""
    hood = coloured(rng, n, (80, -3), (300, 0), (1_200, -4), (3_500, -14), (7_500, -28))
    pot = bubbles(rng, n, 25, 250, 800, t60_s=0.08)
    clinks = [shard(rng, samples(0.2), 1_200, 5_500, (0.04, 0.18), modes=5) for _ in range(6)]
    times = random_times(rng, n, 1.4)
    gains = [float(g) for g in rng.uniform(1.0, 6.0, times.size)]
    return hood + 0.35 * pot + scatter(np.zeros(n), clinks, [int(t) for t in times], gains)


@sound("steady", (5.0, 15.0), place="outdoor")
def forest_ambience(rng: Rng, n: int) -> Signal:
    """A wood in summer: leaves, far birds, insects."""
    leaves = coloured(rng, n, (150, -14), (800, -4), (3_000, 0), (7_000, -6)) * np.exp(0.3 * wander(rng, n, 0.8))
    out = leaves + 0.5 * coloured(rng, n, (60, 0), (300, -6), (1_500, -24))
    for _ in range(3):
        hz = rng.uniform(2_500, 5_000)
        song = (
            partials(hz * (1 + 0.12 * wander(rng, n, 9)), (1.0,))
            * np.clip(wander(rng, n, 7), 0, 2)
            * np.clip(wander(rng, n, 0.8), 0, 1)
        )
        out += rng.uniform(0.3, 0.9) * song
    return out + 0.2 * bandpass(white(rng, n), rng.uniform(5_000, 6_500), 8) * (
        1 + 0.5 * np.cos(phase(constant(n, 22.0)))
    )


@sound("steady", (5.0, 15.0))
def factory_ambience(rng: Rng, n: int) -> Signal:
    """A machine hall: drones of many motors, presses that stamp, air lines that hiss."""
    out = coloured(rng, n, (40, 3), (120, 3), (500, 0), (2_000, -8), (7_000, -22))
    for hz in rng.uniform(45, 320, 5):
        out += 0.6 * partials(hz * (1 + 0.004 * wander(rng, n, 1)), [1.0, 0.6, 0.5, 0.3, 0.3, 0.2])
    period = samples(rng.uniform(0.7, 1.3))
    stamp = thump(rng, samples(0.4), 60, 500, 0.25, noise=1.0)
    return scatter(out, [stamp], list(range(0, n, period)), [4.0] * len(range(0, n, period)))


@sound("steady", (5.0, 15.0))
def cafe_ambience(rng: Rng, n: int) -> Signal:
    """A coffee house: lively talk, cups on saucers, a hissing machine in the background."""
    cups = [shard(rng, samples(0.2), 1_800, 6_000, (0.05, 0.2), modes=4) for _ in range(6)]
    times = random_times(rng, n, 2.2)
    gains = [float(g) for g in rng.uniform(0.3, 2.0, times.size)]
    steam = coloured(rng, n, (1_000, -20), (4_000, 0), (7_000, -2)) * np.clip(wander(rng, n, 0.4), 0, 2)
    return scatter(murmur(rng, n, 4) + 0.12 * steam, cups, [int(t) for t in times], gains)


@sound("steady", (5.0, 15.0), place="near")
def car_cabin(rng: Rng, n: int) -> Signal:
    """Inside a moving car: tyre rumble, wind and a low engine."""
    rumble = coloured(rng, n, (30, 4), (90, 4), (250, -5), (700, -18), (2_500, -34), (7_500, -55))
    engine = partials(rng.uniform(55, 95) * (1 + 0.01 * wander(rng, n, 0.6)), [1.0, 0.6, 0.3, 0.2])
    air = coloured(rng, n, (300, -10), (1_200, -8), (4_000, -20))
    return rumble * (1 + 0.1 * wander(rng, n, 1.0)) + 0.3 * engine + 0.1 * air
