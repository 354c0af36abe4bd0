"""Things people do about the house and at a desk."""

from __future__ import annotations

import numpy as np

from soundflow_data.audio.procedural.filters import bandpass, convolve, highpass, lowpass, resonances
from soundflow_data.audio.procedural.kind import sound
from soundflow_data.audio.procedural.modal import scatter, shard, thump
from soundflow_data.audio.procedural.signals import (
    Rng,
    Signal,
    add,
    coloured,
    curve,
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
from soundflow_data.timeline import SAMPLE_RATE


def click(rng: Rng, size: int, low_hz: float, high_hz: float, t60_s: float) -> Signal:
    """One small mechanical click: a burst of noise and the short ring of a plastic or metal part."""
    ring = shard(rng, size, low_hz, high_hz, (t60_s * 0.5, t60_s), modes=5)
    return ring + bandpass(white(rng, size) * decay(size, t60_s * 0.4), (low_hz * high_hz) ** 0.5, 0.7)


@sound("passage", (4.0, 8.0), place="near")
def kettle_whistle(rng: Rng, n: int) -> Signal:
    """A kettle that comes to the boil: steam, then a whistle that climbs and holds."""
    top = rng.uniform(2_000, 3_000)
    pitch = top * smooth_curve(n, (0, 0.62), (0.3, 0.9), (0.5, 1.0), (1, 1.01)) * (1 + 0.003 * wander(rng, n, 25))
    loud = smooth_curve(n, (0, 0.06), (0.25, 0.5), (0.5, 1), (1, 1))
    whistle = partials(pitch, (1.0, 0.35, 0.15)) * loud * (1 + 0.1 * wander(rng, n, 18))
    steam = coloured(rng, n, (300, -26), (2_000, -6), (4_000, 0), (7_500, -4))
    return whistle + 0.25 * steam * (0.4 + 0.6 * loud)


@sound("occurrence", (0.7, 1.8))
def door_creak(rng: Rng, n: int) -> Signal:
    """A dry hinge: stick and slip pulses whose rate slides, ringing in the wood of the door."""
    rate = rng.uniform(45, 130) * smooth_curve(n, (0, 0.6), (0.3, 1.1), (0.65, rng.uniform(1.2, 2.0)), (1, 0.7))
    rate *= np.exp(0.15 * wander(rng, n, 6))
    slips = np.flatnonzero(np.diff(np.floor(np.cumsum(rate) / SAMPLE_RATE), prepend=-1) > 0)
    train = impulses(rng, n, slips, 3.0)
    wood = [
        (float(hz), 12.0, float(g)) for hz, g in zip(rng.uniform(400, 3_000, 6), rng.uniform(0.4, 1, 6), strict=True)
    ]
    return fade(resonances(train, *wood), 0.05, 0.15) * np.clip(0.8 + 0.3 * wander(rng, n, 5), 0.2, 1.5)


@sound("passage", (2.5, 6.0), place="near")
def keyboard_typing(rng: Rng, n: int) -> Signal:
    """Someone types: irregular light clacks, each a press and a softer release, in bursts of words."""
    keys = [click(rng, 700, 900, 4_500, 0.02) + 0.4 * thump(rng, 700, 180, 500, 0.03) for _ in range(9)]
    rate = rng.uniform(6, 10)
    gaps = rng.gamma(5.0, 1 / (5 * rate), int(n / SAMPLE_RATE * rate * 1.5) + 2)
    gaps += (rng.random(gaps.size) < 0.1) * rng.uniform(0.15, 0.5, gaps.size)
    times = (np.cumsum(gaps) - gaps[0]) * SAMPLE_RATE
    out = np.zeros(n)
    for at in times[times < n]:
        key = keys[int(rng.integers(9))]
        add(out, key, int(at), rng.uniform(0.5, 1.0))
        add(out, key, int(at) + samples(rng.uniform(0.06, 0.1)), rng.uniform(0.1, 0.3))
    return out


@sound("occurrence", (0.2, 0.35), place="near")
def mouse_click(rng: Rng, n: int) -> Signal:
    """One click of a computer mouse: press and release within a tenth of a second."""
    press = click(rng, 500, 2_200, 6_500, 0.012)
    release = click(rng, 500, 2_600, 7_000, 0.01)
    return scatter(np.zeros(n), [press, release], [0, samples(rng.uniform(0.06, 0.11))], [1.0, rng.uniform(0.5, 0.8)])


@sound("occurrence", (0.2, 0.4))
def light_switch(rng: Rng, n: int) -> Signal:
    """One snap of a light switch, lower and duller than a mouse."""
    snap = click(rng, 1_200, 700, 2_800, 0.03) + 0.7 * thump(rng, 1_200, 160, 420, 0.05)
    return scatter(np.zeros(n), [snap], [0, samples(rng.uniform(0.008, 0.02))], [0.5, 1.0])


@sound("steady", (4.0, 10.0), place="near")
def clock_tick(rng: Rng, n: int) -> Signal:
    """A clock: tick, tock, tick, tock, dry and perfectly even."""
    rate, low = float(rng.choice([1.0, 2.0, 2.0, 4.0])), rng.uniform(700, 2_200)
    size = samples(0.09)
    tick, tock = (
        click(rng, size, low * r, low * r * 2.5, rng.uniform(0.02, 0.05)) + 0.4 * thump(rng, size, 150, 600, 0.05)
        for r in (1.15, 0.9)
    )
    times = steady_times(rng, n, rate)
    gains = [(1.0, 0.8)[k % 2] for k in range(times.size)]
    return scatter(np.zeros(n), [tick, tock], [int(t) for t in times], gains)


@sound("occurrence", (0.25, 0.45), place="near")
def camera_shutter(rng: Rng, n: int) -> Signal:
    """One photograph: the mirror slaps, the shutter snaps, the mirror falls back."""
    slap = click(rng, 1_500, 500, 2_500, 0.035) + 0.5 * thump(rng, 1_500, 200, 700, 0.05)
    curtain = highpass(white(rng, 900) * decay(900, 0.03), 3_500) * 0.8 + click(rng, 900, 2_500, 7_000, 0.02)
    gap = rng.uniform(0.05, 0.09)
    times = [0, samples(gap), samples(gap * rng.uniform(1.8, 2.4))]
    return scatter(np.zeros(n), [slap, curtain, slap], times, [0.8, 1.0, 0.7])


@sound("occurrence", (0.6, 1.1))
def can_opening(rng: Rng, n: int) -> Signal:
    """A can of soda: the tab cracks, gas hisses out."""
    crack = click(rng, 1_600, 1_200, 6_000, 0.05) * 1.5
    hiss = coloured(rng, n, (800, -30), (3_000, -4), (6_500, 0)) * smooth_curve(
        n, (0, 0.1), (0.06, 1), (0.25, 0.4), (0.7, 0.06), (1, 0)
    )
    out = 0.5 * hiss
    return scatter(out, [crack], [0, samples(rng.uniform(0.07, 0.12))], [1.2, 0.7])


@sound("passage", (2.5, 6.0), place="near")
def brushing_teeth(rng: Rng, n: int) -> Signal:
    """Brushing teeth: quick soft scrubbing strokes with a hollow mouth around them."""
    stroke = np.sin(phase(rng.uniform(3.5, 5.5) * (1 + 0.08 * wander(rng, n, 1.5))))
    scrub = np.abs(stroke) ** 0.8 * np.where(stroke > 0, 1.0, 0.7)
    mouth = 1 + 0.3 * wander(rng, n, 0.6)
    bristles = resonances(white(rng, n), (1_100, 2.0, 0.5), (2_600, 1.5, 0.8), (5_200, 1.0, 1.0))
    return bristles * scrub * np.abs(mouth)


@sound("passage", (2.0, 5.0), place="near")
def paper_rustle(rng: Rng, n: int) -> Signal:
    """Paper that is leafed through or crumpled: crackling bright rustles."""
    crinkle = np.zeros(n)
    crinkle[random_times(rng, n, 500)] = 1.0
    crinkle *= rng.exponential(1.0, n) ** 2
    moves = np.clip(0.2 + 0.8 * wander(rng, n, 3.0), 0, 2)
    rub = coloured(rng, n, (400, -24), (2_000, -4), (5_000, 0), (7_500, -3))
    return moves * (resonances(crinkle, (2_200, 1.0, 1.0), (4_800, 1.0, 1.0)) + 0.12 * rub)


@sound("passage", (2.0, 5.0))
def chopping(rng: Rng, n: int) -> Signal:
    """A knife on a board: quick wooden chops in an even run."""
    chop = thump(rng, samples(0.12), 180, 700, 0.06, noise=0.6) + 0.5 * click(rng, samples(0.12), 1_500, 5_000, 0.015)
    times = steady_times(rng, n, rng.uniform(3.0, 5.5), 0.07)
    return scatter(np.zeros(n), [chop], [int(t) for t in times], [float(g) for g in rng.uniform(0.6, 1, times.size)])


@sound("occurrence", (0.4, 0.9), place="near")
def zipper(rng: Rng, n: int) -> Signal:
    """One pull of a zip: a buzz of tiny teeth that runs up in pitch."""
    speed = rng.uniform(90, 160) * curve(n, (0, 0.5), (0.5, 1.3), (1, 1.8))
    teeth = np.flatnonzero(np.diff(np.floor(np.cumsum(speed) / SAMPLE_RATE), prepend=-1) > 0)
    tick = highpass(white(rng, 120) * decay(120, 0.006), 2_000)
    slide = coloured(rng, n, (800, -20), (3_500, 0), (7_000, -2))
    return fade(convolve(impulses(rng, n, teeth, 2.0), tick) + 0.15 * slide, 0.02, 0.05)


@sound("passage", (2.5, 6.0), place="near")
def frying(rng: Rng, n: int) -> Signal:
    """Food in a hot pan: a dense fizzing sizzle with spits of fat."""
    sizzle = coloured(rng, n, (500, -30), (2_500, -8), (5_000, 0), (7_500, 0))
    spit = bandpass(white(rng, 200) * decay(200, 0.008), 5_500, 1.0)
    grain = convolve(impulses(rng, n, random_times(rng, n, 260), 8.0), spit)
    return 0.5 * sizzle * (1 + 0.15 * wander(rng, n, 8)) + grain


@sound("passage", (2.0, 4.0))
def drawer(rng: Rng, n: int) -> Signal:
    """A drawer pulled out and pushed shut: two wooden slides, the second ending in a knock."""
    rumble = lowpass(
        coloured(rng, n, (100, 0), (500, 0), (2_000, -10), (6_000, -24)) * np.abs(wander(rng, n, 45)), 2_500
    )
    moves = smooth_curve(n, (0, 0), (0.05, 1), (0.25, 0.8), (0.32, 0), (0.6, 0), (0.65, 1), (0.8, 1), (0.84, 0), (1, 0))
    return scatter(rumble * moves, [thump(rng, samples(0.3), 90, 420, 0.2)], [int(0.31 * n), int(0.83 * n)], [0.6, 1.8])
