"""Features of one stream as if heard through another microphone, from another distance, or by a smaller throat.

Few recordings are soon known by heart. What is changed is drawn once per stream and kept from its first chunk to its
last, as a real room would keep it; labels and times stay true. Only training streams are changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from soundflow_data.dice import Dice
from soundflow_trainer.frontend import NUM_MELS, Features, independent_bins

DB: Final = 0.025  # one decibel in features, which hold log10 of power divided by four
QUIETEST: Final = -0.75  # what the front end gives for silence
_WAVES: Final = 4  # half waves of the colouring over the whole spectrum


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """How much features may change.

    Attributes:
        gain_db: Louder or softer by up to this.
        colour_db: Each of four half waves over the spectrum has up to this amplitude.
        shift_mels: Higher or lower by up to so many mel bins: 5 bins are about a quarter of an octave.
        masks: Number of bands that are blanked out.
        mask_mels: Widest band in mel bins.
        noise_db: A steady noise of a colour of its own lies under everything, up to this far above silence (25 is
            the noise of a poor recording).
        narrow_mels: Up to so many of the highest bins are silent, as in a recording of a lower sampling rate (30 bins
            are everything above 4 kHz).
    """

    gain_db: float = 0.0
    colour_db: float = 0.0
    shift_mels: int = 0
    masks: int = 0
    mask_mels: int = 12
    noise_db: float = 0.0
    narrow_mels: int = 0

    def apply(self, features_CFM: Features, dice: Dice) -> Features:
        """Returns changed features of one stream.

        Args:
            features_CFM: float32 (chunks, frames, mel bins).
            dice: Decides what changes.
        """
        shift = dice.integer(-self.shift_mels, self.shift_mels)
        source = np.clip(np.arange(NUM_MELS) - shift, 0, NUM_MELS - 1)
        changed: Features = features_CFM[:, :, source] + self._filter(dice)
        if self.noise_db:
            changed = self._with_noise(changed, dice)
        for _ in range(self.masks):
            width = dice.integer(0, min(self.mask_mels, NUM_MELS))
            low = dice.integer(0, NUM_MELS - width)
            if width:
                changed[:, :, low : low + width] = changed[:, :, low : low + width].mean()
        if self.narrow_mels:
            changed[:, :, NUM_MELS - dice.integer(0, self.narrow_mels) :] = QUIETEST
        return np.maximum(changed, np.float32(QUIETEST), out=changed)

    def _filter(self, dice: Dice) -> NDArray[np.float32]:
        """Draws gain and colouring; float32 (mel bins,), in units of features."""
        return np.float32(dice.uniform(-self.gain_db, self.gain_db) * DB) + self._colour(dice)

    def _colour(self, dice: Dice) -> NDArray[np.float32]:
        """Draws a colouring; float32 (mel bins,), in units of features."""
        places = np.linspace(0, np.pi, NUM_MELS)
        curve = np.zeros(NUM_MELS)
        for wave in range(1, _WAVES + 1):
            curve += dice.uniform(-self.colour_db, self.colour_db) * np.cos(wave * places)
        return (curve * DB).astype(np.float32)

    def _with_noise(self, features_CFM: Features, dice: Dice) -> Features:
        """Adds the power of noise; in a mel bin of a frame it is gamma distributed, a mean of a few frequencies."""
        level = QUIETEST + dice.uniform(0, self.noise_db) * DB + self._colour(dice)
        frequencies = independent_bins()
        powers = np.random.default_rng(dice.integer(0, 2**32)).standard_gamma(
            np.broadcast_to(frequencies, features_CFM.shape), dtype=np.float32
        )
        noise = np.log10(np.maximum(powers / frequencies, np.float32(1e-3))) / 4 + level
        louder, softer = np.maximum(features_CFM, noise), np.minimum(features_CFM, noise)
        mixed: Features = louder + np.log10(1 + 10 ** (4 * (softer - louder))) / 4
        return mixed
