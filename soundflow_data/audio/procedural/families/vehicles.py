"""Traffic: engines, horns, sirens, tyres, trains and aircraft."""

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
    constant,
    curve,
    decay,
    fade,
    impulses,
    partials,
    phase,
    samples,
    smooth_curve,
    steady_times,
    wander,
    white,
)
from soundflow_data.timeline import SAMPLE_RATE


def engine(rng: Rng, firing_hz: Signal, cylinders: int = 4, roughness: float = 0.25) -> Signal:
    """Exhaust of a piston engine: one damped thump per firing, each cylinder a little different; unit RMS."""
    n = firing_hz.size
    fired = np.floor(np.cumsum(firing_hz) / SAMPLE_RATE).astype(int)
    times = np.flatnonzero(np.diff(fired, prepend=-1) > 0)
    level = np.exp(roughness * rng.standard_normal(cylinders))[np.arange(times.size) % cylinders]
    train = np.zeros(n)
    train[times] = level * np.exp(0.4 * roughness * rng.standard_normal(times.size))
    size = samples(0.12)
    thud = shard(rng, size, 55, 180, (0.08, 0.16), modes=3) + 0.5 * shard(rng, size, 180, 600, (0.03, 0.08), modes=3)
    puff = 2.5 * lowpass(white(rng, n), 1_600) * convolve(train, decay(samples(0.03), 0.03))
    out = convolve(train, thud) + puff + 0.08 * coloured(rng, n, (300, 0), (1_500, -2), (6_000, -14))
    return out / (np.std(out) + 1e-12)


@sound("steady", (3.0, 8.0), place="outdoor")
def engine_idle(rng: Rng, n: int) -> Signal:
    """A car that idles: twenty to thirty soft thumps a second, not quite even."""
    return engine(rng, rng.uniform(20, 31) * (1 + 0.02 * wander(rng, n, 2)))


@sound("passage", (2.5, 4.5), place="outdoor")
def engine_stalling(rng: Rng, n: int) -> Signal:
    """An engine that misfires, coughs, slows down and dies with a shudder."""
    speed = rng.uniform(20, 27) * smooth_curve(n, (0, 1), (0.3, 0.8), (0.45, 0.95), (0.7, 0.5), (0.88, 0.22), (1, 0.12))
    run = engine(rng, speed * (1 + 0.12 * wander(rng, n, 7)), roughness=0.8)
    cough = thump(rng, samples(0.4), 45, 160, 0.3, noise=2.0)
    out = run * smooth_curve(n, (0, 1), (0.7, 0.9), (0.9, 0.5), (1, 0))
    return scatter(out, [cough], [int(n * p) for p in (0.35, 0.62, 0.86)], [1.2, 1.5, 1.8])


@sound("passage", (2.0, 5.0), place="outdoor")
def engine_start(rng: Rng, n: int) -> Signal:
    """A car that is started: the starter churns, then the engine catches and settles."""
    crank = int(n * rng.uniform(0.25, 0.4))
    churn = partials(
        rng.uniform(95, 130) * (1 + 0.12 * np.cos(phase(constant(crank, 8.5)))), [1, 0.8, 0.9, 0.5, 0.6, 0.4, 0.4, 0.3]
    )
    out = np.zeros(n)
    out[:crank] = fade(churn * (0.7 + 0.3 * np.cos(phase(constant(crank, 8.5)))), 0.02, 0.05)
    speed = rng.uniform(24, 30) * curve(n - crank, (0, 1.2), (0.15, 2.4), (0.5, 1.3), (1, 1))
    out[crank:] += 1.3 * fade(engine(rng, speed), 0.05, 0.0)
    return out


@sound("passage", (3.0, 6.0), place="outdoor")
def motorcycle(rng: Rng, n: int) -> Signal:
    """A motorcycle that revs and rides off: a hard popping exhaust climbing through the gears."""
    revs = smooth_curve(n, (0, 0.5), (0.15, 1.0), (0.2, 0.6), (0.5, 1.2), (0.55, 0.8), (1, 1.3))
    run = engine(rng, rng.uniform(70, 100) * revs * (1 + 0.01 * wander(rng, n, 8)), cylinders=2, roughness=0.35)
    return resonances(run, (180, 1.0, 1.0), (650, 1.5, 0.8), (1_800, 1.5, 0.6)) * curve(
        n, (0, 0.6), (0.3, 1), (1, 0.35)
    )


def _horn(rng: Rng, n: int, notes_hz: list[float], attack_s: float, brightness: float) -> Signal:
    pitch = curve(n, (0, 0.97), (min(0.9, attack_s * SAMPLE_RATE / n), 1.0), (1, 0.998))
    levels = [brightness**k for k in range(26)]
    out = np.zeros(n)
    for hz in notes_hz:
        out += partials(hz * pitch * (1 + 0.001 * wander(rng, n, 20)), levels)
    return fade(out, attack_s, 0.07)


@sound("occurrence", (0.4, 1.3), place="outdoor")
def car_horn(rng: Rng, n: int) -> Signal:
    """One honk of a car: two reedy notes a third apart."""
    low = rng.uniform(370, 450)
    honk = _horn(rng, n, [low, low * rng.uniform(1.19, 1.27)], 0.02, 0.86)
    return resonances(honk, (600, 0.6, 0.5), (2_200, 1.2, 1.0), (3_400, 2.0, 0.6))


@sound("occurrence", (0.9, 2.2), place="outdoor")
def truck_horn(rng: Rng, n: int) -> Signal:
    """One blast of the air horn of a lorry: two or three deep brassy notes."""
    low = rng.uniform(140, 210)
    blast = _horn(rng, n, [low, low * 1.26, low * 1.5][: int(rng.integers(2, 4))], 0.08, 0.9)
    return resonances(blast, (350, 0.7, 1.0), (900, 1.0, 0.8), (1_700, 1.5, 0.5)) + 0.02 * white(rng, n)


@sound("occurrence", (1.5, 3.5), place="outdoor")
def train_horn(rng: Rng, n: int) -> Signal:
    """One long chord of a locomotive's horn."""
    base = rng.uniform(280, 340)
    chord = _horn(rng, n, [base * r for r in (1.0, 1.19, 1.335, 1.5, 1.68)[: int(rng.integers(3, 6))]], 0.15, 0.8)
    return resonances(chord, (500, 0.6, 1.0), (1_300, 1.0, 0.6)) + 0.01 * white(rng, n)


def _speaker(x: Signal, hz: float) -> Signal:
    """The narrow, hard sound of a horn loudspeaker on a roof."""
    return np.tanh(1.5 * bandpass(x, hz, 0.7))


SAW = (1.0, 0.5, 0.33, 0.25, 0.2, 0.16, 0.14)


@sound("passage", (5.0, 10.0), place="outdoor")
def siren_wail(rng: Rng, n: int) -> Signal:
    """An emergency siren in its slow wail: up and down over several seconds."""
    low, high = rng.uniform(450, 650), rng.uniform(1_250, 1_650)
    turn = (np.arange(n) / SAMPLE_RATE / rng.uniform(2.6, 4.6)) % 1.0
    shape = np.interp(turn, (0, 0.4, 0.5, 1), (0, 0.95, 1, 0))
    return _speaker(partials(low + (high - low) * shape, SAW), rng.uniform(1_000, 1_600))


@sound("passage", (3.0, 8.0), place="outdoor")
def siren_yelp(rng: Rng, n: int) -> Signal:
    """An emergency siren in its fast yelp: three or four sweeps a second."""
    low, high = rng.uniform(550, 750), rng.uniform(1_300, 1_750)
    turn = (np.arange(n) / SAMPLE_RATE * rng.uniform(2.8, 4.2)) % 1.0
    shape = np.interp(turn, (0, 0.55, 0.65, 1), (0, 1, 1, 0))
    return _speaker(partials(low + (high - low) * shape, SAW), rng.uniform(1_000, 1_600))


@sound("passage", (3.0, 8.0), place="outdoor")
def siren_hilo(rng: Rng, n: int) -> Signal:
    """A two-tone siren of the European kind: high, low, high, low."""
    low = rng.uniform(360, 480)
    half, ratio = rng.uniform(0.45, 0.75), rng.choice([1.19, 1.26, 1.335])
    flip = (np.arange(n) / SAMPLE_RATE / half).astype(int) % 2
    return _speaker(partials(low * np.where(flip == 0, ratio, 1.0), SAW), rng.uniform(900, 1_300))


@sound("occurrence", (0.7, 1.9), place="outdoor")
def tyre_screech(rng: Rng, n: int) -> Signal:
    """Tyres that lock and skid: a harsh wavering squeal made of several tones."""
    base = rng.uniform(750, 1_250) * curve(n, (0, 1.08), (0.2, 1.0), (1, rng.uniform(0.8, 0.95)))
    out = np.zeros(n)
    for ratio in (1.0, rng.uniform(1.13, 1.22), rng.uniform(1.45, 1.7)):
        hz = base * ratio * (1 + 0.012 * wander(rng, n, 40) + 0.01 * wander(rng, n, 9))
        out += partials(hz, (1.0, 0.6, 0.35, 0.2, 0.1)) * np.abs(0.8 + 0.3 * wander(rng, n, 30))
    rubber = coloured(rng, n, (300, -12), (1_200, 0), (4_000, -6))
    return fade(out + 0.9 * rubber, 0.03, 0.2) * curve(n, (0, 0.7), (0.2, 1), (0.8, 0.8), (1, 0.3))


@sound("occurrence", (1.2, 2.0), place="outdoor")
def car_crash(rng: Rng, n: int) -> Signal:
    """A collision: a heavy bang, sheet metal that crumples and a spray of glass."""
    out = thump(rng, n, 40, 200, 0.4, noise=1.5)
    metal = [shard(rng, samples(0.4), 180, 2_400, (0.08, 0.35), modes=7) for _ in range(6)]
    times = np.sort(rng.exponential(0.12, 22) % 0.6 * SAMPLE_RATE).astype(int)
    scatter(out, metal, [int(t) for t in times], [float(g) for g in rng.uniform(0.3, 1.2, 22)])
    glass = [shard(rng, samples(0.15), 2_500, 7_000, (0.03, 0.12)) for _ in range(8)]
    times = samples(0.1) + (rng.exponential(0.25, 60) % 0.6) * SAMPLE_RATE
    scatter(out, glass, [int(t) for t in times], [float(g) for g in rng.uniform(0.05, 0.35, 60)])
    crunch = bandpass(white(rng, n), 900, 0.5) * np.abs(wander(rng, n, 45)) * decay(n, 0.9) * 4.0
    return fade(out + crunch, 0.0, 0.2)


@sound("passage", (3.5, 6.0), place="outdoor")
def car_passing(rng: Rng, n: int) -> Signal:
    """A car that drives past: tyre noise and engine rise, drop in pitch and fade."""
    t = np.linspace(-1, 1, n) * rng.uniform(2.5, 5.0)
    near = 1 / (0.25 + t**2)
    doppler = 1 - 0.09 * t / np.sqrt(0.2 + t**2)
    dull = coloured(rng, n, (60, -3), (250, 0), (900, -3), (2_000, -16), (7_000, -40))
    bright = coloured(rng, n, (300, -12), (1_000, 0), (2_500, -4), (7_000, -16))
    hum = partials(rng.uniform(75, 120) * doppler, [1, 0.8, 0.5, 0.4, 0.2, 0.2])
    return (dull + 0.3 * hum) * near**0.7 + 0.35 * bright * near


@sound("passage", (4.0, 9.0), place="outdoor")
def train_passing(rng: Rng, n: int) -> Signal:
    """A train that rolls by: thunder of wheels with the double clack of each rail joint."""
    roar = coloured(rng, n, (40, 0), (150, 3), (500, 0), (1_500, -8), (5_000, -22))
    clack = thump(rng, samples(0.12), 120, 900, 0.08, noise=1.0)
    beats = steady_times(rng, n, rng.uniform(1.3, 2.2), 0.01)
    gap = samples(rng.uniform(0.13, 0.2))
    out = roar * (1 + 0.15 * wander(rng, n, 4))
    for at in beats:
        add(out, clack, int(at), 1.1)
        add(out, clack, int(at) + gap, 0.9)
    squeal = bandpass(white(rng, n), rng.uniform(2_200, 3_500), 30) * np.clip(wander(rng, n, 0.8), 0, 2) * 0.8
    return (out + squeal) * smooth_curve(n, (0, 0.3), (0.25, 1), (0.75, 1), (1, 0.3))


@sound("steady", (4.0, 9.0), place="outdoor")
def helicopter(rng: Rng, n: int) -> Signal:
    """A helicopter: the chop of its rotor a dozen times a second, under a turbine's whine."""
    rate = rng.uniform(10, 17)
    turn = phase(rate * (1 + 0.01 * wander(rng, n, 0.5))) / (2 * np.pi) % 1.0
    slap = np.exp(-8 * turn) + 0.15
    chop = coloured(rng, n, (40, 3), (120, 3), (400, -3), (1_500, -14), (5_000, -32)) * slap * 1.6
    whine = partials(constant(n, rng.uniform(900, 1_700)), (1.0, 0.3)) * 0.03
    return chop + whine + 0.15 * coloured(rng, n, (200, 0), (1_000, -3), (6_000, -20))


@sound("steady", (4.0, 10.0), place="outdoor")
def airplane(rng: Rng, n: int) -> Signal:
    """An airliner overhead: a deep rolling roar with a thin turbine tone that slides down."""
    roar = coloured(rng, n, (40, 0), (120, 2), (400, 0), (1_000, -9), (3_000, -26), (7_500, -50))
    whine = partials(rng.uniform(1_700, 2_600) * curve(n, (0, 1.03), (1, 0.95)), (1.0, 0.2)) * 0.05
    air = bandpass(white(rng, n), rng.uniform(1_200, 2_200), 1.5) * 0.15
    return (roar + whine + air) * np.exp(0.12 * wander(rng, n, 0.7))


@sound("passage", (2.0, 4.0), place="outdoor")
def truck_brakes(rng: Rng, n: int) -> Signal:
    """A lorry that stops: a squeak of brakes, then the sneeze of its air valve."""
    stop = int(n * 0.6)
    hz = rng.uniform(1_600, 2_600) * curve(stop, (0, 1.0), (1, 0.86)) * (1 + 0.004 * wander(rng, stop, 20))
    out = np.zeros(n)
    out[:stop] = 0.3 * fade(partials(hz, (1.0, 0.4, 0.2)), 0.3, 0.1) + 0.4 * engine(rng, curve(stop, (0, 38), (1, 24)))
    puff = coloured(rng, n - stop, (300, -20), (2_000, -4), (5_000, 0)) * smooth_curve(
        n - stop, (0, 0.2), (0.05, 1), (0.5, 0.25), (1, 0)
    )
    out[stop:] += 0.9 * highpass(puff, 500)
    return out


@sound("passage", (1.5, 4.0), place="outdoor")
def skateboard(rng: Rng, n: int) -> Signal:
    """A skateboard on pavement: hard small wheels over slabs, a clack at each joint."""
    roll = coloured(rng, n, (100, -6), (500, 0), (1_500, -2), (4_000, -10)) * (1 + 0.4 * wander(rng, n, 30))
    clack = shard(rng, 1_600, 200, 1_800, (0.02, 0.07), modes=6)
    joints = convolve(impulses(rng, n, steady_times(rng, n, rng.uniform(3, 6), 0.05), 2.0), clack)
    return 0.5 * roll * smooth_curve(n, (0, 0.4), (0.3, 1), (0.8, 1), (1, 0.3)) + 1.5 * joints
