"""Changed features: the same for the same stream, other for another, within bounds, and only in training."""

from __future__ import annotations

import numpy as np
from tones import ToneSource

from soundflow_data.dice import Dice
from soundflow_trainer.augmentation import DB, QUIETEST, Augmentation
from soundflow_trainer.frontend import log_mel
from soundflow_trainer.loading import Examples

STRONG = Augmentation(gain_db=6, colour_db=3, shift_mels=5, masks=2)


def features():
    noise = np.random.default_rng(1).normal(0, 0.1, 4 * 6400).astype(np.float32)
    return log_mel(noise, 6400)


def test_nothing_allowed_changes_nothing():
    assert np.array_equal(Augmentation().apply(features(), Dice(1)), features())


def test_louder_and_softer_stay_within_the_gain_and_above_silence():
    plain = features()
    changes = [Augmentation(gain_db=6).apply(plain, Dice(i)) - plain for i in range(20)]
    assert all(np.allclose(change, change.flat[0], atol=1e-6) for change in changes)
    gains_db = [float(change.flat[0]) / DB for change in changes]
    assert -6 <= min(gains_db) < -1 < 1 < max(gains_db) <= 6
    louder = log_mel(np.full(6400, 1e-9, np.float32), 6400)
    assert Augmentation(gain_db=60).apply(louder, Dice(2)).min() >= QUIETEST


def test_a_gain_is_the_gain_of_the_samples():
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.05, 6400).astype(np.float32)
    doubled = log_mel(2 * noise, 6400) - log_mel(noise, 6400)
    assert np.allclose(doubled, 20 * np.log10(2) * DB, atol=1e-4)


def test_a_shift_moves_bands_and_a_mask_blanks_some():
    plain = features()
    shifted = [Augmentation(shift_mels=5).apply(plain, Dice(i)) for i in range(30)]
    moves = {next(s for s in range(-5, 6) if np.array_equal(one[:, :, 20:90], plain[:, :, 20 - s : 90 - s]))
             for one in shifted}  # fmt: skip
    assert moves == set(range(-5, 6))
    masked = Augmentation(masks=1, mask_mels=12).apply(plain, Dice(3))
    changed = (masked != plain).any((0, 1))
    assert 0 < changed.sum() <= 12
    assert len(np.unique(masked[:, :, changed])) == 1


def test_noise_is_that_of_noisy_samples():
    """Noise of -40 dBFS under silence and under a loud tone: what is added to features is what samples would give."""
    rng = np.random.default_rng(2)
    time = np.arange(4 * 6400) / 16_000
    tone = (0.3 * np.sin(2 * np.pi * 1000 * time)).astype(np.float32)
    noise = rng.normal(0, 0.01, len(tone)).astype(np.float32)
    noisy = log_mel(tone + noise, 6400)
    level_db = float((np.log10(np.mean(10 ** (4 * log_mel(noise, 6400)))) / 4 - QUIETEST) / DB)
    drawn = [Augmentation(noise_db=level_db).apply(log_mel(tone, 6400), Dice(i)) for i in range(200)]
    most = max(drawn, key=lambda one: float(one[:, :, 100:].mean()))  # the draw that comes nearest to the most noise
    assert abs(float(most[:, :, 100:].mean() - noisy[:, :, 100:].mean())) < 4 * DB
    assert abs(float(most[:, :, 100:].std() / noisy[:, :, 100:].std()) - 1) < 0.25
    loudest = noisy.mean((0, 1)).argmax()
    assert (
        np.abs(most[:, :, loudest] - log_mel(tone, 6400)[:, :, loudest]).max() < DB
    )  # what is louder than the noise stays
    assert all((one >= log_mel(tone, 6400) - 1e-6).all() for one in drawn)
    quiet = min(drawn, key=lambda one: float(one.mean()))
    assert float(quiet.mean()) < float(most.mean()) - 10 * DB


def test_a_narrow_band_is_silent_above_and_untouched_below():
    plain = features()
    for i in range(30):
        narrow = Augmentation(narrow_mels=30).apply(plain, Dice(i))
        assert np.array_equal(narrow[:, :, :98], plain[:, :, :98])
        silent = (narrow == np.float32(QUIETEST)).all((0, 1))
        assert silent.sum() <= 30
        assert np.array_equal(narrow[:, :, ~silent], plain[:, :, ~silent])
    widths = {int((Augmentation(narrow_mels=30).apply(plain, Dice(i))[0, 0] == np.float32(QUIETEST)).sum())
              for i in range(200)}  # fmt: skip
    assert widths == set(range(31))


def test_a_stream_is_changed_in_the_same_way_by_every_process(tokenizer):
    source = ToneSource(3)
    plain = Examples(source, tokenizer, 6400)
    one, again = (Examples(source, tokenizer, 6400, augmentation=STRONG, seed=7) for _ in range(2))
    other = Examples(source, tokenizer, 6400, augmentation=STRONG, seed=8)
    assert np.array_equal(one[1].features, again[1].features)
    assert not np.array_equal(one[1].features, plain[1].features)
    assert not np.array_equal(one[1].features, other[1].features)
    assert np.array_equal(one[1, 9].features, again[1, 9].features)
    assert not np.array_equal(one[1, 9].features, one[1].features)  # another epoch
    assert np.array_equal(one[1].sequence.labels, plain[1].sequence.labels)
    assert one[1].features.dtype == np.float32
