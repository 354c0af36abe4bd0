"""The one place where samples are added: clips with gains and fades into a mix, in one pass each.

The kernels are compiled by numba without fast-math, so each sample is the correctly rounded result of the written
operations and equals the plain numpy expression bit for bit, on every machine (a test compares them).

Speed: the mix is made in blocks that stay in the processor's cache; adding is then limited by arithmetic, not by memory.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Final

import msgspec
import numba
import numpy as np
from numpy.typing import NDArray

FloatAudio = NDArray[np.float32]
PcmAudio = NDArray[np.int16]

FULL_SCALE: Final = 32768.0  # int16 units per 1.0
BLOCK: Final = 65_536  # samples; 256 kB of float32 fit the second-level cache beside the clips


class Layer(msgspec.Struct, frozen=True, kw_only=True):
    """One clip to be added.

    Attributes:
        pcm: int16 (num_samples,), exactly the span that is heard.
        onset: First sample in the mix.
        gain: Linear gain.
        fade_in: Samples of rise, along a quarter of a sine.
        fade_out: Samples of fall.
    """

    pcm: PcmAudio
    onset: int
    gain: float
    fade_in: int = 0
    fade_out: int = 0


def linear(gain_db: float) -> float:
    """Returns the amplitude factor of a gain in dB."""
    return float(10.0 ** (gain_db / 20.0))


@functools.lru_cache(maxsize=64)
def fade_curve(num_samples: int) -> FloatAudio:
    """Returns float32 (num_samples,), a rise whose square and that of its mirror image sum to one."""
    phase = (np.arange(num_samples, dtype=np.float64) + 0.5) * (np.pi / 2 / max(1, num_samples))
    curve: FloatAudio = np.sin(phase).astype(np.float32)
    curve.setflags(write=False)
    return curve


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _add(mix: FloatAudio, pcm: PcmAudio, gain: np.float32) -> None:
    for i in range(pcm.shape[0]):
        mix[i] = mix[i] + gain * np.float32(pcm[i])


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _add_faded(mix: FloatAudio, pcm: PcmAudio, gain: np.float32, curve: FloatAudio) -> None:
    for i in range(pcm.shape[0]):
        mix[i] = mix[i] + (gain * curve[i]) * np.float32(pcm[i])


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _quantise(mix: FloatAudio, gain: np.float32, out: PcmAudio) -> None:
    low, high = np.float32(-32768.0), np.float32(32767.0)
    for i in range(mix.shape[0]):
        out[i] = np.int16(min(max(np.rint(mix[i] * gain), low), high))


def mix_pcm(layers: Sequence[Layer], num_samples: int, gain: float = 1.0) -> PcmAudio:
    """Mixes layers to int16 (num_samples,); the whole mix is multiplied by `gain`, rounded and limited."""
    out = np.empty(num_samples, np.int16)
    block = np.empty(BLOCK, np.float32)
    scale = np.float32(gain)
    for start, end, heard in _blocks(layers, num_samples):
        mix = block[: end - start]
        mix.fill(0.0)
        for layer in heard:
            _add_layer(mix, layer, start, end)
        _quantise(mix, scale, out[start:end])
    return out


def mix_float(layers: Sequence[Layer], num_samples: int, gain: float = 1.0) -> FloatAudio:
    """Mixes layers to float32 (num_samples,) with full scale at 1.0, neither rounded nor limited."""
    out = np.zeros(num_samples, np.float32)
    for start, end, heard in _blocks(layers, num_samples):
        for layer in heard:
            _add_layer(out[start:end], layer, start, end)
    out *= np.float32(gain)
    out *= np.float32(1.0 / FULL_SCALE)
    return out


def _blocks(layers: Sequence[Layer], num_samples: int) -> list[tuple[int, int, list[Layer]]]:
    """Cuts the stream into blocks, each with the layers heard in it in their given order."""
    count = -(-num_samples // BLOCK)
    heard: list[list[Layer]] = [[] for _ in range(count)]
    for layer in layers:
        for b in range(layer.onset // BLOCK, -(-(layer.onset + len(layer.pcm)) // BLOCK)):
            heard[b].append(layer)
    return [(b * BLOCK, min((b + 1) * BLOCK, num_samples), heard[b]) for b in range(count)]


def _add_layer(mix: FloatAudio, layer: Layer, start: int, end: int) -> None:
    """Adds to `mix`, which is the stream from `start` to `end`, what of the layer lies there."""
    gain = np.float32(layer.gain)
    onset, length = layer.onset, len(layer.pcm)
    rise_end, fall_start = layer.fade_in, length - layer.fade_out
    for lo, hi, curve in (
        (0, rise_end, fade_curve(layer.fade_in) if layer.fade_in else None),
        (rise_end, fall_start, None),
        (fall_start, length, fade_curve(layer.fade_out)[::-1] if layer.fade_out else None),
    ):
        first, last = max(lo, start - onset), min(hi, end - onset)
        if first >= last:
            continue
        span = mix[onset + first - start : onset + last - start]
        if curve is None:
            _add(span, layer.pcm[first:last], gain)
        else:
            _add_faded(span, layer.pcm[first:last], gain, np.ascontiguousarray(curve[first - lo : last - lo]))
