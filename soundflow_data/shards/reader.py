"""Reads streams by index, or as a shuffled sequence that can be left and taken up again anywhere.

    reader = StreamReader("out", split="train")
    sample = reader[0]                                           # sample.audio, sample.timeline, sample.targets
    for state, sample in reader.iterate(ReaderState(seed=1)):
        ...                                                      # keep `state`; `reader.iterate(state)` goes on here

With a PyTorch DataLoader: `DataLoader(reader, sampler=reader.order(state, rank=r, world_size=w), batch_size=b)`, where
the state after s batches is `reader.advance(state, s * b * w)`. Only the index of the reader goes to worker processes.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from soundflow_data.audio.decode import decode_flac
from soundflow_data.errors import AudioError, RunError, ShardError, SoundFlowError
from soundflow_data.shards.order import Lane, ReaderState, advance, walk
from soundflow_data.shards.receipts import scan_receipts
from soundflow_data.shards.record import decode_targets, decode_timeline
from soundflow_data.shards.storage import LocalStorage, Storage, StoredFile
from soundflow_data.shards.tables import connect, execute
from soundflow_data.targets import Targets
from soundflow_data.timeline import Timeline

SampleType = Literal["int16", "float32"]

# 32 bytes per stream.
_INDEX: Final = {
    "shard": "INTEGER",
    "audio_offset": "BIGINT",
    "audio_size": "INTEGER",
    "json_offset": "BIGINT",
    "json_size": "INTEGER",
    "num_samples": "INTEGER",
}
_FULL_SCALE: Final = np.float32(1 / 32768)


class Sample:
    """One stream: its audio, and its plan and targets, which are read when first asked for.

    Attributes:
        audio: int16 (num_samples,), or float32 with full scale at 1.0.
    """

    __slots__ = ("_json", "_targets", "_timeline", "audio")

    def __init__(self, audio: NDArray[Any], json: bytes) -> None:
        self.audio = audio
        self._json = json
        self._timeline: Timeline | None = None
        self._targets: Targets | None = None

    @property
    def json(self) -> bytes:
        """The JSON member as it stands in the tar."""
        return self._json

    @property
    def key(self) -> str:
        """Name of the stream."""
        return self.timeline.key

    @property
    def timeline(self) -> Timeline:
        """The plan."""
        if self._timeline is None:
            self._timeline = decode_timeline(self._json)
        return self._timeline

    @property
    def targets(self) -> Targets:
        """What the model does after each chunk."""
        if self._targets is None:
            self._targets = decode_targets(self._json)
        return self._targets


class Order:
    """A sampler for map-style loaders: the indices that one rank reads, from a state to the end of its epoch.

    Args:
        state: Where to go on.
        size: Number of streams.
        lane: Whose share.
        shuffle: Whether epochs are permuted.
        num_epochs: As in `walk`.
    """

    def __init__(
        self, state: ReaderState, size: int, lane: Lane, *, shuffle: bool = True, num_epochs: int | None = 1
    ) -> None:
        lane.check()
        self._state = state
        self._size = size
        self._lane = lane
        self._shuffle = shuffle
        self._num_epochs = num_epochs

    def __iter__(self) -> Iterator[int]:
        walked = walk(self._state, self._size, self._lane, shuffle=self._shuffle, num_epochs=self._num_epochs)
        return (index for _, index in walked)

    def __len__(self) -> int:
        if self._num_epochs is None:
            raise TypeError("an endless order has no length")
        left = self._num_epochs * self._size - self._state.position
        return max(0, -(-(left - self._lane.rank) // self._lane.world_size))


class StreamReader:
    """Map-style access to the finished shards of a run directory.

    Args:
        root: The run directory, or its storage.
        split: One split; all by default.
        ability: One ability or several; all by default.
        subtask: One sub-task or several; all by default.
        licences: Every event of a stream must have one of these licences.
        where: Any SQL condition on the columns of the streams table, such as `seconds < 30 AND snr_db > 10`.
        dtype: `int16`, or `float32` with full scale at 1.0.
        max_open_files: Tars that are kept open at once.

    Raises:
        RunError: There is no finished shard, or no stream that matches.
    """

    def __init__(
        self,
        root: Storage | Path | str,
        *,
        split: str | None = None,
        ability: str | Sequence[str] | None = None,
        subtask: str | Sequence[str] | None = None,
        licences: Sequence[str] | None = None,
        where: str | None = None,
        dtype: SampleType = "int16",
        max_open_files: int = 64,
    ) -> None:
        self._storage: Storage = LocalStorage(Path(root)) if isinstance(root, (str, Path)) else root
        if dtype not in ("int16", "float32") or max_open_files < 1:
            raise SoundFlowError(
                f"dtype {dtype!r}, {max_open_files} open files: the dtype is int16 or float32, and 1 file must be open"
            )
        self._condition = _condition(split=split, ability=ability, subtask=subtask, licences=licences, where=where)
        self._float = dtype == "float32"
        self._max_open_files = max_open_files
        self._tars, self._index = _load(self._storage, self._condition)
        self._forget_files()

    def __len__(self) -> int:
        return len(self._index["shard"])

    def __getitem__(self, index: int) -> Sample:
        """Returns a stream.

        Raises:
            IndexError: There is no such stream.
            ShardError: Its bytes are damaged or missing.
        """
        if not -len(self) <= index < len(self):
            raise IndexError(f"stream {index} of {len(self)}")
        shard, audio_offset, audio_size, json_offset, json_size, num_samples = (
            int(column[index]) for column in self._index.values()
        )
        file = self._file(shard)
        name = f"{self._tars[shard]} at byte {audio_offset}"
        try:
            audio = decode_flac(file.read(audio_offset, audio_size), name=name)
        except AudioError as error:
            raise ShardError(f"{error}; `soundflow validate` tells which shards to make again") from error
        if len(audio) != num_samples:
            raise ShardError(f"{name}: {len(audio)} samples, but the manifest has {num_samples}; make the shard again")
        return Sample(audio * _FULL_SCALE if self._float else audio, file.read(json_offset, json_size))

    def find(self, key: str) -> int:
        """Returns the index of a stream.

        Raises:
            RunError: No stream of this reader has the key.
        """
        quoted = key.replace("'", "''")
        _, found = _load(self._storage, f"({self._condition}) AND key = '{quoted}'", f"stream {key!r}")
        shards, offsets = self._index["shard"], self._index["audio_offset"]
        return int(np.flatnonzero((shards == found["shard"][0]) & (offsets == found["audio_offset"][0]))[0])

    def iterate(
        self,
        state: ReaderState | None = None,
        *,
        rank: int = 0,
        world_size: int = 1,
        worker: int = 0,
        num_workers: int = 1,
        batch_size: int = 1,
        shuffle: bool = True,
        num_epochs: int | None = 1,
    ) -> Iterator[tuple[ReaderState, Sample]]:
        """Yields the streams of one worker of one rank, each with the state to go on from.

        The state counts what all ranks and workers have taken together, so that any number of them may take it up. It
        holds once every rank has finished the batch that it came with.

        Args:
            state: Where to go on; by default the start of epoch 0 with seed 0.
            rank: Which training process, of `world_size`.
            world_size: Number of training processes.
            worker: Which loading worker of the rank, of `num_workers`.
            num_workers: Number of loading workers of each rank.
            batch_size: Streams that a worker hands over at once.
            shuffle: Whether each epoch has an order of its own.
            num_epochs: Ends so many epochs after the start of the state's own; None goes on for ever.

        Raises:
            SoundFlowError: The state belongs to other data, or the numbers contradict each other.
        """
        lane = Lane(rank=rank, world_size=world_size, worker=worker, num_workers=num_workers, batch_size=batch_size)
        walked = walk(state or ReaderState(), len(self), lane, shuffle=shuffle, num_epochs=num_epochs)
        return ((reached, self[index]) for reached, index in walked)

    def order(
        self,
        state: ReaderState | None = None,
        *,
        rank: int = 0,
        world_size: int = 1,
        shuffle: bool = True,
        num_epochs: int | None = 1,
    ) -> Order:
        """Returns the same sequence as a sampler; see `iterate` for the arguments and `advance` for the state."""
        lane = Lane(rank=rank, world_size=world_size)
        return Order(state or ReaderState(), len(self), lane, shuffle=shuffle, num_epochs=num_epochs)

    def advance(self, state: ReaderState, count: int) -> ReaderState:
        """Returns the state after `count` more streams, of all ranks together."""
        return advance(state, count, len(self))

    def _file(self, shard: int) -> StoredFile:
        with self._lock:
            file = self._files.pop(shard, None) or self._storage.open(self._tars[shard])
            self._files[shard] = file
            if len(self._files) > self._max_open_files:
                # Not closed here: another thread may be reading from it, and the last one to let go closes it.
                self._files.popitem(last=False)
            return file

    def _forget_files(self) -> None:
        self._files: OrderedDict[int, StoredFile] = OrderedDict()
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        del state["_files"], state["_lock"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget_files()


def _load(storage: Storage, condition: str, what: str = "stream") -> tuple[dict[int, str], dict[str, NDArray[Any]]]:
    """Returns the paths of the tars by shard, and one array per column of the index."""
    scan = scan_receipts(storage)
    receipts = list(scan.receipts.values())
    if scan.problems:
        first = scan.problems[0]
        raise RunError(
            f"{first.path}: {first.trouble} ({first.detail}), and {len(scan.problems) - 1} more receipts of "
            f"{storage.locate('')} cannot be relied on; make these shards again, or remove their receipts"
        )
    if not receipts:
        raise RunError(f"{storage.locate('')}: no finished shard; give the directory that `soundflow run` wrote")
    columns = ", ".join(f"{name}::{kind} AS {name}" for name, kind in _INDEX.items())
    with connect(storage, receipts, ["streams"]) as connection:
        # DuckDB keeps the order of the files, which is that of the receipts; sorting would double the memory.
        sql = f"SELECT {columns} FROM streams WHERE {condition}"  # noqa: S608 - the user's own condition
        index = {name: np.asarray(column) for name, column in execute(connection, sql).fetchnumpy().items()}
        if not len(index["shard"]):
            rows = connection.execute(
                "SELECT split, ability, count(*) FROM streams GROUP BY ALL ORDER BY ALL"
            ).fetchall()
            present = ", ".join(f"{number} of {split}/{ability}" for split, ability, number in rows) or "none"
            raise RunError(f"{storage.locate('')}: no {what} with {condition}; there are {present}")
    assert (np.diff(index["shard"]) >= 0).all(), "rows out of order would change what an epoch's order means"
    return {receipt.shard.index: receipt.shard.tar for receipt in receipts}, index


def _condition(
    *,
    split: str | None,
    ability: str | Sequence[str] | None,
    subtask: str | Sequence[str] | None,
    licences: Sequence[str] | None,
    where: str | None,
) -> str:
    parts = []
    for column, allowed in (("split", split), ("ability", ability), ("subtask", subtask)):
        if allowed is not None:
            parts.append(f"{column} IN ({_quoted([allowed] if isinstance(allowed, str) else allowed)})")
    if licences is not None:
        parts.append(f"list_has_all([{_quoted(licences)}]::VARCHAR[], licences)")
    if where is not None:
        parts.append(f"({where})")
    return " AND ".join(parts) or "true"


def _quoted(texts: Sequence[str]) -> str:
    return ", ".join("'" + text.replace("'", "''") + "'" for text in texts) or "NULL"
