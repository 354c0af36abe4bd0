"""What workers leave behind: small files of some utterances each, which `assemble` puts together into a bank.

    8 bytes   length of the head
    head      msgpack: one `Entry` per utterance, good or failed
    samples   int16, one good utterance after the other

A piece appears whole or not at all, and its name follows from what was asked for, so that whoever makes it again
replaces it by the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from soundflow_data.errors import BankError
from soundflow_data.shards.storage import Storage, write_bytes
from soundflow_data.speech.engine import Voice
from soundflow_data.speech.making import Failed, Made, Result
from soundflow_data.timeline import Word

_HEAD: Final = 8
_SUFFIX: Final = ".piece"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One utterance of a piece.

    Attributes:
        address: Its content address.
        text: Spoken form.
        voice: Who says it.
        attempts: How often it was spoken.
        start: First sample in the piece.
        num_samples: Length; 0 for one that failed.
        words: Words with times.
        aligner: Who found the times.
        scores: Of each word.
        checked_by: Recogniser; empty when unchecked.
        wer: What it found.
        reason: Why it failed; empty for a good one.
        message: The same in full.
    """

    address: str
    text: str
    voice: Voice
    attempts: int
    start: int = 0
    num_samples: int = 0
    words: tuple[Word, ...] = ()
    aligner: str = ""
    scores: tuple[float, ...] = ()
    checked_by: str = ""
    wer: float | None = None
    reason: str = ""
    message: str = ""


def piece_name(addresses: Iterable[str]) -> str:
    """Returns the name of the piece that has these utterances."""
    return hashlib.blake2b("".join(addresses).encode(), digest_size=16).hexdigest() + _SUFFIX


def write_piece(storage: Storage, name: str, results: Sequence[Result]) -> None:
    """Writes a piece, whole or not at all.

    Raises:
        RunError: The storage is full or not writable.
    """
    entries, start = [], 0
    for result in results:
        entries.append(_entry(result, start))
        start += entries[-1].num_samples
    head = msgspec.msgpack.encode(entries)
    pcm = b"".join(result.pcm.astype("<i2").tobytes() for result in results if isinstance(result, Made))
    write_bytes(storage, name, len(head).to_bytes(_HEAD, "little") + head + pcm)


def list_pieces(storage: Storage) -> list[str]:
    """Returns the names of the pieces that are there, sorted."""
    return [name for name in storage.list() if name.endswith(_SUFFIX)]


class Piece:
    """An opened piece.

    Args:
        storage: Where it is.
        name: Its name.

    Raises:
        BankError: It is damaged.
    """

    def __init__(self, storage: Storage, name: str) -> None:
        self._storage = storage
        self._name = name
        size = int.from_bytes(storage.read(name, 0, _HEAD), "little")
        self._pcm = _HEAD + size
        try:
            self.entries = msgspec.msgpack.decode(storage.read(name, _HEAD, size), type=list[Entry])
        except msgspec.DecodeError as error:
            raise self._damaged(str(error)) from error
        wanted = self._pcm + 2 * sum(entry.num_samples for entry in self.entries)
        if storage.size(name) != wanted:
            raise self._damaged(f"{storage.size(name)} bytes where {wanted} belong")

    def pcm(self, entry: Entry) -> NDArray[np.int16]:
        """Returns the samples of an utterance."""
        data = self._storage.read(self._name, self._pcm + 2 * entry.start, 2 * entry.num_samples)
        samples: NDArray[Any] = np.frombuffer(data, "<i2")
        return samples.astype(np.int16, copy=False)

    def _damaged(self, what: str) -> BankError:
        return BankError(f"{self._storage.locate(self._name)} is damaged ({what}); remove it and run the command again")


def _entry(result: Result, start: int) -> Entry:
    wanted = result.wanted
    common: dict[str, Any] = {
        "address": wanted.address,
        "text": wanted.text,
        "voice": wanted.voice,
        "attempts": result.attempts,
    }
    if isinstance(result, Failed):
        return Entry(**common, reason=result.reason, message=result.message)
    return Entry(
        **common,
        start=start,
        num_samples=len(result.pcm),
        words=result.words,
        aligner=result.aligner,
        scores=result.scores,
        checked_by=result.checked_by,
        wer=result.wer,
    )
