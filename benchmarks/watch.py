"""How much memory a process has needed, watched from inside."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import msgspec

T = TypeVar("T")

_PERIOD_S: Final = 0.01
_STATUS: Final = Path("/proc/self/status")


class Peak(msgspec.Struct, frozen=True, kw_only=True):
    """The most memory that a process had at once, in MB of 10^6 bytes.

    Attributes:
        rss: Resident pages, those of mapped files included, which all workers of a machine share.
        anonymous: Pages of its own, which nobody else can use and the system cannot take back.
    """

    rss: float
    anonymous: float


class Seen(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """What a function returned, and the peak of the process since it started."""

    value: T
    peak: Peak


class Watched(msgspec.Struct, frozen=True):
    """A function that also tells how much memory its process has needed; can be sent to a worker."""

    function: Callable[[Any], Any]

    def __call__(self, task: Any) -> Seen[Any]:
        """Calls the function, looking at the memory a hundred times per second."""
        stop = threading.Event()
        largest = {"RssAnon": 0.0}

        def look() -> None:
            while not stop.wait(_PERIOD_S):
                largest["RssAnon"] = max(largest["RssAnon"], memory_mb("RssAnon"))

        watcher = threading.Thread(target=look, daemon=True)
        watcher.start()
        try:
            value = self.function(task)
        finally:
            stop.set()
            watcher.join()
        return Seen(
            value=value, peak=Peak(rss=memory_mb("VmHWM"), anonymous=max(largest["RssAnon"], memory_mb("RssAnon")))
        )


def memory_mb(field: str) -> float:
    """Returns a field of this process's status, such as `VmHWM` (peak of resident pages) or `RssAnon`, in MB."""
    for line in _STATUS.read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024 / 1e6
    raise AssertionError(field)
