"""Sounds that people make without words."""

from __future__ import annotations

import numpy as np

from soundflow_data.audio.procedural.filters import bandpass, convolve, highpass, lowpass
from soundflow_data.audio.procedural.kind import sound
from soundflow_data.audio.procedural.modal import scatter
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
    random_times,
    samples,
    smooth_curve,
    wander,
    white,
)
from soundflow_data.audio.procedural.voice import Formant, breath, rough, shaky, voiced
from soundflow_data.timeline import SAMPLE_RATE


def vowel(size: float, first_hz: float, second_hz: float) -> list[Formant]:
    """Four formants of a mouth; `size` 1 is a man, 1.15 a woman, 1.4 a child."""
    return [
        (first_hz * size, 100.0, 0.0),
        (second_hz * size, 130.0, -4.0),
        (2_600 * size, 200.0, -10.0),
        (3_500 * size, 300.0, -14.0),
    ]


def air(rng: Rng, n: int, size: float) -> Signal:
    """Breath through an open mouth."""
    return breath(rng, n, [(900 * size, 500, 0), (1_700 * size, 700, -3), (3_200 * size, 1_500, -6)])


@sound("occurrence", (0.35, 0.7), place="near")
def cough(rng: Rng, n: int) -> Signal:
    """One cough: a burst as the throat opens, rushing air, and a short voiced end."""
    size = rng.uniform(0.9, 1.25)
    burst = white(rng, n) * decay(n, 0.07) * 2.2
    rush = air(rng, n, size) * smooth_curve(n, (0, 1), (0.12, 0.9), (0.35, 0.4), (0.7, 0.12), (1, 0))
    pitch = shaky(rng, rng.uniform(110, 230) * curve(n, (0, 1.3), (0.4, 1), (1, 0.75)), 0.05)
    tail = voiced(pitch, vowel(size, 620, 1_150), -6) * rough(rng, n, 55, 0.6)
    tail *= smooth_curve(n, (0, 0.3), (0.12, 1), (0.4, 0.7), (0.7, 0.15), (1, 0)) * rng.uniform(0.3, 0.9)
    return fade(burst + rush + tail, 0.003, 0.05)


@sound("occurrence", (0.7, 1.1), place="near")
def sneeze(rng: Rng, n: int) -> Signal:
    """One sneeze: a rising "ah" on the breath, then an explosive "choo"."""
    size = rng.uniform(0.95, 1.25)
    go = int(n * rng.uniform(0.3, 0.45))
    pitch = shaky(rng, rng.uniform(170, 300) * curve(n, (0, 0.8), (go / n, 1.35), (1, 0.7)), 0.03)
    voice = voiced(pitch, vowel(size, 700, 1_250), -8)
    voice /= np.max(np.abs(voice))
    ah = voice * smooth_curve(n, (0, 0.55), (0.9 * go / n, 0.8), (go / n, 0), (1, 0))
    rest = n - go
    hiss = coloured(rng, rest, (300, -14), (1_200, -2), (2_800, 0), (5_000, -3), (7_500, -12))
    choo = hiss * smooth_curve(rest, (0, 0.6), (0.06, 1), (0.3, 0.35), (0.6, 0.04), (1, 0))
    choo += 0.8 * voice[go:] * smooth_curve(rest, (0, 0.4), (0.2, 1), (0.55, 0.1), (1, 0))
    out = ah + 0.03 * air(rng, n, size)
    out[go:] += 1.2 * choo
    return fade(out, 0.015, 0.06)


@sound("passage", (3.0, 7.0))
def baby_cry(rng: Rng, n: int) -> Signal:
    """A baby that cries: loud arched wails, each ending in a gasp for breath."""
    base, size = rng.uniform(360, 500), rng.uniform(1.5, 1.7)
    out, at = np.zeros(n), 0
    while at < n:
        length = samples(rng.uniform(0.6, 1.3))
        arch = smooth_curve(
            length, (0, 0.7), (rng.uniform(0.1, 0.4), 1.15), (0.7, rng.uniform(0.95, 1.1)), (1, rng.uniform(0.55, 0.8))
        )
        pitch = shaky(rng, base * rng.uniform(0.9, 1.15) * arch, 0.02)
        mouth = [(900 * size, 200.0, 0.0), (1_500 * size, 250.0, -4.0), (2_600 * size, 400.0, -13.0)]
        wail = voiced(pitch, mouth, -4) * rough(rng, length, 70, rng.uniform(0.1, 0.5))
        add(out, fade(wail, 0.06, 0.15), at)
        at += length + samples(0.05)
        gasp = samples(rng.uniform(0.15, 0.25))
        peak = float(np.max(np.abs(wail)))
        add(out, fade(air(rng, gasp, 1.4), 0.05, 0.08), at, 0.06 * peak)
        at += gasp + samples(rng.uniform(0.05, 0.2))
    return out


@sound("occurrence", (0.8, 1.9))
def scream(rng: Rng, n: int) -> Signal:
    """One scream of terror: a high pressed voice, rough and wavering."""
    size = rng.uniform(1.05, 1.3)
    top = rng.uniform(850, 1_450)
    pitch = top * smooth_curve(n, (0, 0.65), (0.12, 1), (0.7, rng.uniform(0.95, 1.1)), (1, 0.72))
    pitch = shaky(rng, pitch, 0.02, 18) * (1 + 0.02 * np.sin(phase(constant(n, rng.uniform(6, 11)))))
    voice = voiced(pitch, [(1_100 * size, 400, 0), (1_900 * size, 500, -2), (3_200 * size, 700, -4)], -3)
    voice *= rough(rng, n, rng.uniform(60, 110), rng.uniform(0.4, 0.75))
    peak = float(np.max(np.abs(voice)))
    return fade(voice + 0.04 * peak * air(rng, n, size), 0.04, 0.15)


@sound("passage", (1.5, 3.5))
def laughter(rng: Rng, n: int) -> Signal:
    """Hearty laughter: a run of ha-ha-ha that falls in pitch, a breath, another run."""
    size, base = rng.uniform(0.95, 1.3), rng.uniform(160, 330)
    rate = rng.uniform(4.3, 5.8)
    out, at, k = np.zeros(n), 0, 0
    run = int(rng.integers(6, 10))
    while at < n:
        length = samples(1 / rate)
        drop = 1.25 - 0.5 * (k % run) / run
        pitch = shaky(rng, base * drop * curve(length, (0, 1.05), (0.4, 1.1), (1, 0.85)), 0.02)
        ha = voiced(pitch, vowel(size, 720, 1_300), -7) * smooth_curve(
            length, (0, 0), (0.25, 0.1), (0.4, 1), (0.75, 0.6), (1, 0)
        )
        peak = float(np.max(np.abs(ha)))
        ha += 0.12 * peak * air(rng, length, size) * curve(length, (0, 0.6), (0.3, 1), (0.5, 0.2), (1, 0.3))
        add(out, fade(ha, 0.01, 0.02), at, 1 - 0.4 * (k % run) / run)
        k += 1
        at += length + (samples(rng.uniform(0.2, 0.4)) if k % run == 0 else 0)
    return out


@sound("passage", (5.0, 9.0), place="near")
def snoring(rng: Rng, n: int) -> Signal:
    """Someone snores: a rattling drawn breath, a pause, a sighing breath out, again and again."""
    period = rng.uniform(2.4, 3.4)
    turn = (np.arange(n) / SAMPLE_RATE / period) % 1.0
    drawn = np.interp(turn, (0, 0.08, 0.36, 0.42, 1), (0, 0.7, 1, 0, 0))
    sigh = np.interp(turn, (0, 0.5, 0.6, 0.85, 1), (0, 0, 1, 0.3, 0))
    flutter = phase(rng.uniform(32, 60) * (1 + 0.12 * wander(rng, n, 9)))
    rattle = voiced(
        np.gradient(flutter) * SAMPLE_RATE / (2 * np.pi), [(320, 150, 0), (900, 300, -8), (2_000, 600, -18)], -2
    )
    rasp = air(rng, n, 0.8) * (0.5 + 0.5 * np.cos(flutter)) ** 2
    return (rattle / np.std(rattle) + 0.5 * rasp) * drawn + 0.25 * air(rng, n, 1.1) * sigh


def _breathing(n: int, period_s: float) -> tuple[Signal, Signal]:
    turn = (np.arange(n) / SAMPLE_RATE / period_s) % 1.0
    breath_in = np.interp(turn, (0, 0.2, 0.36, 0.42, 1), (0, 1, 0.8, 0, 0))
    breath_out = np.interp(turn, (0, 0.46, 0.58, 0.95, 1), (0, 0, 1, 0.05, 0))
    return breath_in, breath_out


@sound("passage", (4.0, 9.0), place="near")
def breathing(rng: Rng, n: int) -> Signal:
    """Calm breathing close by: air in, air out."""
    breath_in, breath_out = _breathing(n, rng.uniform(2.6, 4.2))
    return 0.7 * air(rng, n, rng.uniform(1.2, 1.5)) * breath_in + air(rng, n, rng.uniform(0.7, 1.0)) * breath_out


@sound("passage", (4.0, 9.0), place="near")
def wheezing(rng: Rng, n: int) -> Signal:
    """Laboured breathing: each breath out squeaks with several thin, unsteady whistles."""
    breath_in, breath_out = _breathing(n, rng.uniform(1.7, 2.5))
    out = 0.6 * air(rng, n, 1.3) * breath_in + 0.4 * air(rng, n, 0.9) * breath_out
    for hz in rng.uniform(380, 1_500, 3):
        pitch = hz * (1 + 0.04 * wander(rng, n, 3) - 0.12 * (1 - breath_out))
        out += partials(pitch, (1.0, 0.35, 0.12)) * (breath_out + 0.4 * breath_in) * rng.uniform(0.6, 1.2)
    return out


@sound("passage", (2.0, 4.5), place="near")
def choking(rng: Rng, n: int) -> Signal:
    """Someone chokes: strangled gagging bursts, air that will not pass, a wheezing pull for breath."""
    size = rng.uniform(0.9, 1.2)
    out, at = np.zeros(n), 0
    while at < n:
        length = samples(rng.uniform(0.18, 0.4))
        pitch = shaky(rng, rng.uniform(75, 150) * curve(length, (0, 0.8), (0.5, 1.2), (1, 0.7)), 0.12, 30)
        gag = voiced(pitch, [(480 * size, 120, 0), (950 * size, 180, -3), (2_300 * size, 350, -14)], -3)
        gag = gag / (np.std(gag) + 1e-9) * rough(rng, length, 35, 0.9) + 0.5 * air(rng, length, size) * decay(
            length, 0.15
        )
        add(out, fade(gag, 0.01, 0.08), at, rng.uniform(0.6, 1.0))
        at += length + samples(rng.uniform(0.05, 0.2))
        if rng.random() < 0.4:
            pull = samples(rng.uniform(0.3, 0.5))
            stridor = partials(curve(pull, (0, 420), (1, 620)) * size, (1.0, 0.6, 0.5, 0.3, 0.2))
            add(out, fade(0.35 * stridor + 0.4 * air(rng, pull, 1.3), 0.1, 0.12), at, 0.7)
            at += pull + samples(0.1)
    return out


@sound("occurrence", (0.9, 1.8))
def groan(rng: Rng, n: int) -> Signal:
    """One groan of pain: a low pressed moan that sinks."""
    size = rng.uniform(0.9, 1.15)
    pitch = shaky(rng, rng.uniform(95, 190) * smooth_curve(n, (0, 0.9), (0.25, 1.1), (1, 0.72)), 0.025)
    first = curve(n, (0, 380), (0.4, 560), (1, 400)) * size
    mouth: list[Formant] = [(first, 90.0, 0.0), (950 * size, 120.0, -6.0), (2_500 * size, 200.0, -16.0)]
    voice = voiced(pitch, mouth, -8) * rough(rng, n, 42, rng.uniform(0.2, 0.6))
    peak = float(np.max(np.abs(voice)))
    return fade(voice + 0.02 * peak * air(rng, n, size), 0.1, 0.25)


@sound("passage", (2.5, 5.0))
def sobbing(rng: Rng, n: int) -> Signal:
    """An adult who weeps: short shuddering sobs with sniffs between them."""
    size, base = rng.uniform(0.95, 1.2), rng.uniform(180, 340)
    out, at = np.zeros(n), 0
    while at < n:
        length = samples(rng.uniform(0.35, 0.7))
        pitch = shaky(rng, base * curve(length, (0, 1.2), (1, 0.85)), 0.04, 14)
        sob = voiced(pitch, vowel(size, 500, 1_400), -10)
        sob /= np.max(np.abs(sob))
        shudder = 0.6 + 0.4 * np.cos(phase(constant(length, rng.uniform(7, 10))))
        add(out, fade(sob * shudder + 0.03 * air(rng, length, size), 0.04, 0.15), at, rng.uniform(0.5, 1))
        at += length + samples(rng.uniform(0.05, 0.2))
        sniff = samples(rng.uniform(0.12, 0.22))
        add(out, fade(highpass(air(rng, sniff, 1.6), 1_200), 0.05, 0.04), at, 0.15)
        at += sniff + samples(rng.uniform(0.1, 0.3))
    return out


@sound("occurrence", (0.3, 0.55), place="near")
def hiccup(rng: Rng, n: int) -> Signal:
    """One hiccup: a sudden drawn squeak, cut off by the throat."""
    size = rng.uniform(0.95, 1.3)
    length = samples(rng.uniform(0.12, 0.2))
    pitch = rng.uniform(200, 380) * curve(length, (0, 0.8), (0.7, 1.6), (1, 1.4))
    out = np.zeros(n)
    out[:length] = fade(voiced(pitch, vowel(size, 420, 1_700), -8), 0.02, 0.012)
    out /= np.max(np.abs(out))
    out[:length] += 0.04 * air(rng, length, size)
    add(out, lowpass(white(rng, 500) * decay(500, 0.02), 900), length, 0.35)
    return out


@sound("occurrence", (0.5, 0.9), place="near")
def throat_clearing(rng: Rng, n: int) -> Signal:
    """Someone clears the throat: one rough two-part "ahem"."""
    size = rng.uniform(0.9, 1.2)
    pitch = shaky(rng, rng.uniform(90, 170) * curve(n, (0, 0.9), (0.4, 1.05), (1, 0.85)), 0.06)
    voice = voiced(pitch, [(420 * size, 120, 0), (1_100 * size, 200, -8), (2_400 * size, 250, -15)], -6)
    gain = smooth_curve(n, (0, 0), (0.08, 0.8), (0.32, 0.7), (0.42, 0.25), (0.55, 1), (0.8, 0.5), (1, 0))
    voice = voice / np.max(np.abs(voice)) * rough(rng, n, 38, 0.85)
    return fade((voice + 0.04 * air(rng, n, size)) * gain, 0.0, 0.03)


@sound("occurrence", (0.6, 1.2))
def yawn(rng: Rng, n: int) -> Signal:
    """One yawn: a long open voice that rises a little and sinks away in breath."""
    size = rng.uniform(0.95, 1.2)
    pitch = shaky(rng, rng.uniform(140, 260) * smooth_curve(n, (0, 0.95), (0.25, 1.25), (1, 0.6)), 0.01)
    first = smooth_curve(n, (0, 400), (0.3, 850), (0.7, 700), (1, 420)) * size
    second = smooth_curve(n, (0, 1_400), (0.3, 1_250), (1, 900)) * size
    voice = voiced(pitch, [(first, 110.0, 0.0), (second, 150.0, -5.0), (2_600 * size, 250.0, -14.0)], -12)
    voice /= np.max(np.abs(voice))
    return fade(voice * smooth_curve(n, (0, 0.2), (0.3, 1), (1, 0.1)) + 0.04 * air(rng, n, size), 0.08, 0.2)


@sound("passage", (2.0, 5.0))
def clapping(rng: Rng, n: int) -> Signal:
    """One person claps: sharp cupped slaps, four a second or so."""
    rate = rng.uniform(2.8, 4.8)
    hands = [
        bandpass(white(rng, 900) * decay(900, rng.uniform(0.02, 0.04)), hz, 1.2)
        for hz in rng.uniform(900, 1_600) * rng.uniform(0.9, 1.1, 5)
    ]
    period = SAMPLE_RATE / rate
    times = np.arange(0, n, period) + np.abs(rng.standard_normal(int(np.ceil(n / period)))) * 0.03 * period
    return scatter(np.zeros(n), hands, [int(t) for t in times], [float(g) for g in rng.uniform(0.6, 1, times.size)])


@sound("steady", (3.0, 8.0))
def applause(rng: Rng, n: int) -> Signal:
    """An audience applauds: hundreds of claps that merge into a bright rush."""
    out = np.zeros(n)
    for _ in range(12):
        clap = bandpass(white(rng, 600) * decay(600, 0.02), rng.uniform(900, 2_600), 1.0)
        out += convolve(impulses(rng, n, random_times(rng, n, rng.uniform(8, 16)), 5.0), clap)
    return out


@sound("occurrence", (0.5, 1.2), place="outdoor")
def human_whistle(rng: Rng, n: int) -> Signal:
    """One whistle with the lips: a clear tone that glides up and down."""
    low = rng.uniform(1_000, 1_500)
    pitch = (
        low
        * smooth_curve(n, (0, 1.0), (0.35, 1.7), (0.5, 1.2), (0.8, 1.9), (1, 1.1))
        * (1 + 0.004 * wander(rng, n, 20))
    )
    hiss = bandpass(white(rng, n), low * 1.5, 3.0)
    return fade(partials(pitch, (1.0, 0.06)) + 0.05 * hiss, 0.04, 0.08)


@sound("steady", (3.0, 8.0))
def crowd_cheer(rng: Rng, n: int) -> Signal:
    """A crowd that cheers: many open voices far off, with claps and whistles."""
    out = np.zeros(n)
    for _ in range(9):
        pitch = shaky(rng, rng.uniform(180, 520) * (1 + 0.1 * wander(rng, n, 0.8)), 0.02)
        voice = voiced(pitch, vowel(rng.uniform(0.95, 1.3), 750, 1_250), -5, highest_hz=4_000)
        out += voice / np.std(voice) * np.clip(0.5 + 0.5 * wander(rng, n, 1.2), 0, 1.5)
    return out / np.std(out) + 0.5 * coloured(rng, n, (300, -6), (900, 0), (2_500, -3), (7_000, -14))


@sound("passage", (2.0, 4.5), place="near")
def sipping(rng: Rng, n: int) -> Signal:
    """Someone drinks something hot: slurps of air over liquid, each followed by a swallow."""
    out, at = np.zeros(n), 0
    while at < n:
        length = samples(rng.uniform(0.35, 0.6))
        gurgle = np.abs(wander(rng, length, 55))
        slurp = (
            bandpass(white(rng, length), rng.uniform(1_600, 2_600), 1.5)
            * gurgle
            * smooth_curve(length, (0, 0.1), (0.7, 1), (1, 0))
        )
        add(out, fade(slurp, 0.08, 0.02), at)
        at += length + samples(rng.uniform(0.15, 0.25))
        gulp = samples(0.12)
        add(out, fade(partials(curve(gulp, (0, 260), (1, 130)), (1.0, 0.3)), 0.03, 0.05), at, 0.35)
        at += gulp + samples(rng.uniform(0.4, 0.8))
    return out
