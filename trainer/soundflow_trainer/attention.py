"""Attention over packed rows, stream by stream: what a mask would blank out is not computed.

row   | stream a ........ | stream b ...... | padding |
work  | a x a, causal     | b x b, causal   | none    |       instead of one row x row product under a mask
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import nn
from torch.nn import functional
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

NAME: Final = "soundflow_packed"
Span = tuple[int, bool]  # number of positions, and whether they are a stream (padding otherwise)
Spans = tuple[tuple[Span, ...], ...]  # row by row; the spans of a row fill it

Rows = tuple[torch.Tensor, ...]  # keys or values row by row, each (1, heads, keys, values per head)


def spans_of(segments_RL: torch.Tensor) -> Spans:
    """Returns how long each stream is, row by row; segment 0 is padding."""
    rows = []
    for row in segments_RL:
        segments, counts = torch.unique_consecutive(row, return_counts=True)
        rows.append(tuple(zip(counts.tolist(), (segments > 0).tolist(), strict=True)))
    return tuple(rows)


def packed_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor | Rows,
    value: torch.Tensor | Rows,
    attention_mask: torch.Tensor | None,
    *,
    spans: Spans | None = None,
    scaling: float | None = None,
    **settings: Any,
) -> tuple[torch.Tensor, None]:
    """Attends within each span; without spans it is the usual attention, under the mask if there is one.

    Args:
        module: The attention layer, whose key-value heads are shared by groups of query heads.
        query: (rows, heads, positions, values per head).
        key: (rows, key-value heads, keys, values per head), or, with a mask, row by row with as many keys as each has.
        value: As `key`.
        attention_mask: Only used without spans.
        spans: How long the streams are.
        scaling: Of the products.
        settings: What else `transformers` passes on.

    Returns:
        (rows, positions, heads, values per head), zero at padding, and no weights.
    """
    if spans is None and attention_mask is not None:
        return _attend_under_mask(query, key, value, attention_mask, scaling), None
    assert not isinstance(key, tuple)
    assert not isinstance(value, tuple)
    if spans is None:
        output, _ = sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **settings)
        return output, None
    rows = [
        _attend_row(row, query[r : r + 1], key[r : r + 1], value[r : r + 1], scaling) for r, row in enumerate(spans)
    ]
    return torch.cat(rows) if len(rows) > 1 else rows[0], None


def _attend_under_mask(
    query: torch.Tensor, key: torch.Tensor | Rows, value: torch.Tensor | Rows, mask: torch.Tensor, scale: float | None
) -> torch.Tensor:
    """Returns (rows, positions, heads, values per head); keys and values are read where they lie.

    The query heads that share a key-value head stand one after the other as if they were more positions of one head.
    Copying keys and values for each of them is what takes longest when a session's cache is full.
    """
    if isinstance(key, tuple) or isinstance(value, tuple):
        rows = zip(query.split(1), key, value, mask.split(1), strict=True)
        return torch.cat([_attend_under_mask(q, k, v, m[..., : k.shape[2]], scale) for q, k, v, m in rows])
    shared, positions = key.shape[1], query.shape[2]
    folded = query.unflatten(1, (shared, -1)).flatten(2, 3)
    masks = mask.repeat(1, 1, folded.shape[2] // positions, 1)
    output = functional.scaled_dot_product_attention(folded, key, value, attn_mask=masks, scale=scale)
    return output.unflatten(2, (-1, positions)).flatten(1, 2).transpose(1, 2)


def _attend_row(
    spans: tuple[Span, ...], query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float | None
) -> torch.Tensor:
    """Returns (1, positions, heads, values per head) of one row.

    Splitting and joining once keeps the backward pass to one copy; writing span by span into one output would copy the
    gradient of the whole row for every span.
    """
    lengths = [length for length, _ in spans]
    parts = []
    for (_, streams), q, k, v in zip(spans, *(t.split(lengths, dim=2) for t in (query, key, value)), strict=True):
        attended = (
            functional.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scale, enable_gqa=True)
            if streams
            else torch.zeros_like(q)
        )
        parts.append(attended.transpose(1, 2))
    return torch.cat(parts, dim=1)


AttentionInterface.register(NAME, packed_attention)
