"""What is trained, by which optimizer, at which rate."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Final

import torch
from torch import nn
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer

from soundflow_data.errors import SoundFlowError
from soundflow_trainer.model import AudioInteractionModel
from soundflow_trainer.stage import OptimizerSection, Part
from soundflow_trainer.tokens import StreamTokenizer

_OUTER: Final = ("embed_tokens.weight", "lm_head.weight")  # tables, whose rows are learned one by one


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


def make_optimizers(model: nn.Module, settings: OptimizerSection) -> tuple[Optimizer, ...]:
    """Builds AdamW, or Muon for the inner matrices and AdamW for the rest; biases, norms and tables do not decay.

    Muon makes each update of a matrix orthogonal, so that all directions learn at one pace. Small models from scratch
    then need several times fewer steps. It is for the linear layers between the embedding table and the head.
    Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024).

    Raises:
        SoundFlowError: Nothing is trainable.
    """
    trained = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
    if not trained:
        raise SoundFlowError("no parameter is trained; name at least one part in `train`")
    inner: list[nn.Parameter] = []
    decays: list[nn.Parameter] = []
    stays: list[nn.Parameter] = []
    for name, parameter in trained:
        if settings.kind == "muon" and parameter.ndim == 2 and not name.endswith(_OUTER):
            inner.append(parameter)
        else:
            (decays if parameter.ndim >= 2 and "embed_tokens" not in name else stays).append(parameter)
    groups = [{"params": decays, "weight_decay": settings.weight_decay}, {"params": stays, "weight_decay": 0.0}]
    optimizers: list[Optimizer] = []
    if decays or stays:
        groups = [group for group in groups if group["params"]]
        optimizers.append(torch.optim.AdamW(groups, lr=settings.lr, betas=settings.betas))
    if inner:
        optimizers.append(torch.optim.Muon(inner, lr=settings.matrix_lr, weight_decay=settings.weight_decay))
    return tuple(optimizers)


def set_rates(optimizers: Sequence[Optimizer], rate: float, settings: OptimizerSection) -> None:
    """Sets the rate of a step; that of Muon keeps its proportion to that of AdamW."""
    for optimizer in optimizers:
        own = rate * settings.matrix_lr / settings.lr if isinstance(optimizer, torch.optim.Muon) else rate
        for group in optimizer.param_groups:
            group["lr"] = own


def learning_rate(step: int, steps: int, settings: OptimizerSection) -> float:
    """Returns the rate of a step (from 0): linear warm-up, then a cosine down to `final_lr_share` of the peak."""
    warmup = max(1, round(steps * settings.warmup_share))
    if step < warmup:
        return settings.lr * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    floor = settings.final_lr_share
    return settings.lr * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress)))
