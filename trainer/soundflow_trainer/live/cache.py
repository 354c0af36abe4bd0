"""Keys and values of several sessions side by side, in memory that is taken once and never grows.

    slot 0   | prefix | kept chunks ............ | free ........ |
    slot 1   | prefix | kept chunks ....... | free ............. |
                      ^ the oldest are dropped here when a slot is full

The policy for long sessions is a sliding window: the prefix (the instruction) stays for ever, and when a slot is full
the oldest quarter of the rest goes. What stays moves forward, so that positions never exceed the capacity: a key that
was rotated for position p is rotated back by the number of dropped positions, which is exact for rotary embeddings.
What was dropped lives on only as far as the kept values have taken it in.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from soundflow_data.errors import SoundFlowError
from soundflow_trainer.attention import Rows
from soundflow_trainer.model import AudioInteractionModel


class SlotCache:
    """The cache of all sessions. S slots, H key-value heads, T positions, D values per head.

    Args:
        model: Whose keys and values these are.
        slots: Number of sessions.
        capacity: Positions of each.
    """

    def __init__(self, model: AudioInteractionModel, *, slots: int, capacity: int) -> None:
        config = model.config.text_config
        head = config.hidden_size // config.num_attention_heads
        shape = (slots, config.num_key_value_heads, capacity, head)
        weight = model.lm_head.weight
        self.capacity = capacity
        self.lengths = [0] * slots
        self._keys = [weight.new_zeros(shape) for _ in range(config.num_hidden_layers)]
        self._values = [weight.new_zeros(shape) for _ in range(config.num_hidden_layers)]
        self._frequencies = model.language_model.rotary_emb.inv_freq

    @property
    def num_bytes(self) -> int:
        """Memory that the cache takes."""
        return sum(tensor.nbytes for tensor in (*self._keys, *self._values))

    def clear(self, slot: int) -> None:
        """Forgets a session."""
        self.lengths[slot] = 0

    def view(self, slots: Sequence[int], counts: Sequence[int]) -> SlotView:
        """Makes room for new positions of some slots; see `SlotView`."""
        return SlotView(self, slots, counts)

    def make_room(self, slot: int, count: int, keep_first: int) -> int:
        """Drops the oldest positions after the prefix until `count` new ones fit.

        Args:
            slot: Which session.
            count: Positions that will be added.
            keep_first: Length of the prefix.

        Returns:
            Number of positions dropped.

        Raises:
            SoundFlowError: Prefix and new positions alone do not fit.
        """
        length = self.lengths[slot]
        excess = length + count - self.capacity
        if excess <= 0:
            return 0
        old = length - keep_first
        if excess > old:
            raise SoundFlowError(
                f"{count} new positions after a prefix of {keep_first} do not fit into a context of {self.capacity}; "
                "raise the context"
            )
        dropped = min(old, max(excess, old // 4))
        for keys, values in zip(self._keys, self._values, strict=True):
            kept = keys[slot, :, keep_first + dropped : length].clone()
            keys[slot, :, keep_first : length - dropped] = self._rotate_back(kept, dropped)
            values[slot, :, keep_first : length - dropped] = values[slot, :, keep_first + dropped : length].clone()
        self.lengths[slot] = length - dropped
        return dropped

    def _rotate_back(self, keys_HTD: torch.Tensor, positions: int) -> torch.Tensor:
        angles = (self._frequencies.float() * -positions).repeat(2)
        first, second = keys_HTD.chunk(2, dim=-1)
        turned = torch.cat((-second, first), dim=-1)
        return (keys_HTD * angles.cos() + turned * angles.sin()).to(keys_HTD.dtype)

    def write(
        self, layer: int, rows: torch.Tensor, columns: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Stores new keys and values (rows, H, n, D) of one layer and returns whole buffers (S, H, T, D)."""
        self._keys[layer][rows, :, columns] = keys.transpose(1, 2)
        self._values[layer][rows, :, columns] = values.transpose(1, 2)
        return self._keys[layer], self._values[layer]


class SlotView:
    """Some slots of a cache during one forward pass; the language model sees it as its cache.

    Args:
        cache: The cache.
        slots: One slot per row.
        counts: New positions of each row; rows are padded to the longest, and what is padded is written again later.
    """

    def __init__(self, cache: SlotCache, slots: Sequence[int], counts: Sequence[int]) -> None:
        device = cache._keys[0].device
        longest = max(counts)
        starts = torch.tensor([cache.lengths[slot] for slot in slots], device=device)
        self._cache = cache
        self._slots = torch.tensor(list(slots), device=device)
        # Slots side by side are one tensor as they lie; others are read one by one, which is quicker than copying them.
        first, after = slots[0], slots[-1] + 1
        self._side_by_side = slice(first, after) if list(slots) == list(range(first, after)) else None
        self._chosen = list(slots)
        self.positions_RL = starts.unsqueeze(1) + torch.arange(longest, device=device)
        self._ends = [min(cache.capacity, cache.lengths[slot] + longest) for slot in slots]
        self._end = max(self._ends)
        # A padded position may lie past the end of the buffer; it is folded onto the last one, which is free then.
        self._columns = self.positions_RL.clamp(max=cache.capacity - 1)
        self.mask = torch.arange(self._end, device=device) <= self.positions_RL.unsqueeze(-1)
        self.mask = self.mask.unsqueeze(1)

    def update(
        self, keys: torch.Tensor, values: torch.Tensor, layer_idx: int, _settings: object = None
    ) -> tuple[torch.Tensor | Rows, torch.Tensor | Rows]:
        """Stores new keys and values and returns all of these slots, as `transformers` caches do."""
        all_keys, all_values = self._cache.write(layer_idx, self._slots.unsqueeze(1), self._columns, keys, values)
        if self._side_by_side is not None:
            return all_keys[self._side_by_side, :, : self._end], all_values[self._side_by_side, :, : self._end]
        places = list(zip(self._chosen, self._ends, strict=True))
        return (
            tuple(all_keys[slot : slot + 1, :, :end] for slot, end in places),
            tuple(all_values[slot : slot + 1, :, :end] for slot, end in places),
        )

    def get_seq_length(self, _layer: int = 0) -> int:
        """Returns 0: positions and masks are given in full."""
        return 0
