"""JSON files too large to be decoded at once: the elements of one array, one after another."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from soundflow_data.errors import BankError

_TOKEN: Final = re.compile(rb'[\[\]{}]|"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_BETWEEN: Final = b", \t\r\n"
_OPEN: Final = frozenset({b"[", b"{"})
_CLOSE: Final = frozenset({b"]", b"}"})
_START: Final = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*\[")


def elements(source: str, file: Path, key: str = "") -> Iterator[bytes]:
    """Returns the bytes of each object in an array of a JSON file, which is mapped and never held in memory.

    What stands between the objects is returned as it is, so that whoever decodes it can say what is wrong with it.

    Args:
        source: Name of the reader, for messages.
        file: The file.
        key: Name of the array in the file's outermost object; the file itself is the array where empty.

    Raises:
        BankError: The file cannot be read, has no such array, or ends inside it.
    """
    try:
        with file.open("rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield from _elements(source, file, data, key)
    except OSError as error:
        raise BankError(f"source {source!r}: {file} cannot be read ({error.strerror})") from error
    except ValueError as error:
        if isinstance(error, BankError) or file.stat().st_size:
            raise
        raise BankError(f"source {source!r}: {file} is empty") from error


def _elements(source: str, file: Path, data: mmap.mmap, key: str) -> Iterator[bytes]:
    opening = re.compile(rb'"' + re.escape(key.encode()) + rb'"\s*:\s*\[').search(data) if key else _START.match(data)
    if opening is None:
        what = f"an array {key!r}" if key else "an array"
        raise BankError(f"source {source!r}: {file} does not hold {what}; give the corpus's own file")
    depth, start = 1, opening.end()
    for token in _TOKEN.finditer(data, start):
        mark = token[0]
        if mark in _OPEN:
            if depth == 1 and (between := data[start : token.start()].strip(_BETWEEN)):
                yield between
            start = token.start() if depth == 1 else start
            depth += 1
        elif mark in _CLOSE:
            depth -= 1
            if depth == 1:
                yield data[start : token.end()]
                start = token.end()
            elif depth == 0:
                if between := data[start : token.start()].strip(_BETWEEN):
                    yield between
                return
    raise BankError(f"source {source!r}: {file} ends in the middle of its array; was it copied in full?")
