"""What is trained, by which optimizer, at which rate."""

from __future__ import annotations

import math
from collections.abc import Collection

import torch
from torch import nn
from torch.distributed.tensor import DTensor, distribute_tensor

from soundflow_data.errors import SoundFlowError
from soundflow_trainer.model import AudioInteractionModel
from soundflow_trainer.stage import OptimizerSection, Part
from soundflow_trainer.tokens import StreamTokenizer


def choose_parts(model: AudioInteractionModel, parts: Collection[Part]) -> None:
    """Makes exactly these parts trainable.

    `adapter` is the projector at the end of the audio tower. A tied head is the whole embedding table.

    Raises:
        SoundFlowError: The audio tower is trained without the adapter, which would leave it behind.
    """
    if "audio_tower" in parts and "adapter" not in parts:
        raise SoundFlowError("train: audio_tower without adapter; add adapter, through which it is trained")
    model.requires_grad_(False)
    if "audio_tower" in parts:
        model.audio_tower.requires_grad_(True)
        model.audio_tower.audio_bos_eos_token.requires_grad_(False)  # belongs to the offline layout, never used here
    if "adapter" in parts:
        model.audio_tower.proj.requires_grad_(True)
        model.audio_tower.ln_post.requires_grad_(True)
    if "language_model" in parts:
        model.language_model.requires_grad_(True)
    if "new_embeddings" in parts:
        model.language_model.embed_tokens.requires_grad_(True)
    if "lm_head" in parts:
        model.lm_head.requires_grad_(True)


class RowMask:
    """Lets only the rows of the new tokens of the embedding table move, when the stage says so.

    Args:
        model: The model, after `choose_parts`.
        parts: What is trained.
        tokenizer: Knows the new tokens.
    """

    def __init__(self, model: AudioInteractionModel, parts: Collection[Part], tokenizer: StreamTokenizer) -> None:
        whole = "language_model" in parts or ("lm_head" in parts and model.tied)
        self._active = "new_embeddings" in parts and not whole
        self._model = model
        rows = torch.zeros(model.config.text_config.vocab_size, 1)
        rows[[tokenizer.pad, tokenizer.silent, tokenizer.response, tokenizer.eos, tokenizer.audio]] = 1
        self._rows = rows

    def apply(self) -> None:
        """Clears the gradients of all other rows."""
        gradient = self._model.language_model.embed_tokens.weight.grad
        if self._active and gradient is not None:
            rows = self._rows.to(gradient.device, gradient.dtype)
            if isinstance(gradient, DTensor):
                gradient.mul_(distribute_tensor(rows, gradient.device_mesh, gradient.placements))
            else:
                gradient.mul_(rows)


def make_optimizer(model: nn.Module, settings: OptimizerSection) -> torch.optim.AdamW:
    """Builds AdamW; biases, norms and embedding tables do not decay.

    Raises:
        SoundFlowError: Nothing is trainable.
    """
    trained = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    if not trained:
        raise SoundFlowError("no parameter is trained; name at least one part in `train`")
    decays = [p for name, p in trained if p.ndim >= 2 and "embed_tokens" not in name]
    stays = [p for name, p in trained if p.ndim < 2 or "embed_tokens" in name]
    groups = [{"params": decays, "weight_decay": settings.weight_decay}, {"params": stays, "weight_decay": 0.0}]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=settings.lr, betas=settings.betas)


def learning_rate(step: int, steps: int, settings: OptimizerSection) -> float:
    """Returns the rate of a step (from 0): linear warm-up, then a cosine down to `final_lr_share` of the peak."""
    warmup = max(1, round(steps * settings.warmup_share))
    if step < warmup:
        return settings.lr * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    floor = settings.final_lr_share
    return settings.lr * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress)))
