"""An open bank: clips by row, by id and by label, their samples and their energy, mapped and shared."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from soundflow_data.audio.levels import ENERGY_BLOCK, level_db
from soundflow_data.bank.clip import Clip
from soundflow_data.bank.format import INDEX, LOOKUP, RECORDS, BankInfo, part_names, read_info
from soundflow_data.bank.index import Groups, Index, Rows
from soundflow_data.bank.mapped import MappedFile, check_size
from soundflow_data.bank.writer import id_hash
from soundflow_data.errors import BankError

_decoder = msgspec.msgpack.Decoder(Clip)


class Bank:
    """Clips on disk; use `Bank.open`.

    Reading never changes a bank, and a pickled bank opens again where it is unpickled, so that it can be sent to
    workers for the price of its path.

    Example:
        bank = Bank.open("banks/sounds")
        row = int(bank.rows(label="dog_bark")[0])
        clip, pcm = bank.clip(row), bank.pcm(row)
    """

    __slots__ = ("_energy", "_hashes", "_index", "_lookup_rows", "_offsets", "_part", "_pcm", "_records", "_span",
                 "info", "name", "path")  # fmt: skip

    def __init__(self, path: Path, info: BankInfo, name: str = "") -> None:
        self.path = path
        self.name = name or info.name
        self.info = info
        num_rows = info.num_clips
        self._index = Index(path / INDEX, num_rows)
        self._records = MappedFile(path / RECORDS, info.records_size)
        lookup = MappedFile(path / LOOKUP, 8 * (num_rows + 1) + 12 * num_rows)
        self._offsets = lookup.integers(num_rows + 1)
        self._hashes = lookup.array("<u8", num_rows, 8 * (num_rows + 1))
        self._lookup_rows = lookup.array("<u4", num_rows, 8 * (num_rows + 1) + 8 * num_rows)
        self._pcm: list[MappedFile | None] = [None] * len(info.parts)
        self._energy: list[MappedFile | None] = [None] * len(info.parts)
        for part, num_samples in enumerate(info.parts):
            for file, size in zip(part_names(part), _part_sizes(num_samples), strict=True):
                check_size(path / file, size)
        self._part, self._span = self._read_spans()

    @classmethod
    def open(cls, path: Path | str, *, name: str = "") -> Self:
        """Opens a bank.

        Args:
            path: Its folder.
            name: What events call it; by default the name that it was built with.

        Raises:
            BankError: It is missing, of another format, or damaged; the message names the file.
        """
        path = Path(path)
        return cls(path, read_info(path), name)

    def __reduce__(self) -> tuple[object, ...]:
        return (_reopen, (self.path, self.name))

    def __len__(self) -> int:
        return self.info.num_clips

    def __repr__(self) -> str:
        return f"Bank({str(self.path)!r}: {len(self)} clips, {self.info.hours:.2f} h)"

    @property
    def fingerprint(self) -> str:
        """SHA-256 of its clips and samples."""
        return self.info.fingerprint

    # -- clips -------------------------------------------------------------------------------------------------------

    def clip(self, row: int) -> Clip:
        """Returns what is known about the clip of a row.

        Raises:
            BankError: There is no such row, or its record is damaged.
        """
        if not 0 <= row < self.info.num_clips:
            raise BankError(f"bank {self.path}: no row {row}; rows are 0 to {len(self) - 1}")
        try:
            return _decoder.decode(self._records[self._offsets[row] : self._offsets[row + 1]])
        except msgspec.DecodeError as error:
            raise BankError(
                f"{self._records.path}: the record of row {row} is damaged ({error}); build it again"
            ) from error

    def __iter__(self) -> Iterator[Clip]:
        return map(self.clip, range(len(self)))

    def find(self, clip_id: str) -> int:
        """Returns the row of a clip.

        Raises:
            BankError: The bank has no such clip; the message names the closest id.
        """
        wanted = np.uint64(id_hash(clip_id))
        place = int(np.searchsorted(self._hashes, wanted))
        while place < len(self) and self._hashes[place] == wanted:
            row = int(self._lookup_rows[place])
            if self.clip(row).id == clip_id:
                return row
            place += 1
        raise BankError(f"bank {self.path} has no clip {clip_id!r}; {self._closest(clip_id)}")

    def __contains__(self, clip_id: object) -> bool:
        if not isinstance(clip_id, str):
            return False
        wanted = np.uint64(id_hash(clip_id))
        place = int(np.searchsorted(self._hashes, wanted))
        return place < len(self) and bool(self._hashes[place] == wanted)

    # -- sound -------------------------------------------------------------------------------------------------------

    def pcm(self, row: int, start: int = 0, stop: int | None = None) -> NDArray[np.int16]:
        """Returns int16 (stop - start,), a read-only view of the clip's samples; a span past the end is shortened."""
        first, length = self._span[row]
        stop = length if stop is None else min(stop, length)
        start = min(start, stop)
        return self._samples(int(self._part[row]))[first + start : first + stop]

    def energy_db(self, row: int, start: int = 0, stop: int | None = None) -> float:
        """Returns the RMS level of a span in dBFS, exactly.

        No audio is read where the span starts and ends on blocks of 160 samples or at the clip's end, and at most a
        block where it does not.

        Args:
            row: The clip.
            start: First sample.
            stop: Exclusive end, by default the clip's.

        Raises:
            BankError: The span is empty or leaves the clip.
        """
        begin, end = self._check_span(row, start, stop)
        part = int(self._part[row])
        total = self._energy_before(part, end) - self._energy_before(part, begin)
        return level_db(total, (int(self._span[row, 1]) if stop is None else stop) - start)

    def block_energy(self, row: int, start: int = 0, stop: int | None = None) -> NDArray[np.float64]:
        """Returns the sum of squares of every block of a span, float64 (num_blocks,), exactly.

        Args:
            row: The clip.
            start: First sample, on a block of 160.
            stop: Exclusive end, by default the clip's; when it is not on a block, the last block is the shorter.
        """
        begin, end = self._check_span(row, start, stop)
        if start % ENERGY_BLOCK:
            raise BankError(
                f"bank {self.path}: blocks of row {row} from sample {start}; it must be a multiple of {ENERGY_BLOCK}"
            )
        part = int(self._part[row])
        whole = self._cumulative(part)[begin // ENERGY_BLOCK : -(-end // ENERGY_BLOCK)]
        return np.diff(np.append(whole, self._energy_before(part, end))).astype(np.float64)

    # -- columns -----------------------------------------------------------------------------------------------------

    @property
    def labels(self) -> tuple[str, ...]:
        """The different labels, sorted."""
        return tuple(sorted(self._index.groups("label").values.to_pylist()))

    def rows(
        self,
        *,
        label: str | Collection[str] | None = None,
        kind: str | Collection[str] | None = None,
        language: str | Collection[str] | None = None,
        speaker: str | Collection[str] | None = None,
        **others: str | Collection[str] | None,
    ) -> Rows:
        """Returns int32 rows, ascending, that have all the given values; none when nothing matches.

        Args:
            label: One label, or several of which any will do; the same for the other columns.
            kind: `speech`, `sound`, `music` or `noise`.
            language: Such as `en`.
            speaker: Voice or person.
            others: Values of the columns emotion, dialogue, origin, group, fold, corpus or licence.
        """
        wanted = {"label": label, "kind": kind, "language": language, "speaker": speaker, **others}
        return self._index.rows(wanted, len(self))

    def single(self, rows: Rows) -> Rows:
        """Returns those of the rows whose clips hold exactly one occurrence of their sound."""
        return rows[self._index.numbers("occurrences")[rows] == 1]

    def dialogues(self) -> list[Rows]:
        """Returns the rows of every dialogue, each in the order of its turns."""
        groups, turns = self._index.groups("dialogue"), self._index.numbers("turn")
        found = []
        for code, name in enumerate(groups.values.to_pylist()):
            if name:
                rows = groups.rows_of(code)
                found.append(rows[np.argsort(turns[rows], kind="stable")])
        return found

    def in_dialogue(self) -> Rows:
        """Returns the rows that belong to a dialogue, ascending."""
        alone = self._index.groups("dialogue").rows("")
        return np.setdiff1d(np.arange(len(self), dtype=np.int32), alone, assume_unique=True)

    def numbers(self, name: str) -> NDArray[Any]:
        """Returns a numeric column, such as `num_samples` or `level_db`, as a read-only array (len(bank),)."""
        return self._index.numbers(name)

    def groups(self, name: str) -> Groups:
        """Returns the rows grouped by a column such as `label` or `origin`."""
        return self._index.groups(name)

    def columns(self, *names: str) -> pa.Table:
        """Reads columns of the index, by default all, as an Arrow table that DuckDB can query."""
        return self._index.table(names or None)

    # -- pages -------------------------------------------------------------------------------------------------------

    def release(self) -> None:
        """Lets the operating system take back the pages of all samples read so far; call it between shards."""
        for file in (*self._pcm, *self._energy, self._records):
            if file is not None:
                file.release()

    def verify(self) -> None:
        """Reads every byte of records and samples and compares digests; opening checks sizes alone.

        Raises:
            BankError: A file is not what was written; the message names it.
        """
        parts = [part_names(part)[0] for part in range(len(self.info.parts))]
        for name, expected in zip((RECORDS, *parts), self.info.digests, strict=True):
            with (self.path / name).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != expected:
                raise BankError(f"bank {self.path}: {name} has changed since it was written; build the bank again")

    # -- inside ------------------------------------------------------------------------------------------------------

    def _read_spans(self) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
        """Reads part, start and length of all clips and checks that each lies inside its part."""
        parts, starts, lengths = (self._index.numbers(name) for name in ("part", "start", "num_samples"))
        known = (parts >= 0) & (parts < len(self.info.parts))
        ends = np.asarray(self.info.parts, np.int64)[np.where(known, parts, 0)]
        wrong = ~known | (starts < 0) | (starts % ENERGY_BLOCK != 0) | (lengths <= 0) | (starts + lengths > ends)
        if wrong.any():
            row = int(np.argmax(wrong))
            raise BankError(
                f"bank {self.path}: row {row} of {INDEX} spans samples {starts[row]} to {starts[row] + lengths[row]}, "
                f"which part {parts[row]} does not have; the bank is damaged, build it again"
            )
        return parts.astype(np.int16), np.stack([starts, lengths.astype(np.int64)], axis=1)

    def _samples(self, part: int) -> NDArray[np.int16]:
        file = self._pcm[part]
        if file is None:
            file = self._pcm[part] = self._map(part, 0)
        return file.array("<i2")

    def _cumulative(self, part: int) -> NDArray[np.int64]:
        file = self._energy[part]
        if file is None:
            file = self._energy[part] = self._map(part, 1)
        return file.array("<i8")

    def _map(self, part: int, which: int) -> MappedFile:
        return MappedFile(self.path / part_names(part)[which], _part_sizes(self.info.parts[part])[which])

    def _check_span(self, row: int, start: int, stop: int | None) -> tuple[int, int]:
        """Returns where a span begins and ends in its part; the clip's end means that of its last block."""
        first, length = map(int, self._span[row])
        stop = length if stop is None else stop
        if not 0 <= start < stop <= length:
            raise BankError(f"bank {self.path}: row {row} has no samples {start} to {stop}; it has {length}")
        return first + start, first + (stop if stop < length else -(-length // ENERGY_BLOCK) * ENERGY_BLOCK)

    def _energy_before(self, part: int, sample: int) -> int:
        """Returns the sum of squares of the part's samples before one."""
        block, rest = divmod(sample, ENERGY_BLOCK)
        total = int(self._cumulative(part)[block])
        if rest:
            edge = self._samples(part)[block * ENERGY_BLOCK : sample].astype(np.int64)
            total += int(edge @ edge)
        return total

    def _closest(self, clip_id: str) -> str:
        from soundflow_data.bank.search import closest_id  # noqa: PLC0415 - DuckDB is slow to import and seldom needed

        return f"the closest is {closest_id(self.path / INDEX, clip_id)!r}"


def _reopen(path: Path, name: str) -> Bank:
    return Bank.open(path, name=name)


def _part_sizes(num_samples: int) -> tuple[int, int]:
    """Returns the bytes of a part's sample file and energy file."""
    return 2 * num_samples, 8 * (num_samples // ENERGY_BLOCK + 1)
