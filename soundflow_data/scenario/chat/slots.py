"""A bound on what many processes do at the same time: as many locked files as there may be requests.

A lock belongs to an open file, so it bounds threads as well as processes, and it ends with whoever holds it, however
they end.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from soundflow_data.errors import ChatError

_POLL_S: Final = 0.02


class Slots:
    """Gives out a bounded number of slots.

    Args:
        folder: Shared by all who are bounded together; on a file system with locks (`flock`).
        number: Slots.
        patience_s: Longest wait for one.
    """

    def __init__(self, folder: Path, number: int, patience_s: float) -> None:
        self._folder = folder
        self._number = number
        self._patience_s = patience_s

    @contextmanager
    def slot(self) -> Iterator[int]:
        """Holds one slot, whose number it gives.

        Raises:
            ChatError: None became free in time; the reason is `no free slot`.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        until = time.monotonic() + self._patience_s
        while (taken := self._take()) is None:
            if time.monotonic() > until:
                raise ChatError(
                    f"no slot of {self._number} in {self._folder} became free within {self._patience_s:g} s; does a "
                    "process hang? raise concurrency or end it",
                    reason="no free slot",
                )
            time.sleep(_POLL_S)
        number, handle = taken
        try:
            yield number
        finally:
            os.close(handle)

    def _take(self) -> tuple[int, int] | None:
        for number in range(self._number):
            handle = os.open(self._folder / f"{number:03d}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                os.close(handle)
                if not isinstance(error, BlockingIOError):
                    raise
            else:
                return number, handle
        return None
