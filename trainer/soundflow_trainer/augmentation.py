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
from soundflow_trainer.frontend import NUM_MELS, Features

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
    """

    gain_db: float = 0.0
    colour_db: float = 0.0
    shift_mels: int = 0
    masks: int = 0
    mask_mels: int = 12

    def apply(self, features_CFM: Features, dice: Dice) -> Features:
        """Returns changed features of one stream.

        Args:
            features_CFM: float32 (chunks, frames, mel bins).
            dice: Decides what changes.
        """
        shift = dice.integer(-self.shift_mels, self.shift_mels)
        source = np.clip(np.arange(NUM_MELS) - shift, 0, NUM_MELS - 1)
        changed: Features = features_CFM[:, :, source] + self._filter(dice)
        for _ in range(self.masks):
            width = dice.integer(0, min(self.mask_mels, NUM_MELS))
            low = dice.integer(0, NUM_MELS - width)
            if width:
                changed[:, :, low : low + width] = changed[:, :, low : low + width].mean()
        return np.maximum(changed, np.float32(QUIETEST), out=changed)

    def _filter(self, dice: Dice) -> NDArray[np.float32]:
        """Draws gain and colouring; float32 (mel bins,), in units of features."""
        places = np.linspace(0, np.pi, NUM_MELS)
        curve = np.full(NUM_MELS, dice.uniform(-self.gain_db, self.gain_db))
        for wave in range(1, _WAVES + 1):
            curve += dice.uniform(-self.colour_db, self.colour_db) * np.cos(wave * places)
        return (curve * DB).astype(np.float32)
