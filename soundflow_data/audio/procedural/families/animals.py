"""Animals: pets, farm animals, birds and insects."""

from __future__ import annotations

import numpy as np

from soundflow_data.audio.procedural.filters import bandpass
from soundflow_data.audio.procedural.kind import sound
from soundflow_data.audio.procedural.signals import (
    Rng,
    Signal,
    add,
    constant,
    curve,
    decay,
    fade,
    gate,
    log_uniform,
    partials,
    phase,
    random_times,
    samples,
    smooth_curve,
    wander,
    white,
)
from soundflow_data.audio.procedural.voice import Formant, breath, rough, shaky, voiced
from soundflow_data.timeline import SAMPLE_RATE


def unit(x: Signal) -> Signal:
    """Scale to a peak of one."""
    return x / (np.max(np.abs(x)) + 1e-12)


@sound("occurrence", (0.25, 0.6))
def dog_bark(rng: Rng, n: int) -> Signal:
    """One bark: a burst of breath and voice that snaps up in pitch and falls."""
    size = log_uniform(rng, 0.7, 1.8)
    length = min(n, samples(rng.uniform(0.14, 0.24) / size**0.3))
    pitch = 400 * size * smooth_curve(length, (0, 0.65), (0.2, 1.3), (0.5, 1.0), (1, 0.55))
    first = curve(length, (0, 650), (0.3, 1_050), (1, 600)) * size**0.6
    mouth: list[Formant] = [(first, 220, 0), (1_750 * size**0.5, 300, -4), (3_000 * size**0.4, 500, -20)]
    voice = unit(voiced(shaky(rng, pitch, 0.05, 60), mouth, -6) * rough(rng, length, 90, rng.uniform(0.2, 0.6)))
    air = breath(rng, length, [(900 * size**0.6, 500, 0), (1_900 * size**0.5, 700, -4), (4_200, 2_000, -24)])
    bark = (voice + 0.1 * air) * smooth_curve(length, (0, 0), (0.08, 1), (0.4, 0.85), (0.75, 0.2), (1, 0))
    out = np.zeros(n)
    out[:length] = bark
    return out


@sound("passage", (1.5, 3.5), place="near")
def dog_growl(rng: Rng, n: int) -> Signal:
    """A dog that growls: a deep throbbing rattle in the throat."""
    pitch = shaky(rng, rng.uniform(55, 100) * smooth_curve(n, (0, 0.9), (0.4, 1.1), (1, 0.95)), 0.06, 20)
    voice = voiced(pitch, [(350, 200, 0), (850, 250, -3), (1_800, 500, -10), (2_900, 700, -16)], -2)
    voice = voice / np.std(voice) * rough(rng, n, 26, 0.8)
    air = breath(rng, n, [(500, 300, 0), (1_500, 900, -8)]) * (0.5 + 0.5 * np.cos(phase(pitch)))
    return fade((voice + 0.5 * air) * (1 + 0.2 * wander(rng, n, 3)), 0.15, 0.3)


@sound("passage", (1.5, 3.5))
def dog_whine(rng: Rng, n: int) -> Signal:
    """A dog that whimpers: thin high notes that bend down, one after another."""
    base = rng.uniform(700, 1_200)
    out, at = np.zeros(n), 0
    while at < n:
        length = samples(rng.uniform(0.3, 0.6))
        pitch = shaky(rng, base * smooth_curve(length, (0, 0.9), (0.3, 1.15), (1, 0.75)), 0.012)
        add(out, fade(partials(pitch, (1.0, 0.35, 0.12, 0.05)), 0.06, 0.12), at, rng.uniform(0.6, 1.0))
        at += length + samples(rng.uniform(0.12, 0.35))
    return out


@sound("occurrence", (0.5, 1.1))
def cat_meow(rng: Rng, n: int) -> Signal:
    """One meow: the mouth opens wide and closes again while the pitch arches."""
    size = rng.uniform(0.9, 1.2)
    pitch = rng.uniform(430, 680) * smooth_curve(n, (0, 0.8), (0.35, 1.15), (0.7, 1.0), (1, 0.75))
    first = smooth_curve(n, (0, 450), (0.35, 1_150), (0.65, 1_000), (1, 500)) * size
    second = smooth_curve(n, (0, 2_300), (0.3, 2_000), (0.65, 1_500), (1, 1_000)) * size
    voice = unit(voiced(shaky(rng, pitch, 0.012), [(first, 160, 0), (second, 200, -3), (3_600 * size, 350, -9)], -5))
    return fade(voice * smooth_curve(n, (0, 0.3), (0.35, 1), (0.7, 0.7), (1, 0.1)), 0.05, 0.12)


@sound("steady", (3.0, 7.0), place="near")
def cat_purr(rng: Rng, n: int) -> Signal:
    """A cat that purrs: a soft low buzz, in and out with each breath."""
    rate = rng.uniform(23, 30) * (1 + 0.06 * wander(rng, n, 3))
    pulse = voiced(rate, [(120, 120, 0), (300, 250, -8), (900, 600, -20)], -3)
    breathing = 0.65 + 0.35 * np.sin(phase(constant(n, rng.uniform(0.5, 0.8))))
    air = breath(rng, n, [(400, 400, 0), (1_400, 1_000, -8)]) * (0.5 + 0.5 * np.cos(phase(rate)))
    return (pulse / np.std(pulse) + 0.35 * air) * breathing


@sound("occurrence", (1.4, 2.3), place="outdoor")
def rooster(rng: Rng, n: int) -> Signal:
    """One crow of a cock: cock-a-doodle-doo, the last note long and falling."""
    base = rng.uniform(480, 700)
    # Five syllables on pitches of their own, held flat as a cock holds them.
    flat = [(0, 1.0), (0.09, 1.05), (0.11, 1.25), (0.18, 1.25), (0.2, 1.45), (0.36, 1.4), (0.38, 1.2), (0.47, 1.25)]
    pitch = base * curve(n, *flat, (0.5, 1.5), (0.6, 1.6), (0.85, 1.45), (1, 0.85))
    loud = [(0, 0), (0.02, 0.8), (0.09, 0.7), (0.1, 0.1), (0.12, 0.9), (0.18, 0.8), (0.2, 1), (0.35, 0.8), (0.37, 0.2)]
    gain = curve(n, *loud, (0.4, 0.9), (0.47, 0.7), (0.49, 0.4), (0.52, 1), (0.9, 0.6), (1, 0))
    mouth: list[Formant] = [(1_150, 350, 0), (2_300, 500, -6), (3_900, 900, -20)]
    voice = voiced(shaky(rng, pitch, 0.012), mouth, -4) * rough(rng, n, 75, rng.uniform(0.2, 0.5))
    return unit(voice) * gain


@sound("occurrence", (0.3, 0.6), place="outdoor")
def crow(rng: Rng, n: int) -> Signal:
    """One caw: hoarse, nasal, flat."""
    pitch = shaky(rng, rng.uniform(380, 520) * smooth_curve(n, (0, 0.85), (0.3, 1.05), (1, 0.85)), 0.04, 60)
    voice = unit(voiced(pitch, [(1_300, 300, 0), (1_750, 300, -1), (3_000, 700, -10)], -1) * rough(rng, n, 110, 0.8))
    air = breath(rng, n, [(1_500, 500, 0), (3_000, 1_200, -8)])
    return fade(voice + 0.1 * air, 0.025, 0.1) * curve(n, (0, 0.8), (0.3, 1), (1, 0.5))


def _chirp(rng: Rng, low_hz: float, high_hz: float) -> Signal:
    n = samples(rng.uniform(0.04, 0.12))
    ends = rng.uniform(low_hz, high_hz, 3)
    note = partials(smooth_curve(n, (0, ends[0]), (0.5, ends[1]), (1, ends[2])), (1.0, 0.08))
    return note * np.hanning(n) ** 0.7


@sound("occurrence", (0.35, 0.9), place="outdoor")
def bird_chirp(rng: Rng, n: int) -> Signal:
    """One short phrase of a songbird: a few swooping notes, the same note repeated or varied."""
    low = rng.uniform(2_400, 4_000)
    notes = [_chirp(rng, low, low * rng.uniform(1.3, 1.8)) for _ in range(int(rng.integers(1, 4)))]
    out, at, k = np.zeros(n), 0, 0
    while at < n - samples(0.12):
        add(out, notes[k % len(notes)], at, rng.uniform(0.7, 1.0))
        at += notes[k % len(notes)].size + samples(rng.uniform(0.015, 0.05))
        k += 1
    return out


@sound("steady", (4.0, 10.0), place="outdoor")
def birdsong(rng: Rng, n: int) -> Signal:
    """Birds at dawn: several singers near and far, each with its own phrase."""
    out = np.zeros(n)
    for _ in range(int(rng.integers(6, 9))):
        low, level = rng.uniform(2_000, 4_800), log_uniform(rng, 0.3, 1.0)
        notes = [_chirp(rng, low, low * 1.5) for _ in range(int(rng.integers(2, 5)))]
        for start in random_times(rng, n, rng.uniform(0.9, 1.5)) + samples(rng.uniform(0, 0.6)):
            at = int(start)
            for k in range(int(rng.integers(2, 6))):
                add(out, notes[k % len(notes)], at, level)
                at += notes[k % len(notes)].size + samples(0.03)
    return out + 0.004 * white(rng, n)


@sound("occurrence", (1.0, 1.8), place="outdoor")
def owl(rng: Rng, n: int) -> Signal:
    """One call of an owl: soft hollow hoots, hoo, hoo-hoo."""
    base = rng.uniform(300, 430)
    gain = curve(
        n,
        (0, 0),
        (0.08, 0.9),
        (0.25, 0.8),
        (0.32, 0),
        (0.42, 0),
        (0.47, 0.7),
        (0.53, 0),
        (0.56, 0),
        (0.64, 1),
        (0.88, 0.8),
        (1, 0),
    )
    pitch = base * (1 + 0.05 * gain) * (1 + 0.012 * np.sin(phase(constant(n, 9.0))))
    return partials(pitch, (1.0, 0.1, 0.06)) * gain + 0.015 * bandpass(white(rng, n), base * 1.5, 2) * gain


@sound("occurrence", (0.3, 0.7), place="outdoor")
def frog(rng: Rng, n: int) -> Signal:
    """One croak: a rattle of pulses in a wet resonant throat."""
    pitch = rng.uniform(38, 75) * curve(n, (0, 0.8), (0.6, 1.2), (1, 1.3))
    throat = rng.uniform(550, 900)
    croak = voiced(pitch, [(throat, 120, 0), (throat * 2.3, 220, -3), (throat * 4, 400, -14)], 0)
    return unit(croak) * smooth_curve(n, (0, 0.2), (0.3, 0.8), (0.7, 1), (1, 0))


@sound("steady", (4.0, 10.0), place="outdoor")
def cricket(rng: Rng, n: int) -> Signal:
    """A field cricket: clean chirps near 4.5 kHz, each of three or four quick pulses."""
    pulse, count = rng.uniform(0.014, 0.02), int(rng.integers(3, 5))
    cycle = [pulse, pulse * 0.9] * (count - 1) + [pulse, rng.uniform(0.22, 0.5)]
    hz = rng.uniform(4_000, 5_200) * (1 + 0.002 * wander(rng, n, 30))
    return gate(n, cycle, 0.006) * partials(hz, (1.0,)) + 0.01 * white(rng, n)


@sound("steady", (4.0, 10.0), place="outdoor")
def cicadas(rng: Rng, n: int) -> Signal:
    """Cicadas in the heat: a shrill pulsing buzz without end."""
    buzz = bandpass(white(rng, n), rng.uniform(4_200, 6_200), 5.0, times=2)
    rattle = 0.5 + 0.5 * np.cos(phase(rng.uniform(90, 160) * (1 + 0.03 * wander(rng, n, 5))))
    return buzz * rattle * (1 + 0.35 * np.sin(phase(constant(n, rng.uniform(1.5, 4.0)))))


@sound("occurrence", (1.1, 2.2), place="outdoor")
def cow(rng: Rng, n: int) -> Signal:
    """One moo: a deep long call through a closing, opening and closing mouth."""
    pitch = rng.uniform(105, 165) * smooth_curve(n, (0, 0.75), (0.3, 1.0), (0.8, 1.1), (1, 0.8))
    first = smooth_curve(n, (0, 260), (0.35, 500), (0.8, 620), (1, 350))
    second = smooth_curve(n, (0, 700), (0.4, 950), (1, 800))
    voice = unit(voiced(shaky(rng, pitch, 0.012), [(first, 110, 0), (second, 160, -3), (2_300, 400, -14)], -5))
    return fade(voice * smooth_curve(n, (0, 0.25), (0.3, 0.9), (0.75, 1), (1, 0.2)), 0.08, 0.2)


@sound("occurrence", (0.7, 1.3), place="outdoor")
def sheep(rng: Rng, n: int) -> Signal:
    """One baa: a nasal voice that trembles eight times a second."""
    base, rate = rng.uniform(180, 340), rng.uniform(6.5, 9.5)
    tremble = np.sin(phase(constant(n, rate)))
    pitch = shaky(rng, base * curve(n, (0, 0.95), (0.2, 1.1), (1, 0.9)) * (1 + 0.05 * tremble), 0.015)
    voice = unit(voiced(pitch, [(680, 120, 0), (1_450, 180, 0), (2_700, 300, -5)], -4))
    return fade(voice * (0.62 + 0.38 * tremble), 0.05, 0.15)


@sound("occurrence", (0.25, 0.5), place="outdoor")
def pig(rng: Rng, n: int) -> Signal:
    """One grunt of a pig: a wet, snorting "oink"."""
    pitch = shaky(rng, rng.uniform(75, 130) * curve(n, (0, 0.8), (0.6, 1.2), (1, 1.0)), 0.12, 50)
    voice = unit(voiced(pitch, [(400, 150, 0), (1_150, 250, -2), (2_200, 400, -6)], -2))
    snort = breath(rng, n, [(700, 400, 0), (2_000, 900, -3)]) * (0.5 + 0.5 * np.cos(phase(pitch * 0.5)))
    return fade((voice + 0.15 * snort) * curve(n, (0, 0.5), (0.5, 1), (1, 0.2)), 0.03, 0.08)


@sound("passage", (1.8, 4.0), place="outdoor")
def hen(rng: Rng, n: int) -> Signal:
    """A hen that clucks: bok, bok, bok, and a long raised cackle."""
    base = rng.uniform(420, 620)
    out, at, k = np.zeros(n), 0, 0
    while at < n:
        long = k % 5 == 4
        length = samples(rng.uniform(0.35, 0.5) if long else rng.uniform(0.06, 0.11))
        shape = curve(length, (0, 1.0), (0.3, 1.7), (1, 1.4)) if long else curve(length, (0, 1.1), (1, 0.8))
        cluck = unit(voiced(shaky(rng, base * shape, 0.02), [(1_050, 250, 0), (2_100, 400, -3), (3_400, 700, -9)], -3))
        add(out, fade(cluck, 0.008, 0.03), at, 1.0 if long else rng.uniform(0.4, 0.7))
        at += length + samples(rng.uniform(0.08, 0.3))
        k += 1
    return out


@sound("occurrence", (0.2, 0.4), place="outdoor")
def duck(rng: Rng, n: int) -> Signal:
    """One quack: short, nasal and buzzing."""
    pitch = shaky(rng, rng.uniform(190, 270) * curve(n, (0, 1.05), (0.3, 1.0), (1, 0.75)), 0.03, 40)
    return fade(unit(voiced(pitch, [(1_050, 180, 0), (2_150, 250, 1), (3_300, 400, -4)], -1)), 0.012, 0.1)


@sound("passage", (2.0, 5.0), place="near")
def insect_buzz(rng: Rng, n: int) -> Signal:
    """A bee or fly that circles the room: a reedy buzz that comes and goes."""
    pitch = rng.uniform(170, 260) * (1 + 0.06 * wander(rng, n, 2.5) + 0.01 * wander(rng, n, 25))
    buzz = partials(pitch, [1 / (1 + 0.18 * k) for k in range(24)])
    return buzz * np.exp(0.8 * wander(rng, n, 1.2))


@sound("passage", (2.0, 5.0), place="near")
def mosquito(rng: Rng, n: int) -> Signal:
    """A mosquito at the ear: a thin whine that bends as it turns."""
    pitch = rng.uniform(480, 720) * (1 + 0.05 * wander(rng, n, 3))
    return partials(pitch, (1.0, 0.7, 0.3, 0.15, 0.08)) * np.exp(0.6 * wander(rng, n, 1.5))


@sound("passage", (2.0, 5.0), place="outdoor")
def horse_gallop(rng: Rng, n: int) -> Signal:
    """A horse on a road: hooves in a rolling three-beat."""
    hoof = (
        bandpass(white(rng, 1_200) * decay(1_200, 0.04), 850, 2.0)
        + bandpass(white(rng, 1_200) * decay(1_200, 0.06), 260, 2.0) * 1.5
    )
    stride = SAMPLE_RATE / rng.uniform(1.7, 2.4)
    out = np.zeros(n)
    for k in range(int(n / stride) + 1):
        for beat, level in ((0.0, 0.8), (0.24, 1.0), (0.46, 0.9)):
            add(out, hoof, int((k + beat + 0.015 * rng.standard_normal() * (k > 0)) * stride), level)
    return out
