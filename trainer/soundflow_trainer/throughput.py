"""Training on packed rows beside training on padded ones: tokens per second on the same streams.

Both take turns, batch by batch, so that a busy machine slows both down alike. The padded way is the usual one: a stream
per row, padded to the longest of its batch, with causal attention over whole rows.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import rich.table
import torch

from soundflow_trainer.loading import BatchPlan, Examples, load_steps
from soundflow_trainer.loss import LossWeights, loss_counts, loss_sums, total_loss
from soundflow_trainer.model import AudioInteractionModel
from soundflow_trainer.packing import Batch, pack, pad, useful_share
from soundflow_trainer.sequence import Example
from soundflow_trainer.tokens import StreamTokenizer

Forward = Callable[[AudioInteractionModel, Batch], torch.Tensor]


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
    """Measures both ways, in turns, after a pass of each to warm up.

    Args:
        model: All of its parameters get gradients.
        tokenizer: Its tokenizer.
        examples: The streams.
        row_tokens: As in `pack`.
        rows: As `rows_per_batch` in `pack`; a padded pass has as many streams as a packed one has on average.
    """
    packed = pack(examples, row_tokens=row_tokens, rows_per_batch=rows)
    padded = pad(examples, rows_per_batch=max(1, len(examples) // len(packed)))
    ways = {"packed": (packed, _packed), "padded": (padded, _padded)}
    model.train()
    for batches, forward in ways.values():
        _pass(model, tokenizer, batches[0], forward)
    seconds = dict.fromkeys(ways, 0.0)
    for pair in itertools.zip_longest(packed, padded):
        for (name, (_, forward)), batch in zip(ways.items(), pair, strict=True):
            if batch is not None:
                seconds[name] += _pass(model, tokenizer, batch, forward)
    model.zero_grad(set_to_none=True)
    return [
        Throughput(
            name=name,
            useful_share=useful_share(batches),
            tokens_per_s=sum(batch.num_tokens for batch in batches) / seconds[name],
        )
        for name, (batches, _) in ways.items()
    ]


def waiting_share(
    model: AudioInteractionModel,
    tokenizer: StreamTokenizer,
    examples: Examples,
    plan: BatchPlan,
    *,
    streams: int,
    workers: int,
) -> float:
    """Trains on streams as a run does and returns the share of the time in which it waited for the loader.

    The first step, whose streams no worker could prepare during another one, is left out.

    Args:
        model: All of its parameters get gradients.
        tokenizer: Its tokenizer.
        examples: The streams.
        plan: How they become steps.
        streams: How many are read, from the start again after the last one.
        workers: Loader processes.
    """
    model.train()
    waited = began = 0.0
    whole = streams // plan.streams * plan.streams
    steps = load_steps(examples, [i % len(examples) for i in range(whole)], plan, workers=workers)
    for number in itertools.count():
        asked = time.perf_counter()
        batches = next(steps, None)
        if number:
            waited += time.perf_counter() - asked
        if batches is None:
            break
        if not number:
            began = time.perf_counter()
        for batch in batches:
            _pass(model, tokenizer, batch, _packed)
        model.zero_grad(set_to_none=True)
    return waited / (time.perf_counter() - began)


def show(measured: Sequence[Throughput]) -> rich.table.Table:
    """Returns the measures as a table."""
    shown = rich.table.Table(title="training throughput")
    for column in ("rows", "useful", "tokens/s"):
        shown.add_column(column, justify="right")
    for one in measured:
        shown.add_row(one.name, f"{one.useful_share:.1%}", f"{one.tokens_per_s:,.0f}")
    return shown


def _packed(model: AudioInteractionModel, batch: Batch) -> torch.Tensor:
    logits: torch.Tensor = model(batch)
    return logits


def _padded(model: AudioInteractionModel, batch: Batch) -> torch.Tensor:
    # Padding stands at the ends of rows, so under causal attention no stream sees it and no mask is needed.
    embedded = model.embed(batch.tokens_RL, model.encode(batch.features_NFM))
    logits: torch.Tensor = model.lm_head(model.decode(embedded, batch.positions_RL, None)[batch.labels_RL >= 0])
    return logits


def _pass(model: AudioInteractionModel, tokenizer: StreamTokenizer, batch: Batch, forward: Forward) -> float:
    """Runs one forward and backward pass and returns how many seconds it took."""
    weights = LossWeights()
    moved = batch.to(model.device)
    began = time.perf_counter()
    counts = loss_counts([moved], response_token=tokenizer.response, weights=weights)
    sums = loss_sums(forward(model, moved), moved, response_token=tokenizer.response, weights=weights)
    loss = total_loss(sums, counts, weights)
    loss.backward()
    loss.item()  # waits for the device
    return time.perf_counter() - began
