"""The mask that attention by spans must be equal to."""

from __future__ import annotations

import torch


def packed_mask(segments: torch.Tensor) -> torch.Tensor:
    """Returns bool (R, 1, L, L): a position sees itself and what came before it in its own stream."""
    same = segments.unsqueeze(2) == segments.unsqueeze(1)
    return same.tril().unsqueeze(1)
