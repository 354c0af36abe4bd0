"""Alarms, chimes and beeps of appliances."""

from __future__ import annotations

import numpy as np

from soundflow_data.audio.procedural.filters import bandpass, convolve
from soundflow_data.audio.procedural.kind import sound
from soundflow_data.audio.procedural.modal import BAR, SMALL_BELL, struck
from soundflow_data.audio.procedural.signals import (
    Rng,
    Signal,
    constant,
    curve,
    fade,
    gate,
    impulses,
    log_uniform,
    partials,
    phase,
    samples,
    steady_times,
    swell,
)
from soundflow_data.timeline import SAMPLE_RATE

SQUARE = (1.0, 0.0, 0.33, 0.0, 0.2, 0.0, 0.14)


@sound("passage", (4.0, 8.0))
def smoke_alarm(rng: Rng, n: int) -> Signal:
    """The temporal-three pattern of a smoke detector: three long piezo beeps near 3 kHz, a pause, again."""
    hz = rng.uniform(2_850, 3_400)
    on, rest = rng.uniform(0.45, 0.55), rng.uniform(1.2, 1.6)
    off = rng.uniform(0.4, 0.5)
    beeps = gate(n, (on, off, on, off, on, rest), rng.uniform(0.003, 0.012))
    return beeps * partials(constant(n, hz), (1.0, rng.uniform(0.1, 0.4)))


@sound("occurrence", (0.15, 0.3))
def low_battery_chirp(rng: Rng, n: int) -> Signal:
    """The single short chirp of a smoke detector that asks for a new battery."""
    length = samples(rng.uniform(0.05, 0.09))
    out = np.zeros(n)
    chirp = partials(curve(length, (0, rng.uniform(2_900, 3_500)), (1, rng.uniform(2_900, 3_500))), (1.0, 0.2))
    out[:length] = fade(chirp, 0.003, 0.008)
    return out


@sound("steady", (3.0, 8.0), place="outdoor")
def burglar_alarm(rng: Rng, n: int) -> Signal:
    """A shrill house alarm: one piezo siren swept fast and without pause."""
    rate, low, high = rng.uniform(4.0, 9.0), rng.uniform(1_500, 2_000), rng.uniform(2_700, 3_500)
    sweep = (np.arange(n) * rate / SAMPLE_RATE) % 1.0
    shape = sweep if rng.random() < 0.5 else 1 - np.abs(2 * sweep - 1)
    return partials(low + (high - low) * shape, (1.0, 0.25, 0.4, 0.1))


@sound("passage", (4.0, 9.0), place="outdoor")
def car_alarm(rng: Rng, n: int) -> Signal:
    """A car alarm that runs through its programme: sweeps, yelps and two-tone bursts in turn."""
    base = rng.uniform(650, 950)
    out, at = np.empty(n), 0
    styles = [int(s) for s in rng.permutation(4)]
    span = samples(rng.uniform(1.0, 1.6))
    ramp = np.arange(span) / SAMPLE_RATE
    while at < n:
        style = styles[(at // span) % 4]
        if style == 0:
            hz = base * (1 + 1.2 * ((ramp * 5.5) % 1.0))
        elif style == 1:
            hz = base * (1.6 + 0.8 * np.sign(np.sin(2 * np.pi * 4.5 * ramp)))
        elif style == 2:
            hz = base * (1.8 - 0.9 * np.cos(2 * np.pi * ramp / (span / SAMPLE_RATE)))
        else:
            hz = base * (2.2 - 1.2 * ((ramp * 11.0) % 1.0))
        out[at : at + span] = hz[: n - at]
        at += span
    return bandpass(partials(out, (1.0, 0.5, 0.45, 0.25, 0.2)), 1_800, 0.6)


@sound("passage", (2.5, 6.0))
def alarm_clock(rng: Rng, n: int) -> Signal:
    """A digital alarm clock: quick groups of four square beeps."""
    beep, rest = rng.uniform(0.06, 0.1), rng.uniform(0.35, 0.6)
    count = int(rng.choice([3, 4, 4, 4]))
    cycle = [beep, beep] * (count - 1) + [beep, rest]
    return gate(n, cycle, 0.002) * partials(constant(n, rng.uniform(1_500, 2_400)), SQUARE)


@sound("occurrence", (1.0, 1.9))
def phone_ring(rng: Rng, n: int) -> Signal:
    """One ring of a telephone: an electronic trill, or two gongs beaten twenty times a second."""
    rate, base = rng.uniform(14, 24), rng.uniform(750, 1_400)
    ring = int(n * 0.8)
    if rng.random() < 0.5:
        flip = np.sign(np.sin(phase(constant(ring, rate / 2))))
        trill = partials(base * (1.125 + 0.125 * flip), (1.0, 0.3, 0.35, 0.1, 0.1))
        out = np.zeros(n)
        out[:ring] = fade(trill, 0.01, 0.03)
        return out
    out = np.zeros(n)
    for k, ratio in enumerate((1.0, rng.uniform(1.15, 1.3))):
        gong = struck(samples(0.5), [base * ratio * r for r in (1.0, 2.7, 4.4)], (0.5, 0.3, 0.15))
        times = steady_times(rng, ring, rate / 2) + k * round(SAMPLE_RATE / rate)
        out += convolve(impulses(rng, n, np.minimum(times, ring), 1.0), gong)
    return fade(out, 0.001, 0.1)


@sound("occurrence", (0.35, 0.9))
def microwave_beep(rng: Rng, n: int) -> Signal:
    """One beep of a microwave oven that has finished."""
    beep = samples(n / SAMPLE_RATE - rng.uniform(0.06, 0.1))
    out = np.zeros(n)
    tone = partials(constant(beep, log_uniform(rng, 950, 2_200)), (1.0, 0.06, rng.uniform(0.02, 0.15)))
    out[:beep] = fade(tone, 0.004, 0.012)
    return out


@sound("passage", (1.5, 3.5))
def oven_timer(rng: Rng, n: int) -> Signal:
    """A wind-up kitchen timer that runs out: a small bell rattled by clockwork, slowing down."""
    base = rng.uniform(2_000, 3_000)
    bell = struck(samples(0.6), [base * r for r in SMALL_BELL], (0.5, 0.5, 0.35, 0.3, 0.2, 0.1))
    speed = curve(n, (0, rng.uniform(20, 28)), (0.6, 19), (1, 12))
    turns = np.floor(np.cumsum(speed) / SAMPLE_RATE)
    times = np.flatnonzero(np.diff(turns, prepend=-1) > 0)
    last = times < n - samples(0.35)
    return convolve(impulses(rng, n, times[last], 2.0), bell)


@sound("steady", (3.0, 8.0))
def fire_bell(rng: Rng, n: int) -> Signal:
    """The electromechanical fire bell of a school: a large gong struck ten times a second."""
    base = rng.uniform(650, 1_000)
    gong = struck(samples(1.2), [base * r for r in (1, 1.008, 1.83, 2.74, 3.9, 5.2)], (1.2, 1.1, 0.9, 0.7, 0.4, 0.3))
    times = steady_times(rng, n, rng.uniform(8, 13), 0.02)
    return convolve(impulses(rng, n, times, 1.5), gong)


@sound("passage", (2.0, 5.0), place="near")
def seatbelt_chime(rng: Rng, n: int) -> Signal:
    """The soft repeated bong that asks for the seat belt."""
    base = rng.uniform(550, 1_050)
    length = samples(rng.uniform(0.5, 0.8))
    bong = partials(constant(length, base), (1.0, 0.25, 0.08)) * swell(length, 0.006, rng.uniform(0.5, 0.9))
    return convolve(impulses(rng, n, steady_times(rng, n, rng.uniform(1.2, 1.9))), bong)


@sound("passage", (2.5, 6.0), place="outdoor")
def reversing_beeper(rng: Rng, n: int) -> Signal:
    """The warning beeper of a lorry that reverses: loud square beeps near 1.2 kHz, half on, half off."""
    half = rng.uniform(0.35, 0.6)
    square = partials(constant(n, rng.uniform(1_050, 1_450)), (1.0, 0.1, 0.45, 0.05, 0.25))
    return gate(n, (half, half), 0.008) * square


@sound("occurrence", (0.9, 1.8))
def notification_chime(rng: Rng, n: int) -> Signal:
    """The message tone of a telephone or computer: two or three bright glassy notes."""
    base = rng.uniform(700, 1_300)
    steps = ((0, 7), (0, 4, 7), (7, 0), (0, 12), (12, 7, 4))[int(rng.integers(5))]
    gap = rng.uniform(0.09, 0.16)
    out = np.zeros(n)
    for k, step in enumerate(steps):
        at = samples(k * gap) if k else 0
        note = struck(n - at, [base * 2 ** (step / 12) * r for r in BAR[:3]], (0.7, 0.25, 0.1), (1.0, 0.25, 0.1))
        out[at:] += note
    return out
