"""A receipt says that a shard is complete: written last, equal whoever made the shard."""

from __future__ import annotations

import functools
import importlib.metadata
import platform
from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from soundflow_data.errors import ShardError
from soundflow_data.shards.layout import FORMAT_VERSION, RECEIPTS, Codec, ShardSpec
from soundflow_data.shards.storage import Storage
from soundflow_data.timeline import SAMPLE_RATE


class RunIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """What every shard of a run has in common.

    Attributes:
        fingerprint: Of the recipe and the banks; shards of another fingerprint are not reused.
        seed: The recipe's seed.
        software: Versions of what the bytes depend on.
    """

    fingerprint: str
    seed: int
    software: dict[str, str] = {}


class FileRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Length and SHA-256 (hexadecimal) of one file of a shard."""

    size: int
    sha256: str


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How much a shard holds."""

    streams: int
    events: int
    responses: int
    chunks: int
    silent_chunks: int
    samples: int

    @property
    def seconds(self) -> float:
        """Audio in seconds."""
        return self.samples / SAMPLE_RATE


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about a finished shard.

    Attributes:
        format: Version of the run directory's layout.
        shard: Which shard.
        identity: What the shard was made from.
        codec: How its audio is encoded.
        counts: How much it holds.
        seconds: Audio in it.
        drops: Number of streams that could not be made, by reason.
        files: Every file of the shard but the receipt itself, by path.
    """

    format: int
    shard: ShardSpec
    identity: RunIdentity
    codec: Codec
    counts: Counts
    seconds: float
    drops: dict[str, int]
    files: dict[str, FileRecord]

    @property
    def num_bytes(self) -> int:
        """Bytes of all files of the shard."""
        return sum(file.size for file in self.files.values())


Trouble = Literal["unreadable", "other recipe", "other format", "missing file", "other size"]


class ReceiptProblem(msgspec.Struct, frozen=True, kw_only=True):
    """A receipt that cannot be relied on; its shard is made again.

    Attributes:
        path: The receipt's path.
        trouble: What kind of problem.
        detail: What exactly.
        receipt: What it says, when it can be read.
    """

    path: str
    trouble: Trouble
    detail: str
    receipt: Receipt | None = None


class ReceiptScan(msgspec.Struct, frozen=True, kw_only=True):
    """All receipts of a run directory.

    Attributes:
        receipts: The valid ones, by shard.
        problems: The others.
    """

    receipts: dict[int, Receipt]
    problems: tuple[ReceiptProblem, ...]

    def missing(self, shards: range) -> Iterator[int]:
        """Yields the shards that are still to be made."""
        return (index for index in shards if index not in self.receipts)


_encoder: Final = msgspec.json.Encoder(order="deterministic")
_decoder: Final = msgspec.json.Decoder(Receipt)


def encode_receipt(receipt: Receipt) -> bytes:
    """Returns the JSON of a receipt, indented for people; equal receipts give equal bytes."""
    return msgspec.json.format(_encoder.encode(receipt), indent=2) + b"\n"


def decode_receipt(data: bytes) -> Receipt:
    """Reads a receipt.

    Raises:
        ShardError: It is not one; the message names the field.
    """
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ShardError(f"not a receipt: {error}") from error


def list_receipts(storage: Storage) -> list[Receipt]:
    """Returns the receipts that can be relied on, by shard; `scan_receipts` also tells what is wrong with others."""
    return list(scan_receipts(storage).receipts.values())


def scan_receipts(storage: Storage, fingerprint: str | None = None) -> ReceiptScan:
    """Reads every receipt and checks that its files are there with the recorded lengths.

    Args:
        storage: The run directory.
        fingerprint: Of the recipe and banks at hand; None accepts any.
    """
    receipts: dict[int, Receipt] = {}
    problems: list[ReceiptProblem] = []
    for path in storage.list(RECEIPTS):
        try:
            receipt = decode_receipt(storage.read(path))
        except ShardError as error:
            problems.append(ReceiptProblem(path=path, trouble="unreadable", detail=str(error)))
            continue
        problem = _problem(storage, path, receipt, fingerprint)
        if problem is None:
            receipts[receipt.shard.index] = receipt
        else:
            problems.append(problem)
    return ReceiptScan(receipts=dict(sorted(receipts.items())), problems=tuple(problems))


def _problem(storage: Storage, path: str, receipt: Receipt, fingerprint: str | None) -> ReceiptProblem | None:
    def problem(trouble: Trouble, detail: str) -> ReceiptProblem:
        return ReceiptProblem(path=path, trouble=trouble, detail=detail, receipt=receipt)

    if path != receipt.shard.receipt:
        return problem("unreadable", f"holds the receipt of shard {receipt.shard.index}")
    if receipt.format != FORMAT_VERSION:
        return problem("other format", f"format {receipt.format}; this version writes format {FORMAT_VERSION}")
    if fingerprint is not None and receipt.identity.fingerprint != fingerprint:
        return problem("other recipe", f"made from {receipt.identity.fingerprint}; this run is {fingerprint}")
    for name, file in receipt.files.items():
        if not storage.exists(name):
            return problem("missing file", f"{name} is missing")
        if (size := storage.size(name)) != file.size:
            return problem("other size", f"{name} has {size} bytes; the receipt says {file.size}")
    return None


@functools.cache
def software_versions() -> dict[str, str]:
    """Returns the versions of the packages that the bytes of a shard depend on."""
    packages = ("msgspec", "numba", "numpy", "pyarrow", "soundfile")
    versions = {package: importlib.metadata.version(package) for package in packages}
    return {"python": ".".join(platform.python_version_tuple()[:2]), **versions}
