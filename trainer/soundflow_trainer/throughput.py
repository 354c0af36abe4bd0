"""Training on packed rows beside training on padded ones: tokens per second on the same streams."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import rich.table

from soundflow_trainer.loss import LossWeights, loss_counts, loss_sums, total_loss
from soundflow_trainer.model import AudioInteractionModel
from soundflow_trainer.packing import Batch, pack, pad, useful_share
from soundflow_trainer.sequence import Example
from soundflow_trainer.tokens import StreamTokenizer


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """What one way of making rows gives.

    Attributes:
        name: `packed` or `padded`.
        useful_share: Share of positions that are not padding.
        tokens_per_s: Useful positions per second, forward and backward.
    """

    name: str
    useful_share: float
    tokens_per_s: float


def compare(
    model: AudioInteractionModel,
    tokenizer: StreamTokenizer,
    examples: Sequence[Example],
    *,
    row_tokens: int,
    rows: int,
) -> list[Throughput]:
    """Measures both ways, one after the other, after a pass to warm up.

    Args:
        model: All of its parameters get gradients.
        tokenizer: Its tokenizer.
        examples: The streams.
        row_tokens: Longest packed row.
        rows: Rows of a forward pass when packed; a padded pass has as many streams as a packed one has on average.
    """
    packed = pack(examples, row_tokens=row_tokens, rows_per_batch=rows)
    padded = pad(examples, rows_per_batch=max(1, len(examples) // len(packed)))
    _train(model, tokenizer, packed[:1])
    measured = []
    for name, batches in (("packed", packed), ("padded", padded)):
        seconds = _train(model, tokenizer, batches)
        tokens = sum(batch.num_tokens for batch in batches)
        measured.append(Throughput(name=name, useful_share=useful_share(batches), tokens_per_s=tokens / seconds))
    return measured


def show(measured: Sequence[Throughput]) -> rich.table.Table:
    """Returns the measures as a table."""
    shown = rich.table.Table(title="training throughput")
    for column in ("rows", "useful", "tokens/s"):
        shown.add_column(column, justify="right")
    for one in measured:
        shown.add_row(one.name, f"{one.useful_share:.1%}", f"{one.tokens_per_s:,.0f}")
    return shown


def _train(model: AudioInteractionModel, tokenizer: StreamTokenizer, batches: list[Batch]) -> float:
    """Runs forward and backward passes and returns how many seconds they took."""
    weights = LossWeights()
    counts = loss_counts(batches, response_token=tokenizer.response, weights=weights)
    model.train()
    began = time.perf_counter()
    for batch in batches:
        moved = batch.to(model.device)
        sums = loss_sums(model(moved), moved, response_token=tokenizer.response, weights=weights)
        loss = total_loss(sums, counts, weights)
        loss.backward()
        loss.item()  # waits for the device
    model.zero_grad(set_to_none=True)
    return time.perf_counter() - began
