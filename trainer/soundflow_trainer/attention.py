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
Span = tuple[int, int, int]  # row, first position, position after the last


def spans_of(segments_RL: torch.Tensor) -> tuple[Span, ...]:
    """Returns where each stream lies, row by row; segment 0 is padding."""
    spans = []
    for r, row in enumerate(segments_RL.tolist()):
        start = 0
        for at in range(1, len(row) + 1):
            if at == len(row) or row[at] != row[start]:
                if row[start]:
                    spans.append((r, start, at))
                start = at
    return tuple(spans)


def packed_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    spans: tuple[Span, ...] | None = None,
    scaling: float | None = None,
    **settings: Any,
) -> tuple[torch.Tensor, None]:
    """Attends within each span; without spans it is the usual attention under a mask.

    Args:
        module: The attention layer, whose key-value heads are shared by groups of query heads.
        query: (rows, heads, positions, values per head).
        key: (rows, key-value heads, keys, values per head).
        value: As `key`.
        attention_mask: Only used without spans.
        spans: Where the streams lie.
        scaling: Of the products.
        settings: What else `transformers` passes on.

    Returns:
        (rows, positions, heads, values per head), zero at padding, and no weights.
    """
    if spans is None:
        output, _ = sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **settings)
        return output, None
    groups = query.shape[1] // key.shape[1]
    key, value = (tensor.repeat_interleave(groups, dim=1) for tensor in (key, value))
    output = torch.zeros_like(query)
    for r, start, end in spans:
        part = (tensor[r : r + 1, :, start:end] for tensor in (query, key, value))
        output[r : r + 1, :, start:end] = functional.scaled_dot_product_attention(*part, is_causal=True, scale=scaling)
    return output.transpose(1, 2), None


AttentionInterface.register(NAME, packed_attention)
