"""Levels are exact whole numbers, and the energy table agrees with the samples on every span."""

from __future__ import annotations

import numpy as np
import pytest

from soundflow_data.audio.contour import LOWEST_DB, contour, runs
from soundflow_data.audio.levels import SILENT_DB, level_db, peak, rms_db, sum_squares
from soundflow_data.audio.spectrum import FLOOR_DB, log_mel, spectral_entropy

FULL = np.full(1000, -32768, np.int16)


def noise(num_samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-32768, 32768, num_samples).astype(np.int16)


def sine(hz: float, seconds: float, amplitude: float = 32767.0) -> np.ndarray:
    return np.rint(amplitude * np.sin(2 * np.pi * hz * np.arange(round(16_000 * seconds)) / 16_000)).astype(np.int16)


def exact(pcm: np.ndarray) -> int:
    return sum(int(value) ** 2 for value in pcm)


def test_known_levels() -> None:
    assert rms_db(FULL) == 0.0
    assert rms_db(sine(100, 1.0)) == pytest.approx(-3.0106, abs=2e-4)
    assert rms_db((FULL // 2).astype(np.int16)) == pytest.approx(-6.0206, abs=1e-4)
    assert rms_db(np.zeros(10, np.int16)) == SILENT_DB
    assert rms_db(np.zeros(0, np.int16)) == SILENT_DB
    assert level_db(1, 1) == pytest.approx(-90.309, abs=1e-3)


def test_peak_counts_the_value_that_has_no_positive_twin() -> None:
    assert peak(FULL) == 32768
    assert peak(np.array([-5, 7], np.int16)) == 7
    assert peak(np.zeros(0, np.int16)) == 0


def test_sums_of_the_loudest_samples_are_exact_beyond_float64() -> None:
    loud = np.full(9_000_001, -32768, np.int16)
    loud[0] = 1
    assert sum_squares(loud) == 9_000_000 * 2**30 + 1


def test_contour_follows_the_sound_and_not_the_rumble() -> None:
    rumble = sine(12, 2.0, 16_000)
    tone = sine(1000, 2.0, 3_276.7)
    tone[: len(tone) // 2] = 0
    shape = contour((rumble + tone).astype(np.int16))
    assert shape.level_db[50:90].max() < -45
    assert shape.active_db == pytest.approx(-23.0, abs=0.5)
    assert shape.contrast_db > 20


def test_contour_of_silence_and_of_the_shortest_clip() -> None:
    silent = contour(np.zeros(1000, np.int16))
    assert (silent.level_db == LOWEST_DB).all()
    assert silent.contrast_db == 0.0
    assert len(contour(np.array([9], np.int16)).level_db) == 1


def test_contour_does_not_depend_on_how_long_the_recording_is() -> None:
    pcm = noise(16_000 * 61)
    whole, part = contour(pcm), contour(pcm[: 16_000 * 30])
    assert (whole.level_db[:2990] == part.level_db[:2990]).all()


def test_runs() -> None:
    assert runs(np.array([True, True, False, True])) == [(0, 2), (3, 4)]
    assert runs(np.zeros(3, bool)) == []


def test_log_mel_shows_a_tone_in_its_band_and_at_its_level() -> None:
    picture = log_mel(sine(1000, 1.0))
    assert picture.shape == (100, 64)
    assert picture.dtype == np.float32
    assert picture[50].argmax() == pytest.approx(22, abs=1)
    assert picture[50].max() == pytest.approx(0.0, abs=2.0)
    assert picture[50, 50:].max() < -60
    assert log_mel(np.zeros(161, np.int16)).shape == (2, 64)
    assert log_mel(np.zeros(161, np.int16)).max() == pytest.approx(FLOOR_DB, abs=0.01)
    assert log_mel(np.zeros(0, np.int16)).shape == (0, 64)


def test_log_mel_frames_are_centred_where_they_say() -> None:
    click = np.zeros(16_000, np.int16)
    click[160 * 40 + 80] = 30_000
    assert log_mel(click).mean(axis=1).argmax() == 40


def test_entropy_tells_tones_from_noise() -> None:
    assert spectral_entropy(sine(1000, 1.0))[10:-10].max() < 0.35
    assert spectral_entropy(noise(16_000))[10:-10].min() > 0.8
    assert spectral_entropy(np.zeros(320, np.int16)) == pytest.approx(1.0)
