"""Machines that work as they should, at home and in a workshop."""

from __future__ import annotations

import numpy as np

from soundflow_data.audio.procedural.filters import bandpass, convolve, highpass, lowpass, resonances
from soundflow_data.audio.procedural.kind import sound
from soundflow_data.audio.procedural.modal import shard
from soundflow_data.audio.procedural.signals import (
    Rng,
    Signal,
    coloured,
    constant,
    decay,
    gate,
    impulses,
    partials,
    phase,
    smooth_curve,
    steady_times,
    wander,
    white,
)
from soundflow_data.timeline import SAMPLE_RATE


def mains_hz(rng: Rng) -> float:
    """Twice the frequency of the mains, at which iron hums: near 100 Hz or 120 Hz, never exactly."""
    return float(rng.choice([100.0, 120.0])) * rng.uniform(0.996, 1.004)


def motor(rng: Rng, n: int, hz: float, partial_count: int = 12, wobble: float = 0.004) -> Signal:
    """Hum of an electric motor: harmonics with random levels, slightly unsteady, of about unit RMS."""
    levels = [float(g) / (1 + 0.15 * k) for k, g in enumerate(rng.uniform(0.1, 1.0, partial_count))]
    hum = partials(hz * (1 + wobble * wander(rng, n, 3.0)), levels)
    return hum / np.sqrt(np.mean(np.square(hum)))


@sound("steady", (4.0, 12.0))
def fan(rng: Rng, n: int) -> Signal:
    """A table fan: smooth air noise that throbs gently with the blades, and a faint motor."""
    air = coloured(rng, n, (60, -4), (250, 0), (900, -6), (3_000, -20), (7_500, -34))
    blades = 1 + 0.22 * np.cos(phase(constant(n, rng.uniform(14, 26))))
    return air * blades + 0.25 * motor(rng, n, rng.uniform(95, 140), 4)


@sound("steady", (4.0, 12.0))
def air_conditioner(rng: Rng, n: int) -> Signal:
    """An air conditioner: a wide breath of air over the drone of its compressor."""
    air = coloured(rng, n, (80, -10), (400, -3), (1_200, 0), (3_500, -9), (7_500, -24))
    drone = motor(rng, n, rng.choice([49.0, 58.0]) + rng.uniform(-1, 1), 8)
    return air + 0.7 * lowpass(drone, 500)


@sound("steady", (4.0, 12.0))
def refrigerator_hum(rng: Rng, n: int) -> Signal:
    """A refrigerator: a low mains hum with slow beating and hardly any noise."""
    mains = mains_hz(rng)
    levels = [1.0, float(rng.uniform(0.2, 0.6)), float(rng.uniform(0.1, 0.4)), 0.15, 0.08]
    hum = partials(constant(n, mains), levels) + 0.6 * partials(constant(n, mains * 0.492), [1.0, 0.3])
    return hum * (1 + 0.15 * wander(rng, n, 1.0)) + 0.06 * coloured(rng, n, (80, 0), (500, -6), (4_000, -26))


@sound("steady", (4.0, 12.0))
def machine_hum(rng: Rng, n: int) -> Signal:
    """A factory machine that runs well: even whirring harmonics, gear whine and a soft regular beat."""
    base = rng.uniform(48, 85)
    beat = 1 + 0.2 * np.cos(phase(constant(n, base / 8)))
    whine = partials(constant(n, base * rng.integers(9, 16)), (1.0, 0.3, 0.1)) * 0.25
    return (
        motor(rng, n, base, 16) * beat + whine + 0.4 * coloured(rng, n, (80, 0), (600, -3), (2_500, -14), (7_000, -30))
    )


@sound("steady", (4.0, 10.0))
def vacuum_cleaner(rng: Rng, n: int) -> Signal:
    """A vacuum cleaner: a loud rush of air with the strong whine of its motor."""
    base = rng.uniform(210, 330)
    whine = motor(rng, n, base, 14, 0.006)
    air = coloured(rng, n, (100, -12), (500, 0), (1_500, 0), (4_000, -6), (7_500, -12))
    return air + 0.8 * whine


@sound("steady", (4.0, 10.0))
def hair_dryer(rng: Rng, n: int) -> Signal:
    """A hair dryer: hot air hissing in the upper middle, a high thin motor tone inside it."""
    air = coloured(rng, n, (150, -26), (700, -12), (2_000, -2), (3_200, 0), (5_500, -5), (7_500, -12))
    return air + 0.35 * motor(rng, n, rng.uniform(480, 720), 5, 0.003)


@sound("steady", (3.0, 8.0))
def washing_machine(rng: Rng, n: int) -> Signal:
    """A washing machine: the drum turns to and fro, water slops, a low motor underneath."""
    turn = rng.uniform(0.7, 1.1)
    slosh = coloured(rng, n, (120, -4), (400, 0), (1_200, -8), (4_000, -26))
    swing = 0.25 + 0.75 * np.clip(np.sin(phase(constant(n, turn))), 0, 1) ** 1.5
    thud = lowpass(white(rng, 1_600) * decay(1_600, 0.12), 160) * 8
    thuds = convolve(impulses(rng, n, steady_times(rng, n, turn, 0.04), 2.0), thud)
    return slosh * swing + thuds + 0.5 * motor(rng, n, rng.uniform(95, 130), 6, 0.02) * (0.5 + 0.5 * swing)


@sound("passage", (2.5, 7.0))
def blender(rng: Rng, n: int) -> Signal:
    """A kitchen blender: a screaming motor that runs up, and food that batters the jug."""
    top = rng.uniform(260, 420)
    speed = top * smooth_curve(n, (0, 0.35), (0.08, 1), (0.5, 1.04), (0.94, 1), (1, 0.5))
    scream = partials(speed * (1 + 0.02 * wander(rng, n, 9)), [float(g) for g in rng.uniform(0.2, 1, 18)])
    chop = coloured(rng, n, (200, -6), (1_000, 0), (3_500, -3), (7_500, -14)) * np.abs(wander(rng, n, 35))
    return (0.5 * scream + 1.1 * chop) * smooth_curve(n, (0, 0.3), (0.08, 1), (0.95, 1), (1, 0.1))


@sound("passage", (2.5, 7.0))
def electric_drill(rng: Rng, n: int) -> Signal:
    """A power drill: a gear whine that runs up, bogs down in the work and recovers."""
    top = rng.uniform(520, 800)
    load = smooth_curve(n, (0, 0.3), (0.1, 1), (0.3, 0.95), (0.45, 0.72), (0.75, 0.7), (0.85, 1), (1, 0.4))
    speed = top * load * (1 + 0.01 * wander(rng, n, 15))
    gears = partials(speed, (0.6, 0.3, 1.0, 0.25, 0.6, 0.5, 0.3, 0.2))
    bite = coloured(rng, n, (300, -10), (1_500, 0), (5_000, -2)) * np.clip(1.05 - load, 0, 1) * 2.0
    return (gears + bite + 0.15 * white(rng, n)) * smooth_curve(n, (0, 0.2), (0.08, 1), (0.94, 1), (1, 0.1))


@sound("passage", (3.0, 8.0), place="outdoor")
def chainsaw(rng: Rng, n: int) -> Signal:
    """A chainsaw: a rasping two-stroke that revs up and digs in."""
    rev = 1 + 0.35 * np.tanh(2 * wander(rng, n, 0.7))
    speed = rng.uniform(75, 115) * rev * (1 + 0.03 * wander(rng, n, 30))
    buzz = partials(speed, [float(g) / (1 + 0.12 * k) for k, g in enumerate(rng.uniform(0.5, 1, 75))])
    body = buzz + resonances(buzz, (300, 1.5, 1.0), (1_000, 1.2, 0.8))
    chain = coloured(rng, n, (200, -12), (900, 0), (3_500, -6), (7_500, -18)) * np.clip(np.cos(phase(speed)), 0.15, 1)
    return (body / np.std(body) + 0.7 * chain) * rev**2


@sound("passage", (2.5, 6.0))
def hand_saw(rng: Rng, n: int) -> Signal:
    """Sawing wood by hand: rasping strokes to and fro, the push louder than the pull."""
    rate = rng.uniform(1.3, 2.2)
    stroke = np.sin(phase(rate * (1 + 0.05 * wander(rng, n, 1.5))))
    push, pull = np.clip(stroke, 0, 1) ** 0.7, np.clip(-stroke, 0, 1) ** 0.7
    teeth = 0.6 + 0.4 * np.sin(phase(rng.uniform(120, 200) * (0.3 + np.abs(stroke))))
    rasp = resonances(white(rng, n), (700, 1.5, 0.7), (1_900, 1.5, 1.0), (4_200, 1.2, 0.8))
    return rasp * teeth * (push + 0.5 * pull)


@sound("steady", (3.0, 8.0), place="outdoor")
def lawn_mower(rng: Rng, n: int) -> Signal:
    """A petrol mower: a steady low four-stroke drone and whirling grass."""
    speed = rng.uniform(46, 62) * (1 + 0.015 * wander(rng, n, 2))
    firing = partials(speed / 2, [1.0, 1.0, 0.5, 0.9, 0.4, 0.7, 0.3, 0.5, 0.2, 0.4, 0.2, 0.3, 0.1, 0.2, 0.1, 0.2])
    blade = coloured(rng, n, (200, -6), (800, 0), (2_500, -5), (7_000, -18))
    return firing / np.std(firing) + 0.5 * blade * (1 + 0.3 * np.cos(phase(speed * 2)))


@sound("passage", (2.5, 6.0))
def printer(rng: Rng, n: int) -> Signal:
    """An ink-jet printer: the carriage whirrs to and fro, with clicks and paper feed between the lines."""
    line = rng.uniform(0.55, 0.9)
    sweep = gate(n, (line * 0.75, line * 0.25), 0.03)
    direction = np.sign(np.sin(np.pi * np.arange(n) / SAMPLE_RATE / line + 1e-6))
    stepper = partials(rng.uniform(300, 480) * (1 + 0.06 * direction), (0.3, 1.0, 0.3, 0.6, 0.4, 0.3, 0.2))
    hiss = coloured(rng, n, (500, -14), (2_500, 0), (6_500, -4))
    feed = bandpass(white(rng, n), 900, 1.5) * np.clip(np.cos(phase(constant(n, 85.0))), 0, 1)
    clack = convolve(impulses(rng, n, steady_times(rng, n, 1 / line, 0.01)), shard(rng, 900, 500, 3_500, (0.02, 0.05)))
    return sweep * (0.6 * stepper + 0.5 * hiss) + (1 - sweep) * 2.0 * feed + 1.2 * clack


@sound("steady", (3.0, 8.0))
def microwave_hum(rng: Rng, n: int) -> Signal:
    """A microwave oven at work: a buzzing mains hum with a small fan."""
    mains = mains_hz(rng)
    buzz = partials(constant(n, mains), [float(g) / (1 + 0.2 * k) for k, g in enumerate(rng.uniform(0.4, 1, 12))])
    return buzz + 0.3 * coloured(rng, n, (150, -6), (700, 0), (2_500, -8), (7_000, -24))


@sound("passage", (2.0, 5.0))
def sewing_machine(rng: Rng, n: int) -> Signal:
    """A sewing machine: a fast clattering needle in bursts, with its little motor."""
    speed = rng.uniform(11, 17) * smooth_curve(n, (0, 0.5), (0.15, 1), (0.5, 1.1), (0.85, 0.9), (1, 0.4))
    turns = np.floor(np.cumsum(speed) / SAMPLE_RATE)
    times = np.flatnonzero(np.diff(turns, prepend=-1) > 0)
    clack = shard(rng, 900, 400, 4_500, (0.015, 0.05), modes=6) + 0.5 * highpass(
        white(rng, 900) * decay(900, 0.02), 1_500
    )
    return convolve(impulses(rng, n, times, 1.5), clack) + 0.25 * partials(speed * 18, (1.0, 0.6, 0.4, 0.3, 0.2))


@sound("passage", (2.0, 5.0))
def electric_shaver(rng: Rng, n: int) -> Signal:
    """An electric shaver: a thin hard buzz that changes as it moves over skin."""
    hz = rng.uniform(105, 145)
    buzz = partials(hz * (1 + 0.01 * wander(rng, n, 4)), [0.5] + [1 / (1 + 0.05 * k) for k in range(48)])
    move = np.clip(0.5 + 0.4 * wander(rng, n, 1.5), 0, 1)
    return highpass(bandpass(buzz, 1_400, 0.7) * move + bandpass(buzz, 3_600, 0.8) * (1 - 0.7 * move), 250)
