"""The mixing kernels equal plain numpy bit for bit, and stems sum to the mix."""

from __future__ import annotations

import numpy as np
import pytest

from soundflow_data.audio.mix import BLOCK, Layer, fade_curve, linear, mix_float, mix_pcm


def reference(layers: list[Layer], num_samples: int, gain: float) -> np.ndarray:
    """The same sum, written plainly."""
    mix = np.zeros(num_samples, np.float32)
    for layer in layers:
        gains = np.full(len(layer.pcm), np.float32(layer.gain))
        if layer.fade_in:
            gains[: layer.fade_in] *= fade_curve(layer.fade_in)
        if layer.fade_out:
            gains[-layer.fade_out :] *= fade_curve(layer.fade_out)[::-1]
        mix[layer.onset : layer.onset + len(layer.pcm)] += gains * layer.pcm.astype(np.float32)
    return np.clip(np.rint(mix * np.float32(gain)), -32768, 32767).astype(np.int16)


def random_layers(seed: int, num_samples: int, count: int = 12) -> list[Layer]:
    rng = np.random.default_rng(seed)
    layers = []
    for _ in range(count):
        length = int(rng.integers(1, num_samples + 1))
        fades = rng.integers(0, length // 2 + 1, 2)
        layers.append(
            Layer(
                pcm=rng.integers(-20_000, 20_000, length).astype(np.int16),
                onset=int(rng.integers(0, num_samples - length + 1)),
                gain=float(rng.uniform(0.05, 0.7)),
                fade_in=int(fades[0]),
                fade_out=int(fades[1]),
            )
        )
    return layers


@pytest.mark.parametrize("num_samples", [1, 400, BLOCK, BLOCK + 1, 3 * BLOCK - 7])
def test_kernels_equal_numpy(num_samples: int) -> None:
    layers = random_layers(num_samples, num_samples)
    np.testing.assert_array_equal(mix_pcm(layers, num_samples, 0.8), reference(layers, num_samples, 0.8))


def test_float_mix_is_the_unrounded_one() -> None:
    layers = random_layers(5, 50_000, count=3)
    rounded = mix_pcm(layers, 50_000, 0.3)
    assert np.abs(mix_float(layers, 50_000, 0.3) * 32768 - rounded).max() <= 0.51


def test_layers_sum_to_the_mix() -> None:
    layers = random_layers(9, 40_000, count=4)
    parts = sum(mix_float([layer], 40_000, 0.2) for layer in layers)
    assert np.abs(parts * 32768 - mix_pcm(layers, 40_000, 0.2)).max() <= 1


def test_too_loud_is_limited_not_wrapped() -> None:
    layer = Layer(pcm=np.full(10, 30_000, np.int16), onset=0, gain=2.0)
    assert mix_pcm([layer], 12).tolist() == [32767] * 10 + [0, 0]


def test_crossed_fades_keep_their_power() -> None:
    rise = fade_curve(8_000).astype(np.float64)
    np.testing.assert_allclose(rise**2 + rise[::-1] ** 2, 1, atol=1e-6)


def test_decibels() -> None:
    assert linear(-6.0) == pytest.approx(0.501187, abs=1e-6)
    assert linear(0.0) == 1.0
