r"""Names of everything in a run directory, and the arithmetic of shards.

    out/
      README.md  croissant.json  LICENSES.csv  status.json      written by the last step (catalog), as is preview.png
      report.html                                               written by `soundflow check`
      recipe.yaml  run.json                                     what was asked for, and with what
      data/<split>/<split>-000000.tar                           the number counts the shards of the split
      manifest/<split>/part-000000.parquet                      one row per stream   \
      events/<split>/part-000000.parquet                        one row per event     > same number as the tar
      responses/<split>/part-000000.parquet                     one row per response /
      receipts/shard-000000.json                                the number counts all shards of the run
      quarantine/shard-000000.jsonl                             streams that could not be made, and why
      lock/  log/                                               who is at work, and what they said

A path is relative to the run directory and has `/` between its parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Literal, overload

import msgspec

from soundflow_data.errors import RecipeError

FORMAT_VERSION: Final = 1  # of the stream JSON, the manifests and the receipts

Codec = Literal["flac", "opus"]
Table = Literal["manifest", "events", "responses"]

README: Final = "README.md"
CROISSANT: Final = "croissant.json"
LICENSES: Final = "LICENSES.csv"
STATUS: Final = "status.json"
RECIPE: Final = "recipe.yaml"
RUN: Final = "run.json"
PREVIEW: Final = "preview.png"  # a few streams; drawn by whoever runs the job
REPORT: Final = "report.html"  # what `soundflow check` has found
CATALOG: Final = (README, CROISSANT, LICENSES, STATUS, PREVIEW, REPORT)

DATA: Final = "data/"
RECEIPTS: Final = "receipts/"
QUARANTINE: Final = "quarantine/"
LOCK: Final = "lock/"
LOG: Final = "log/"
TABLES: Final[tuple[Table, ...]] = ("manifest", "events", "responses")

_SPLIT = re.compile(r"[0-9a-z_-]+")
_SPLIT_FILE = re.compile(
    r"(?:data/(?P<a>[^/]+)/(?P=a)-(?P<n>\d{6,})\.tar|(?:manifest|events|responses)/(?P<b>[^/]+)/part-(?P<m>\d{6,})\.parquet)"
)
_SHARD_FILE = re.compile(r"(?:receipts/shard-(?P<n>\d{6,})\.json|quarantine/shard-(?P<m>\d{6,})\.jsonl)")


class ShardSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One unit of work: a run of consecutive streams of one split.

    Attributes:
        index: Number of the shard in the run; names the receipt.
        split: Name of the split.
        number: Number of the shard within the split; names the tar and the tables.
        start: First stream, counted within the split.
        stop: First stream after the shard.
    """

    index: int
    split: str
    number: int
    start: int
    stop: int

    @property
    def num_streams(self) -> int:
        """Number of streams that are planned for the shard."""
        return self.stop - self.start

    @property
    def tar(self) -> str:
        """Path of the tar."""
        return f"{DATA}{self.split}/{self.split}-{self.number:06d}.tar"

    @property
    def receipt(self) -> str:
        """Path of the receipt."""
        return f"{RECEIPTS}shard-{self.index:06d}.json"

    @property
    def quarantine(self) -> str:
        """Path of the list of dropped streams, which exists only when there are some."""
        return f"{QUARANTINE}shard-{self.index:06d}.jsonl"

    def table(self, table: Table) -> str:
        """Returns the path of the shard's part of a manifest table."""
        return f"{table}/{self.split}/part-{self.number:06d}.parquet"


class ShardPlan(Sequence[ShardSpec]):
    """All shards of a run, computed when asked for: a million streams take no memory.

    Args:
        splits: Number of streams of each split; the shards of the first split come first.
        streams_per_shard: Streams in each shard; the last of a split may hold fewer.

    Raises:
        RecipeError: A name or a number cannot be used.
    """

    __slots__ = ("_first", "_sizes", "_streams_per_shard")

    def __init__(self, splits: Mapping[str, int], streams_per_shard: int) -> None:
        if streams_per_shard < 1:
            raise RecipeError(f"shard size: {streams_per_shard} streams per shard; it must be at least 1")
        for split, num_streams in splits.items():
            if not _SPLIT.fullmatch(split):
                raise RecipeError(f"split {split!r}: a name has only the characters [0-9a-z_-]; rename the split")
            if num_streams < 0:
                raise RecipeError(f"split {split!r}: {num_streams} streams; it must be at least 0")
        self._streams_per_shard = streams_per_shard
        self._sizes = dict(splits)
        self._first: dict[str, int] = {}
        total = 0
        for split, num_streams in splits.items():
            self._first[split] = total
            total += -(-num_streams // streams_per_shard)

    def __len__(self) -> int:
        return sum(-(-size // self._streams_per_shard) for size in self._sizes.values())

    @overload
    def __getitem__(self, index: int) -> ShardSpec: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[ShardSpec, ...]: ...
    def __getitem__(self, index: int | slice) -> ShardSpec | tuple[ShardSpec, ...]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        if not -len(self) <= index < len(self):
            raise IndexError(f"shard {index} of {len(self)}")
        index %= len(self)
        split = next(name for name in reversed(self._sizes) if self._first[name] <= index and self._sizes[name])
        number = index - self._first[split]
        start = number * self._streams_per_shard
        stop = min(start + self._streams_per_shard, self._sizes[split])
        return ShardSpec(index=index, split=split, number=number, start=start, stop=stop)

    def __iter__(self) -> Iterator[ShardSpec]:
        return (self[i] for i in range(len(self)))

    def find(self, path: str) -> ShardSpec | None:
        """Returns the shard that a path of the run directory belongs to, or None for any other path."""
        index: int | None = None
        if match := _SHARD_FILE.fullmatch(path):
            index = int(match["n"] or match["m"])
        elif match := _SPLIT_FILE.fullmatch(path):
            split, number = match["a"] or match["b"], int(match["n"] or match["m"])
            if split in self._first and number * self._streams_per_shard < self._sizes[split]:
                index = self._first[split] + number
        return self[index] if index is not None and index < len(self) else None


def plan_shards(splits: Mapping[str, int], streams_per_shard: int) -> ShardPlan:
    """Cuts the streams of every split into shards; see `ShardPlan`."""
    return ShardPlan(splits, streams_per_shard)


def parse_shards(text: str, num_shards: int) -> range:
    """Reads a piece of a run such as `0:8`, `8:`, `:8` or `3`.

    Raises:
        RecipeError: The text is not a piece of `0:num_shards`.
    """
    match = re.fullmatch(r"(?P<one>\d+)|(?P<start>\d*):(?P<stop>\d*)", text.strip())
    if match:
        start = int(match["one"] or match["start"] or 0)
        stop = start + 1 if match["one"] else int(match["stop"] or num_shards)
        if start < stop <= num_shards:
            return range(start, stop)
    raise RecipeError(
        f"--shards {text!r}: not a piece of this run; write A:B with 0 <= A < B <= {num_shards} (B is not included)"
    )
