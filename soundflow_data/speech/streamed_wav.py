"""WAV files that a server streamed: their header was written before anybody knew how long they would be."""

from __future__ import annotations

from typing import Final

_UNKNOWN: Final = 0x7FFF_0000  # servers write 0xFFFFFFFF or 0x7FFFFFFF, some less a header


def close_wav(data: bytes) -> bytes:
    """Returns a file with the sizes that it has, where its header leaves them open; any other file as it is.

    Whether such a file is whole cannot be seen in it; the transfer that brought it has to say so.

    Args:
        data: All bytes of a file of any kind.
    """
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        return data
    offset = 12
    while offset + 8 <= len(data):
        size = int.from_bytes(data[offset + 4 : offset + 8], "little")
        if data[offset : offset + 4] == b"data":
            held = len(data) - offset - 8
            if size != held and (size == 0 or size >= _UNKNOWN):
                sizes = [(len(data) - 8).to_bytes(4, "little"), held.to_bytes(4, "little")]
                return b"".join((b"RIFF", sizes[0], data[8 : offset + 4], sizes[1], data[offset + 8 :]))
            return data
        offset += 8 + size + size % 2
    return data
