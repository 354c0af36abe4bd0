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


def test_a_stream_is_changed_in_the_same_way_by_every_process(tokenizer):
    source = ToneSource(3)
    plain = Examples(source, tokenizer, 6400)
    one, again = (Examples(source, tokenizer, 6400, augmentation=STRONG, seed=7) for _ in range(2))
    other = Examples(source, tokenizer, 6400, augmentation=STRONG, seed=8)
    assert np.array_equal(one[1].features, again[1].features)
    assert not np.array_equal(one[1].features, plain[1].features)
    assert not np.array_equal(one[1].features, other[1].features)
    assert np.array_equal(one[1].sequence.labels, plain[1].sequence.labels)
    assert one[1].features.dtype == np.float32
