"""torch draws from one generator per process; here one thread at a time seeds it, draws, and puts it back."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Final

_LOCK: Final = threading.RLock()


@contextlib.contextmanager
def own_randomness(device: str = "cpu", *, seed: int = 0) -> Iterator[None]:
    """Seeds torch for what is done inside, and leaves the process's random numbers as they were.

    Whoever speaks with a model, and whoever loads one (which draws weights before it reads them), does so in here, so
    that speech does not depend on what other threads do meanwhile.

    Args:
        device: Whose generator is seeded beside the CPU's, such as `cuda`.
        seed: 64 bits.
    """
    import torch  # noqa: PLC0415 - not in the base

    with _LOCK, torch.random.fork_rng([device] if device.startswith("cuda") else []):
        torch.manual_seed(seed)
        yield
