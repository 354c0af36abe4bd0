"""Pages of Ogg files: what is wrong with them, and new serial numbers for them.

    | "OggS" | version | flags | position 8 | serial 4 | number 4 | checksum 4 | count | sizes (count bytes) | body |

(RFC 3533, section 6.) A decoder skips damaged pages and takes the last whole one for the end, so a cut or damaged file
comes out shorter without a word; the pages themselves tell.
"""

from __future__ import annotations

import zlib
from typing import BinaryIO, Final

_HEADER_BYTES: Final = 27
_END_OF_STREAM: Final = 4  # in the flags
_MIRRORED_BYTES: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def defect(file: BinaryIO) -> str:
    """Returns what is wrong with the pages of an Ogg file, read from its position on; empty if nothing is."""
    flags, at = 0, 0
    while header := file.read(_HEADER_BYTES):
        if len(header) < _HEADER_BYTES:
            return f"ends inside the page at byte {at}"
        if not header.startswith(b"OggS"):
            return f"has no page at byte {at}"
        sizes = file.read(header[26])
        body = file.read(sum(sizes))
        if len(sizes) < header[26] or len(body) < sum(sizes):
            return f"ends inside the page at byte {at}"
        if checksum(header[:22] + bytes(4) + header[26:] + sizes + body) != int.from_bytes(header[22:26], "little"):
            return f"has a page with a wrong checksum at byte {at}"
        flags = header[5]
        at += _HEADER_BYTES + len(sizes) + len(body)
    return "" if flags & _END_OF_STREAM else f"ends at byte {at} without a last page"


def with_serial(ogg: bytes, serial: int) -> bytes:
    """Returns a file of one stream with the given serial number in each page, and each checksum made again."""
    result = bytearray(ogg)
    start = 0
    while start < len(result):
        sizes_end = start + _HEADER_BYTES + result[start + 26]
        end = sizes_end + sum(result[start + _HEADER_BYTES : sizes_end])
        result[start + 14 : start + 18] = serial.to_bytes(4, "little")
        result[start + 22 : start + 26] = bytes(4)
        result[start + 22 : start + 26] = checksum(bytes(result[start:end])).to_bytes(4, "little")
        start = end
    return bytes(result)


def checksum(page: bytes) -> int:
    """Returns the CRC-32 of Ogg: zlib's polynomial, but the most significant bit first and nothing inverted."""
    crc = zlib.crc32(page.translate(_MIRRORED_BYTES), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int.from_bytes(crc.to_bytes(4, "little").translate(_MIRRORED_BYTES), "big")
