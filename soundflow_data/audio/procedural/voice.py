"""Throats: harmonics of a glottal pitch shaped by moving formants, and breath through the same formants."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from soundflow_data.audio.procedural.filters import resonances
from soundflow_data.audio.procedural.signals import HIGHEST_HZ, Rng, Signal, phase, wander, white

Formant = tuple[float | Signal, float, float]
"""Centre in Hz (one value or one per sample), bandwidth in Hz, gain in dB."""

_HOP = 64


def voiced(
    pitch_hz: Signal, formants: Sequence[Formant], tilt_db: float = -9.0, *, highest_hz: float = HIGHEST_HZ
) -> Signal:
    """Additive formant synthesis: harmonic k has the loudness of the formants at k times the pitch.

    Args:
        pitch_hz: Fundamental per sample.
        formants: Resonances of the throat and mouth, in parallel.
        tilt_db: Fall of the glottal source per octave; -12 is soft, -4 is pressed or shouted.
        highest_hz: Harmonics end here; a lower limit is quicker, and does for a voice far off.
    """
    n = pitch_hz.size
    # Loudness of a harmonic changes slowly: worked out once per hop, straight lines between.
    control = np.minimum(np.arange(-(-n // _HOP) + 1) * _HOP, n - 1)
    ramp = np.arange(_HOP) / _HOP
    pitch = pitch_hz[control]
    centres = [np.broadcast_to(np.asarray(c, float), (n,))[control] for c, _, _ in formants]
    angle = phase(pitch_hz)
    two_cos = 2 * np.cos(angle)
    before, current = np.zeros(n), np.sin(angle)
    out = np.zeros(n)
    for k in range(1, min(80, int(highest_hz / pitch.min())) + 1):
        hz = k * pitch
        gain = np.zeros_like(hz)
        for centre, (_, width, level_db) in zip(centres, formants, strict=True):
            gain += 10 ** (level_db / 20) / (1 + np.square((hz - centre) * (2 / width)))
        gain *= k ** (tilt_db / 6.02) * np.clip((highest_hz - hz) / 400, 0, 1)
        out += current * (gain[:-1, None] + np.diff(gain)[:, None] * ramp).ravel()[:n]
        before, current = current, two_cos * current - before
    return out


def breath(rng: Rng, n: int, formants: Sequence[tuple[float, float, float]]) -> Signal:
    """Air noise through fixed formants (Hz, bandwidth Hz, dB), of about unit level."""
    bands = [(hz, max(0.5, hz / width), 10 ** (level / 20)) for hz, width, level in formants]
    air = resonances(white(rng, n), *bands)
    return air / (np.sqrt(np.mean(np.square(air))) + 1e-12)


def shaky(rng: Rng, pitch_hz: Signal, depth: float = 0.015, rate_hz: float = 25.0) -> Signal:
    """Pitch with the small irregularities of a living throat; `depth` is their relative size."""
    return pitch_hz * np.exp(depth * wander(rng, pitch_hz.size, rate_hz))


def rough(rng: Rng, n: int, rate_hz: float, depth: float) -> Signal:
    """Gain curve of a hoarse voice: fast uneven beating about `rate_hz`, between 1 and 1 - depth."""
    angle = phase(rate_hz * (1 + 0.2 * wander(rng, n, 12.0)))
    return 1 - depth * (0.5 + 0.5 * np.cos(angle)) ** 0.7
