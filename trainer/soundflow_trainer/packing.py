"""Several streams in one row, end to end: no padding, with each stream seeing only itself.

packed   | stream a ................. | stream c ........ | stream b ... |
segment    1 1 1 1 1 1 1 1 1 1 1 1 1    2 2 2 2 2 2 2 2 2   3 3 3 3 3 3
position   0 1 2 3 4 5 ...              0 1 2 3 ...         0 1 2 ...

padded   | stream a ................. |
         | stream c ........ | 0 0 0 0 0      segment 0
         | stream b ... | 0 0 0 0 0 0 0 0

Attention goes stream by stream (see `soundflow_trainer.attention`) and everything else position by position, so a
forward pass needs no rows of equal length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch

from soundflow_data.errors import SoundFlowError
from soundflow_trainer.sequence import CONTROL, IGNORE, NOTHING, TEXT, Example


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Rows of packed streams. R rows of L positions; N chunks of F frames in all.

    Attributes:
        keys: Streams of every row, in order.
        tokens_RL: int64.
        labels_RL: int64, -100 where nothing is trained.
        kinds_RL: uint8, `NOTHING`, `CONTROL` or `TEXT`.
        segments_RL: int64, 0 for padding, then 1, 2, ... for the streams of a row.
        positions_RL: int64, from 0 in each stream.
        features_NFM: float32, in the order of the audio positions of the rows.
    """

    keys: tuple[tuple[str, ...], ...]
    tokens_RL: torch.Tensor
    labels_RL: torch.Tensor
    kinds_RL: torch.Tensor
    segments_RL: torch.Tensor
    positions_RL: torch.Tensor
    features_NFM: torch.Tensor

    @property
    def num_tokens(self) -> int:
        """Positions that are not padding."""
        return int((self.segments_RL > 0).sum())

    @property
    def longest(self) -> int:
        """Positions of the longest stream."""
        return int(self.positions_RL.max()) + 1

    @property
    def num_control(self) -> int:
        """Positions that train the decision."""
        return int((self.kinds_RL == CONTROL).sum())

    @property
    def num_text(self) -> int:
        """Positions that train the words."""
        return int((self.kinds_RL == TEXT).sum())

    def to(self, device: torch.device) -> Batch:
        """Returns the batch on a device."""
        tensors = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "keys"}
        return replace(self, **{name: tensor.to(device, non_blocking=True) for name, tensor in tensors.items()})


def plan_rows(lengths: Sequence[int], capacity: int) -> list[list[int]]:
    """Fills as few rows as first fit needs, then levels them, so that all are of about one length.

    Args:
        lengths: Tokens of each stream.
        capacity: Tokens of a row.

    Returns:
        Indices of the streams of each row; a row's streams are in their original order.

    Raises:
        SoundFlowError: A stream is longer than a row.
    """
    longest_first = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    rows = _first_fit(lengths, longest_first, capacity)
    level = _level(lengths, longest_first, len(rows))
    if all(sum(lengths[i] for i in row) <= capacity for row in level):
        rows = level
    return [sorted(row) for row in rows]


def _first_fit(lengths: Sequence[int], order: list[int], capacity: int) -> list[list[int]]:
    rows: list[list[int]] = []
    left: list[int] = []
    for i in order:
        if lengths[i] > capacity:
            raise SoundFlowError(f"stream {i} has {lengths[i]} tokens, more than a row of {capacity}; raise row_tokens")
        row = next((r for r in range(len(rows)) if left[r] >= lengths[i]), None)
        if row is None:
            rows.append([])
            left.append(capacity)
            row = len(rows) - 1
        rows[row].append(i)
        left[row] -= lengths[i]
    return rows


def _level(lengths: Sequence[int], order: list[int], num_rows: int) -> list[list[int]]:
    """Puts each stream into the shortest row so far: rows of about one length need little padding."""
    rows: list[list[int]] = [[] for _ in range(num_rows)]
    filled = [0] * num_rows
    for i in order:
        row = min(range(num_rows), key=lambda r: (filled[r], r))
        rows[row].append(i)
        filled[row] += lengths[i]
    return rows


def pack(examples: Sequence[Example], *, row_tokens: int, rows_per_batch: int) -> list[Batch]:
    """Packs examples into batches of one row each, without padding.

    Args:
        examples: The streams.
        row_tokens: No stream may be longer.
        rows_per_batch: A batch has at most so many times `row_tokens` tokens.

    Raises:
        SoundFlowError: A stream is longer than `row_tokens`; the message names it.
    """
    for example in examples:
        if len(example.sequence.tokens) > row_tokens:
            raise SoundFlowError(
                f"stream {example.key!r} has {len(example.sequence.tokens)} tokens, more than row_tokens {row_tokens}; "
                "raise row_tokens, or leave long streams out with `where: seconds < ...`"
            )
    rows = plan_rows([len(example.sequence.tokens) for example in examples], row_tokens * rows_per_batch)
    return [_collate([[examples[i] for i in row]]) for row in rows]


def pad(examples: Sequence[Example], *, rows_per_batch: int) -> list[Batch]:
    """Puts each example into a row of its own, in order: what packing is compared with."""
    starts = range(0, len(examples), rows_per_batch)
    return [_collate([[example] for example in examples[s : s + rows_per_batch]]) for s in starts]


def useful_share(batches: Sequence[Batch]) -> float:
    """Returns the share of positions that are not padding."""
    return sum(batch.num_tokens for batch in batches) / max(1, sum(batch.tokens_RL.numel() for batch in batches))


def _collate(rows: list[list[Example]]) -> Batch:
    length = max(sum(len(example.sequence.tokens) for example in row) for row in rows)
    tokens, segments, positions = (np.zeros((len(rows), length), np.int64) for _ in range(3))
    labels = np.full((len(rows), length), IGNORE, np.int64)
    kinds = np.full((len(rows), length), NOTHING, np.uint8)
    for r, row in enumerate(rows):
        start = 0
        for segment, example in enumerate(row, 1):
            sequence = example.sequence
            span = np.s_[r, start : start + len(sequence.tokens)]
            tokens[span], labels[span], kinds[span] = sequence.tokens, sequence.labels, sequence.kinds
            segments[span] = segment
            positions[span] = np.arange(len(sequence.tokens))
            start += len(sequence.tokens)
    return Batch(
        keys=tuple(tuple(example.key for example in row) for row in rows),
        tokens_RL=torch.from_numpy(tokens),
        labels_RL=torch.from_numpy(labels),
        kinds_RL=torch.from_numpy(kinds),
        segments_RL=torch.from_numpy(segments),
        positions_RL=torch.from_numpy(positions),
        features_NFM=torch.from_numpy(np.concatenate([example.features for row in rows for example in row])),
    )
