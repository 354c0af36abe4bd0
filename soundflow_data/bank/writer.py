"""Writes the files of a bank, one clip after another, holding none of them."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash
from numpy.typing import NDArray

from soundflow_data.audio.levels import ENERGY_BLOCK
from soundflow_data.bank.clip import Clip
from soundflow_data.bank.format import (
    FORMAT,
    INDEX,
    LOOKUP,
    PART_SAMPLES,
    QUARANTINE,
    RECORDS,
    SCHEMA,
    BankInfo,
    part_names,
    write_info,
)
from soundflow_data.bank.source import Dropped
from soundflow_data.timeline import SAMPLE_RATE

_ROWS_PER_GROUP = 16_384


class BankWriter:
    """Appends clips to a folder.

    Args:
        folder: An empty folder.
        part_samples: Longest PCM file, by default `PART_SAMPLES`; a single clip may be longer.
    """

    def __init__(self, folder: Path, *, part_samples: int | None = None) -> None:
        self._folder = folder
        self._part_samples = PART_SAMPLES if part_samples is None else part_samples
        self._pcm: _HashedFile | None = None
        self._energy: BinaryIO | None = None
        self._total_energy = 0
        self._parts: list[int] = []
        self._digests: list[str] = []
        self._records = _HashedFile(folder / RECORDS)
        self._index = pq.ParquetWriter(folder / INDEX, SCHEMA, compression="zstd")
        self._pending: list[Clip] = []
        self._quarantine = (folder / QUARANTINE).open("wb")
        self._offsets = _Growing(np.int64)
        self._hashes = _Growing(np.uint64)
        self._ids: set[str] = set()
        self._samples_by_kind: Counter[str] = Counter()
        self._samples_by_licence: Counter[str] = Counter()
        self._drops: Counter[str] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close_part()
        self._records.close()
        self._quarantine.close()
        self._index.close()

    @property
    def num_clips(self) -> int:
        """Clips written so far."""
        return len(self._offsets)

    @property
    def num_samples(self) -> int:
        """Samples written so far."""
        return self._samples_by_kind.total()

    @property
    def drops(self) -> Counter[str]:
        """Items that could not be used so far, by reason."""
        return self._drops

    def has(self, clip_id: str) -> bool:
        """Tells whether a clip of this id was written."""
        return clip_id in self._ids

    def drop(self, dropped: Dropped) -> None:
        """Notes an item that could not be used."""
        self._drops[dropped.reason] += 1
        self._quarantine.write(msgspec.json.encode(dropped) + b"\n")

    def add(self, clip: Clip, pcm: NDArray[np.int16]) -> None:
        """Appends a clip.

        Args:
            clip: Its description; `row`, `part` and `start` are filled in here.
            pcm: int16 (clip.num_samples,).
        """
        assert len(pcm) == clip.num_samples
        part, start = self._append_pcm(pcm)
        self._describe(msgspec.structs.replace(clip, row=self.num_clips, part=part, start=start))

    def adopt(self, bank: Path, info: BankInfo) -> None:
        """Takes all samples of a bank into an empty one, as links to its files where the disk allows it.

        Banks never change once they are written, so that two may share their samples.
        """
        assert not self._parts
        for part in range(len(info.parts)):
            for name in part_names(part):
                _link(bank / name, self._folder / name)
        self._parts = list(info.parts)
        self._digests = list(info.digests[1:])  # the first is that of the records

    def describe(self, clip: Clip) -> None:
        """Appends a clip whose samples are adopted; its `part` and `start` say where."""
        self._describe(msgspec.structs.replace(clip, row=self.num_clips))

    def _describe(self, clip: Clip) -> None:
        self._ids.add(clip.id)
        self._offsets.append(self._records.size)
        self._hashes.append(id_hash(clip.id))
        self._records.write(msgspec.msgpack.encode(clip))
        self._samples_by_kind[clip.kind] += clip.num_samples
        self._samples_by_licence[clip.licence] += clip.num_samples
        self._pending.append(clip)
        if len(self._pending) == _ROWS_PER_GROUP:
            self._flush_rows()

    def finish(self, **known: Any) -> BankInfo:
        """Writes what is still open, `bank.json` last.

        Args:
            known: The fields of `BankInfo` that only the builder knows.
        """
        self._close_part()
        self._flush_rows()
        self._index.close()
        self._records.close()
        self._quarantine.close()
        self._write_lookup()
        digests = (self._records.hexdigest, *self._digests)
        info = BankInfo(
            format=FORMAT,
            fingerprint=hashlib.sha256("\n".join(digests).encode()).hexdigest(),
            digests=digests,
            num_clips=self.num_clips,
            hours=_hours(self.num_samples),
            hours_by_kind={key: _hours(value) for key, value in sorted(self._samples_by_kind.items())},
            hours_by_licence={key: _hours(value) for key, value in sorted(self._samples_by_licence.items())},
            drops=dict(sorted(self._drops.items())),
            parts=tuple(self._parts),
            records_size=self._records.size,
            **known,
        )
        write_info(self._folder, info)
        return info

    def _append_pcm(self, pcm: NDArray[np.int16]) -> tuple[int, int]:
        padding = -len(pcm) % ENERGY_BLOCK
        if not self._parts or self._parts[-1] + len(pcm) + padding > self._part_samples:
            self._open_part()
        assert self._pcm is not None
        assert self._energy is not None
        blocks = np.zeros(len(pcm) + padding, "<i2")
        blocks[: len(pcm)] = pcm
        self._pcm.write(blocks.tobytes())
        squares = np.square(blocks.reshape(-1, ENERGY_BLOCK), dtype=np.int32).sum(axis=1, dtype=np.int64)
        energy = self._total_energy + np.cumsum(squares)
        self._energy.write(energy.astype("<i8").tobytes())
        self._total_energy = int(energy[-1]) if len(energy) else self._total_energy
        start = self._parts[-1]
        self._parts[-1] += len(blocks)
        return len(self._parts) - 1, start

    def _open_part(self) -> None:
        self._close_part()
        pcm_name, energy_name = part_names(len(self._parts))
        self._parts.append(0)
        self._pcm = _HashedFile(self._folder / pcm_name)
        self._energy = (self._folder / energy_name).open("wb")
        self._energy.write(bytes(8))
        self._total_energy = 0

    def _close_part(self) -> None:
        if self._pcm is not None and self._energy is not None:
            self._pcm.close()
            self._energy.close()
            self._digests.append(self._pcm.hexdigest)
            self._pcm = self._energy = None

    def _flush_rows(self) -> None:
        if self._pending:
            columns = {field.name: [getattr(clip, field.name) for clip in self._pending] for field in SCHEMA}
            columns["words"] = [
                [{"text": word.text, "start": word.start, "end": word.end} for word in words]
                for words in columns["words"]
            ]
            self._index.write_table(pa.table(columns, schema=SCHEMA))
            self._pending.clear()

    def _write_lookup(self) -> None:
        offsets = np.append(self._offsets.array(), np.int64(self._records.size))
        hashes = self._hashes.array()
        order = np.argsort(hashes, kind="stable")
        with (self._folder / LOOKUP).open("wb") as file:
            file.write(offsets.astype("<i8").tobytes())
            file.write(hashes[order].astype("<u8").tobytes())
            file.write(order.astype("<u4").tobytes())


def id_hash(clip_id: str) -> int:
    """Returns the 64-bit hash under which a clip's row is looked up."""
    return xxhash.xxh3_64_intdigest(clip_id.encode())


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP}:
            raise
        shutil.copyfile(source, target)


def _hours(num_samples: int) -> float:
    return round(num_samples / SAMPLE_RATE / 3600, 6)


class _HashedFile:
    """A file that is written once, and the digest of what was written."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._sha256 = hashlib.sha256()
        self.size = 0

    @property
    def hexdigest(self) -> str:
        return self._sha256.hexdigest()

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._sha256.update(data)
        self.size += len(data)

    def close(self) -> None:
        if not self._file.closed:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()


class _Growing:
    """An array that grows by doubling: a list would hold one Python object per clip."""

    def __init__(self, dtype: type[np.generic]) -> None:
        self._values: NDArray[Any] = np.empty(1024, dtype)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def append(self, value: int) -> None:
        if self._length == len(self._values):
            self._values = np.concatenate([self._values, np.empty_like(self._values)])
        self._values[self._length] = value
        self._length += 1

    def array(self) -> NDArray[Any]:
        return self._values[: self._length]
