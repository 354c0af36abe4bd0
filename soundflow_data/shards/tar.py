"""Plain USTAR members, written and read without Python's `tarfile`, which takes twice as long for the same bytes.

    | header 512 | audio ... zeros to a multiple of 512 | header 512 | JSON ... zeros | next stream ... | 1024 zeros |

Time, owner and mode are constants, so that equal streams give equal bytes (POSIX.1-1988, "ustar" format).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from soundflow_data.errors import ShardError
from soundflow_data.shards.storage import StoredFile

BLOCK: Final = 512
END: Final = bytes(2 * BLOCK)
MAX_NAME: Final = 100
_CHECKSUM_AT: Final = 148
_OCTAL: Final = frozenset(b"01234567")
_TEMPLATE: Final = (
    bytes(MAX_NAME)
    + b"0000644\0"  # mode
    + b"0000000\0" * 2  # owner, group
    + b"00000000000\0"  # size
    + b"00000000000\0"  # time of change
    + b"        "  # the checksum is computed over spaces in its own place
    + b"0"  # a plain file
    + bytes(100)  # link
    + b"ustar\x0000"
    + bytes(247)  # owner's names, device, name prefix, padding
)
_TEMPLATE_SUM: Final = sum(_TEMPLATE) - sum(b"00000000000")


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a tar: its name, where its bytes begin, and how many there are."""

    name: str
    offset: int
    size: int

    @property
    def end(self) -> int:
        """Where the next header begins."""
        return self.offset + padded(self.size)


def padded(size: int) -> int:
    """Returns the number of bytes that a member of `size` bytes takes, without its header."""
    return -(-size // BLOCK) * BLOCK


def header(name: str, size: int) -> bytes:
    """Returns the 512 bytes before a member.

    Raises:
        ShardError: The name does not fit, or the member has 8 GiB or more.
    """
    encoded = name.encode("ascii")
    if len(encoded) > MAX_NAME or size >= 8 << 30:
        raise ShardError(
            f"{name}: {len(encoded)} characters and {size} bytes; a tar member has at most {MAX_NAME} characters and "
            "less than 8 GiB, so shorten the key or the stream"
        )
    octal = b"%011o" % size
    checksum = _TEMPLATE_SUM + sum(encoded) + sum(octal)
    head = bytearray(_TEMPLATE)
    head[: len(encoded)] = encoded
    head[124:135] = octal
    head[_CHECKSUM_AT : _CHECKSUM_AT + 8] = b"%06o\0 " % checksum
    return bytes(head)


def scan(file: StoredFile, size: int) -> Iterator[Member]:
    """Reads the headers of a tar that `header` made.

    Args:
        file: The tar.
        size: Its length in bytes.

    Raises:
        ShardError: A header is damaged, a member is cut off, or the end is missing; the message says where.
    """
    at = 0
    while (head := file.read(at, BLOCK)) != END[:BLOCK]:
        member = _parse(head, at, size)
        yield member
        at = member.end
    if file.read(at, len(END)) != END or at + len(END) != size:
        raise ShardError(f"at byte {at}: the tar does not end with two blocks of zeros right after the last member")


def _parse(head: bytes, at: int, end: int) -> Member:
    name = head[:MAX_NAME].rstrip(b"\0").decode("ascii", "backslashreplace")
    octal = head[124:135]
    size = int(octal, 8) if len(octal) == 11 and set(octal) <= _OCTAL else -1
    if size < 0 or not name.isascii() or len(name) > MAX_NAME or head != header(name, size):
        raise ShardError(f"at byte {at}: not the header of a tar member (the name reads {name[:40]!r})")
    member = Member(name=name, offset=at + BLOCK, size=size)
    if member.end > end:
        raise ShardError(f"at byte {at}: member {name!r} needs {member.end} bytes, but the tar has {end}")
    return member
