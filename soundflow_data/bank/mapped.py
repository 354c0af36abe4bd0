"""Files that are mapped instead of read, so that workers share their pages and can give them back."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soundflow_data.errors import BankError


class MappedFile:
    """A read-only mapping of a whole file.

    Args:
        path: The file.
        size: Bytes that it must have.

    Raises:
        BankError: It is missing or has another size.
    """

    __slots__ = ("_map", "path", "size")

    def __init__(self, path: Path, size: int) -> None:
        check_size(path, size)
        self.path = path
        self.size = size
        with path.open("rb") as file:
            # CPython keeps a duplicate of the descriptor for as long as the map lives; banks map parts on first use.
            self._map = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)

    def __getitem__(self, span: slice) -> bytes:
        return self._map[span]

    def array(self, dtype: str, count: int = -1, offset: int = 0) -> NDArray[Any]:
        """Returns a read-only view."""
        return np.frombuffer(self._map, dtype, count, offset)

    def integers(self, count: int) -> memoryview:
        """Returns the first `count` 64-bit integers; indexing gives Python integers, twice as fast as numpy scalars."""
        return memoryview(self._map)[: 8 * count].cast("q")

    def release(self) -> None:
        """Lets the operating system take the pages back; they are read again when touched."""
        self._map.madvise(mmap.MADV_DONTNEED)


def check_size(path: Path, size: int) -> None:
    """Raises BankError unless the file is there and has the size."""
    try:
        found = path.stat().st_size
    except FileNotFoundError as error:
        raise BankError(f"bank {path.parent} lacks {path.name}; build the bank again") from error
    if found != size:
        raise BankError(f"bank {path.parent}: {path.name} has {found} bytes where {size} belong; build the bank again")
