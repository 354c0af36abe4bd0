"""Randomness that belongs to one stream and one purpose, so that stream 123 is the same whoever makes it.

Python's Mersenne Twister is used through `random()` alone: that one method is promised to stay the same in every
version of Python, while `choice`, `sample` and `shuffle` are not.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def derive_seed(*identity: int | str) -> int:
    """Returns the 64-bit seed that belongs to an identity such as (recipe seed, stream index, "compose")."""
    text = "\x1f".join(str(part) for part in identity)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


class Dice:
    """Draws from one generator.

    Args:
        identity: What the draws belong to; equal identities give equal draws.
    """

    __slots__ = ("_random",)

    def __init__(self, *identity: int | str) -> None:
        self._random = random.Random(derive_seed(*identity)).random

    def uniform(self, low: float, high: float) -> float:
        """Draws a number in [low, high)."""
        return low + (high - low) * self._random()

    def integer(self, low: int, high: int) -> int:
        """Draws a whole number from low to high, both included."""
        return low + int(self._random() * (high - low + 1))

    def chance(self, probability: float) -> bool:
        """Is true with the given probability."""
        return self._random() < probability

    def choice(self, items: Sequence[T]) -> T:
        """Draws one item; all are equally likely."""
        return items[int(self._random() * len(items))]

    def weighted(self, items: Sequence[T], weights: Sequence[float]) -> T:
        """Draws one item with probability proportional to its weight."""
        mark = self._random() * sum(weights)
        for item, weight in zip(items, weights, strict=True):
            mark -= weight
            if mark < 0:
                return item
        return items[-1]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Returns the items in random order (Fisher and Yates)."""
        result = list(items)
        for i in range(len(result) - 1, 0, -1):
            j = int(self._random() * (i + 1))
            result[i], result[j] = result[j], result[i]
        return result

    def sample(self, items: Sequence[T], count: int) -> list[T]:
        """Draws `count` different items, in random order."""
        return self.shuffled(items)[:count]
