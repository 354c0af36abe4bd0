"""From a kind and a seed to a finished clip: render, record in a room, trim the spectrum, level."""

from __future__ import annotations

import difflib
import zlib

import numpy as np
from numpy.typing import NDArray

from soundflow_data.audio.procedural.filters import highpass, room, shelf
from soundflow_data.audio.procedural.kind import SoundKind
from soundflow_data.audio.procedural.registry import KINDS
from soundflow_data.audio.procedural.signals import Rng, Signal, fade, samples
from soundflow_data.errors import AudioError

PEAK = 0.89
"""Every clip peaks at -1 dB of full scale; loudness in a stream is the plan's affair."""

_FADES_S = {"occurrence": (0.001, 0.015), "passage": (0.005, 0.03), "steady": (0.02, 0.03)}


def synthesize(kind: str, *, seed: int, duration_s: float | None = None) -> NDArray[np.float32]:
    """Make one recording of a kind of sound.

    Args:
        kind: A name in `KINDS`.
        seed: Any integer from 0; each is another recording, the same for ever on one machine.
        duration_s: Length in seconds; drawn from the kind's typical range where absent. An occurrence cannot be
            longer than its range, the other kinds can be up to 120 s.

    Returns:
        Mono float32 samples at 16 kHz with a peak of 0.89.

    Raises:
        AudioError: The kind is unknown, the seed is negative, or the duration lies outside the kind's range.
    """
    chosen = KINDS.get(kind)
    if chosen is None:
        near = difflib.get_close_matches(kind, KINDS, n=3) or sorted(KINDS)
        raise AudioError(f"no procedural sound {kind!r}; did you mean {', '.join(near)}?", reason="unknown kind")
    if seed < 0:
        raise AudioError(f"procedural sound {kind!r}: seed {seed} is below 0", reason="bad seed")
    # Three generators, so that the length of a clip does not change who barks, nor in which room.
    key = zlib.crc32(kind.encode())
    for_length, for_sound, for_room = (np.random.default_rng([seed, key, part]) for part in range(3))
    n = samples(_duration(chosen, for_length, duration_s))
    raw = chosen.render(for_sound, n)
    assert raw.shape == (n,), f"{kind}: rendered {raw.shape}, wanted {n} samples"
    return _level(_record(for_room, chosen, raw), kind)


def _duration(kind: SoundKind, rng: Rng, wanted_s: float | None) -> float:
    low, high = kind.duration_s
    if wanted_s is None:
        return float(rng.uniform(low, high))
    if not low <= wanted_s <= kind.longest_s:
        raise AudioError(
            f"procedural sound {kind.name!r}: {wanted_s:g} s is outside {low:g} to {kind.longest_s:g} s; "
            "use KINDS[...].fit(duration_s), or repeat the sound",
            reason="bad duration",
        )
    return wanted_s


def _record(rng: Rng, kind: SoundKind, x: Signal) -> Signal:
    """What a microphone somewhere in the room would get: reverberation, a tilt of the spectrum, no infrasound."""
    tilt_db = float(rng.uniform(-5.0, 3.0))
    if kind.place == "indoor":
        x = room(rng, x, float(rng.uniform(0.12, 0.5)), float(rng.uniform(-22.0, -9.0)))
    elif kind.place == "outdoor":
        x = room(rng, x, float(rng.uniform(0.3, 0.9)), float(rng.uniform(-32.0, -18.0)))
    return fade(highpass(shelf(x, 1_500.0, tilt_db), 28.0), *_FADES_S[kind.pattern])


def _level(x: Signal, kind: str) -> NDArray[np.float32]:
    size = np.abs(x)
    # What is left of an offset is taken out in proportion to the level, so that silence stays silent.
    x = x - size * (x.sum() / (size.sum() + 1e-30))
    peak = float(np.max(np.abs(x)))
    assert 0 < peak < np.inf, f"{kind}: rendered silence or something not finite"
    return (x * (PEAK / peak)).astype(np.float32)
