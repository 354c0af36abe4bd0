"""Simple music, composed anew for every seed."""

from __future__ import annotations

import numpy as np

from soundflow_data.audio.procedural.filters import bandpass, highpass, lowpass
from soundflow_data.audio.procedural.kind import sound
from soundflow_data.audio.procedural.modal import BAR, struck
from soundflow_data.audio.procedural.signals import (
    Rng,
    Signal,
    add,
    constant,
    curve,
    decay,
    fade,
    partials,
    phase,
    samples,
    swell,
    white,
)
from soundflow_data.timeline import SAMPLE_RATE

MAJOR = (0, 2, 4, 5, 7, 9, 11)
MINOR = (0, 2, 3, 5, 7, 8, 10)
PENTATONIC = (0, 2, 4, 7, 9)


def note_hz(semitone: float) -> float:
    """Frequency of a MIDI note number."""
    return float(440.0 * 2 ** ((semitone - 69) / 12))


def melody(rng: Rng, scale: tuple[int, ...], count: int) -> list[int]:
    """A tune in semitones above its key: small steps, a leap now and then, ending where it began."""
    at, out = 0, [0]
    for _ in range(count - 2):
        at += int(rng.choice([-2, -1, -1, 1, 1, 2, 3]))
        at = int(np.clip(at, -3, 2 * len(scale) - 2))
        out.append(12 * (at // len(scale)) + scale[at % len(scale)])
    return [*out, 0]


def rhythm(rng: Rng, n: int, beat_s: float) -> list[tuple[int, int]]:
    """Note onsets and lengths in samples: halves, ones and twos of a beat until the clip is full."""
    out, at = [], 0
    while at < n:
        length = samples(beat_s * float(rng.choice([0.5, 0.5, 1.0, 1.0, 2.0])))
        out.append((at, length))
        at += length
    return out


@sound("passage", (4.0, 10.0))
def plucked_melody(rng: Rng, n: int) -> Signal:
    """A tune picked on a guitar: bright plucks whose overtones die first."""
    key, beat = int(rng.integers(48, 60)), rng.uniform(0.3, 0.5)
    scale = (MAJOR, MINOR)[int(rng.integers(2))]
    notes, out = rhythm(rng, n, beat), np.zeros(n)
    pick = rng.uniform(0.12, 0.3)
    for (at, _), step in zip(notes, melody(rng, scale, max(2, len(notes))), strict=False):
        hz = note_hz(key + step)
        gains = [float(np.sin(np.pi * k * pick) / k) for k in range(1, 13)]
        times = [2.2 / (1 + 0.35 * k) for k in range(12)]
        pluck = struck(samples(1.6), [hz * k * (1 + 1e-4 * k * k) for k in range(1, 13)], times, gains)
        add(out, pluck, at, rng.uniform(0.7, 1.0))
    return fade(out, 0.0, 0.3)


@sound("passage", (4.0, 10.0))
def piano_chords(rng: Rng, n: int) -> Signal:
    """Slow chords on a piano."""
    key, beat = int(rng.integers(52, 62)), rng.uniform(0.7, 1.3)
    chords = ((0, 4, 7), (9, 12, 16), (5, 9, 12), (7, 11, 14), (2, 5, 9), (4, 7, 11))
    out, at, step = np.zeros(n), 0, 0
    order = [0, *[int(k) for k in rng.integers(0, 6, 40)]]
    hammer = lowpass(white(rng, 600) * decay(600, 0.02), 1_200)
    while at < n:
        for semitone in (chords[order[step % 41]][0] - 12, *chords[order[step % 41]]):
            hz = note_hz(key + semitone)
            ratios = [k * (1 + 3e-4 * k * k) for k in range(1, 11)]
            gains = [0.75 ** (k - 1) * float(rng.uniform(0.7, 1)) for k in range(1, 11)]
            string = struck(samples(2.4), [hz * r for r in ratios], [3.0 / (1 + 0.25 * k) for k in range(10)], gains)
            add(out, string, at + samples(rng.uniform(0.0005, 0.012)), rng.uniform(0.6, 1.0))
        add(out, hammer, at, 0.4)
        at += samples(beat)
        step += 1
    return fade(out, 0.0, 0.4)


@sound("passage", (3.0, 8.0))
def drum_beat(rng: Rng, n: int) -> Signal:
    """A drum kit: bass drum, snare and hi-hat in an even beat."""
    step = 60 / rng.uniform(85, 135) / 2
    size = samples(0.35)
    kick = np.sin(phase(50 + 110 * decay(size, 0.12))) * decay(size, 0.3)
    snare = 0.5 * bandpass(white(rng, size), 2_200, 0.5) * decay(size, 0.18) + 0.5 * np.sin(
        phase(constant(size, rng.uniform(170, 230)))
    ) * decay(size, 0.12)
    hat = highpass(white(rng, size), 5_500) * decay(size, rng.uniform(0.04, 0.09)) * 0.4
    kicks = rng.random(16) < 0.35
    kicks[[0, 8]], kicks[[4, 12]] = True, False
    out = np.zeros(n)
    for k, at in enumerate(np.arange(0, n, step * SAMPLE_RATE)):
        add(out, hat, int(at), 1.0 if k % 2 == 0 else 0.6)
        if kicks[k % 16]:
            add(out, kick, int(at), 1.3)
        if k % 8 == 4 or k % 16 == 12:
            add(out, snare, int(at), 1.3)
    return out


@sound("passage", (4.0, 9.0), place="near")
def music_box(rng: Rng, n: int) -> Signal:
    """A music box: a tinkling tune on tiny steel teeth."""
    key, beat = int(rng.integers(79, 88)), rng.uniform(0.28, 0.42)
    notes, out = rhythm(rng, n, beat), np.zeros(n)
    for (at, _), step in zip(notes, melody(rng, MAJOR, max(2, len(notes))), strict=False):
        hz = note_hz(key + step % 12)
        tooth = struck(
            samples(1.3), [hz * r for r in (1.0, 2.0, *BAR[1:3])], (1.1, 0.4, 0.3, 0.1), (1.0, 0.15, 0.25, 0.1)
        )
        add(out, tooth, at, rng.uniform(0.7, 1.0))
        if rng.random() < 0.3:
            add(out, tooth, at + samples(beat / 2), 0.4)
    return fade(out, 0.0, 0.3)


@sound("passage", (3.0, 8.0))
def bass_riff(rng: Rng, n: int) -> Signal:
    """A riff on an electric bass: a short figure that repeats."""
    key, step_s = int(rng.integers(28, 36)), 60 / rng.uniform(90, 130) / 2
    figure = [int(rng.choice([0, 0, 3, 5, 7, 10, 12, -1])) for _ in range(8)]
    figure[0] = 0
    out = np.zeros(n)
    for k, at in enumerate(np.arange(0, n, step_s * SAMPLE_RATE)):
        step = figure[k % 8]
        if step < 0:
            continue
        length = samples(step_s * 1.1)
        string = partials(constant(length, note_hz(key + step)), [0.82**j for j in range(14)])
        add(out, fade(string * decay(length, 1.6), 0.006, 0.03), int(at))
    return lowpass(out, rng.uniform(700, 1_400))


def _blown(rng: Rng, n: int, *, key: float, scale: tuple[int, ...], levels: tuple[float, ...], beat_s: float) -> Signal:
    """A legato tune on a wind instrument: vibrato, soft attacks, a little breath."""
    notes, out = rhythm(rng, n, beat_s), np.zeros(n)
    for (at, length), step in zip(notes, melody(rng, scale, max(2, len(notes))), strict=False):
        hz = note_hz(key + step)
        vibrato = 1 + 0.006 * np.sin(phase(constant(length, rng.uniform(4.8, 5.8)))) * curve(
            length, (0, 0), (0.4, 1), (1, 1)
        )
        tone = partials(hz * vibrato, levels) + 0.08 * bandpass(white(rng, length), hz, 4.0)
        add(out, fade(tone, 0.05, 0.06), at, rng.uniform(0.8, 1.0))
    return out


@sound("passage", (4.0, 10.0))
def flute_tune(rng: Rng, n: int) -> Signal:
    """A tune on a flute: nearly pure breathy notes with vibrato."""
    return _blown(
        rng,
        n,
        key=int(rng.integers(72, 80)),
        scale=PENTATONIC,
        levels=(1.0, 0.25, 0.12, 0.04),
        beat_s=rng.uniform(0.35, 0.6),
    )


@sound("passage", (4.0, 10.0))
def trumpet_tune(rng: Rng, n: int) -> Signal:
    """A tune on a trumpet: brassy, bright, firmly tongued."""
    levels = (0.7, 1.0, 0.95, 0.8, 0.65, 0.5, 0.4, 0.3, 0.2, 0.15)
    return _blown(rng, n, key=int(rng.integers(58, 66)), scale=MAJOR, levels=levels, beat_s=rng.uniform(0.28, 0.5))


@sound("passage", (4.0, 10.0))
def violin_tune(rng: Rng, n: int) -> Signal:
    """A tune on a violin: bowed saw-tooth tones in a wooden body."""
    levels = tuple(1 / k for k in range(1, 19))
    raw = _blown(rng, n, key=int(rng.integers(62, 70)), scale=MINOR, levels=levels, beat_s=rng.uniform(0.4, 0.7))
    return raw * 0.4 + bandpass(raw, 480, 3.0) + bandpass(raw, 1_100, 2.5) + 1.2 * bandpass(raw, 2_600, 1.5)


@sound("passage", (4.0, 10.0))
def organ_chords(rng: Rng, n: int) -> Signal:
    """Sustained chords on an organ."""
    key, out, at = int(rng.integers(55, 64)), np.zeros(n), 0
    chords = ((0, 4, 7), (5, 9, 12), (7, 11, 14), (9, 12, 16), (2, 5, 9))
    step = 0
    while at < n:
        length = samples(rng.uniform(0.9, 1.6))
        for semitone in (-12, *chords[0 if step == 0 else int(rng.integers(5))]):
            hz = note_hz(key + semitone)
            pipe = partials(constant(length, hz), (1.0, 0.7, 0.4, 0.5, 0.0, 0.3, 0.0, 0.35)) * 0.4
            add(out, fade(pipe, 0.03, 0.05), at)
        at += length
        step += 1
    return out * (1 + 0.06 * np.sin(phase(constant(n, 6.0))))


@sound("passage", (4.0, 9.0), place="outdoor")
def ice_cream_van(rng: Rng, n: int) -> Signal:
    """The chimes of an ice-cream van: a simple loud tune through a poor loudspeaker."""
    key, beat = int(rng.integers(74, 80)), rng.uniform(0.2, 0.3)
    notes, out = rhythm(rng, n, beat), np.zeros(n)
    for (at, _), step in zip(notes, melody(rng, MAJOR, max(2, len(notes))), strict=False):
        hz = note_hz(key + step % 12)
        length = samples(0.5)
        add(out, partials(constant(length, hz), (1.0, 0.1, 0.4, 0.05, 0.2)) * swell(length, 0.004, 0.7), at)
    return np.tanh(1.6 * bandpass(out, 1_500, 0.8))
