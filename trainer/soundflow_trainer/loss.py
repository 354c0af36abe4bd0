"""The two-part loss `L = L_LM + lambda * L_stream`: the words, and the decision after every chunk.

A stage may add a third part, the names of what sounds (`soundflow_trainer.sounding`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

from soundflow_trainer.packing import Batch
from soundflow_trainer.sequence import CONTROL, SOUND, TEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class LossSums:
    """What one batch adds to the loss; sums, so that batches of any size and rank add up to the same mean.

    Attributes:
        text: Sum of the cross entropies (nats) of text positions.
        control: Sum of the weighted cross entropies of control positions.
        sounds: Sum of the cross entropies of the positions that name what sounds.
    """

    text: torch.Tensor
    control: torch.Tensor
    sounds: torch.Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class LossWeights:
    """How the parts are weighed.

    Attributes:
        stream: Lambda, the weight of the control part; 0.5 triggers worse, 2.0 hurts comprehension.
        response: Weight of a `<response>` decision where a `<silent>` one has 1.
        sounds: Weight of naming what sounds.
    """

    stream: float = 1.0
    response: float = 1.0
    sounds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LossCounts:
    """What the sums are divided by: positions of each kind, those of control by their weight."""

    text: float
    control: float
    sounds: float = 0.0


def loss_sums(logits_KV: torch.Tensor, batch: Batch, *, response_token: int, weights: LossWeights) -> LossSums:
    """Adds up the loss of a batch.

    Args:
        logits_KV: What the model returns for the batch.
        batch: The batch.
        response_token: Id of `<response>`.
        weights: How the parts are weighed.
    """
    trained = batch.labels_RL >= 0
    labels, kinds = batch.labels_RL[trained], batch.kinds_RL[trained]
    entropies = functional.cross_entropy(logits_KV.float(), labels, reduction="none")
    importance = _importance(labels, response_token, weights)
    return LossSums(
        text=(entropies * (kinds == TEXT)).sum(),
        control=(entropies * importance * (kinds == CONTROL)).sum(),
        sounds=(entropies * (kinds == SOUND)).sum(),
    )


def loss_counts(batches: list[Batch], *, response_token: int, weights: LossWeights) -> LossCounts:
    """Counts what the sums of these batches are divided by."""
    control = 0.0
    for batch in batches:
        labels = batch.labels_RL[batch.kinds_RL == CONTROL]
        control += float(_importance(labels, response_token, weights).sum())
    sounds = sum(int((batch.kinds_RL == SOUND).sum()) for batch in batches)
    return LossCounts(text=float(sum(batch.num_text for batch in batches)), control=control, sounds=float(sounds))


def total_loss(sums: LossSums, counts: LossCounts, weights: LossWeights) -> torch.Tensor:
    """Returns the mean of text, of control and of sounds, by their weights; a part without positions adds nothing."""
    loss = sums.text / max(counts.text, 1.0) + weights.stream * sums.control / max(counts.control, 1e-9)
    return loss + weights.sounds * sums.sounds / max(counts.sounds, 1.0) if weights.sounds else loss


def _importance(labels: torch.Tensor, response_token: int, weights: LossWeights) -> torch.Tensor:
    return torch.where(labels == response_token, weights.response, 1.0)
