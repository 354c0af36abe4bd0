"""All shards of a corpus together, as the checks of the whole see them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import duckdb
import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from soundflow_data.quality.check.sound import SOUND
from soundflow_data.quality.check.verdict import MAX_EXAMPLES, Reason
from soundflow_data.recipe import Recipe
from soundflow_data.shards.receipts import Receipt
from soundflow_data.shards.storage import Storage
from soundflow_data.shards.tables import connect, select

# Speech of people in the streams' own words: what a voice says, and what the assistant answers.
_SPEECH = "SELECT * FROM events WHERE kind = 'speech' AND text <> ''"


class ShardMeasures(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured in one shard; everything is in the order of its streams.

    Attributes:
        shard: Number of the shard.
        seconds: Length of its streams.
        keys: Keys of the streams.
        sound: dtype `SOUND` (num_streams,).
        embeddings: float16 (num_streams, embedding size).
        faults: For each check of single streams, pairs of reason and key.
    """

    shard: int
    seconds: float
    keys: tuple[str, ...]
    sound: NDArray[np.void]
    embeddings: NDArray[np.float16]
    faults: dict[str, tuple[tuple[str, str], ...]]


class Gathered:
    """The corpus as a whole.

    SQL views are those of a run directory (`streams`, `events`, `responses`, `drops`, `receipts`), and `sound` with
    the key, hash and levels of each stream, and `speech`, the events in which something is said.

    Args:
        recipe: With its thresholds.
        measures: Of all shards, in order.
        connection: With the views.
    """

    def __init__(
        self, recipe: Recipe, measures: Sequence[ShardMeasures], connection: duckdb.DuckDBPyConnection
    ) -> None:
        self.recipe = recipe
        self.measures = tuple(measures)
        self._connection = connection

    @property
    def num_streams(self) -> int:
        """Streams in all shards."""
        return sum(len(one.keys) for one in self.measures)

    @property
    def keys(self) -> list[str]:
        """Keys of all streams, in the order of the embeddings."""
        return [key for one in self.measures for key in one.keys]

    @property
    def embeddings(self) -> NDArray[np.float16]:
        """Embeddings of all streams, float16 (num_streams, embedding size)."""
        return np.concatenate([one.embeddings for one in self.measures])

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Answers one SELECT over the views."""
        return select(self._connection, sql).rows

    def value(self, sql: str) -> float:
        """Answers a SELECT of one number; nothing counts as 0."""
        found = self.rows(sql)[0][0]
        return 0.0 if found is None else float(found)

    def reasons(self, sql: str) -> tuple[Reason, ...]:
        """Answers a SELECT of reason, count and list of keys; the most frequent reason comes first."""
        found = [
            Reason(reason=str(reason), count=int(count), keys=tuple(sorted(keys)[:MAX_EXAMPLES]))
            for reason, count, keys in self.rows(sql)
            if count
        ]
        return tuple(sorted(found, key=lambda one: (-one.count, one.reason)))


@contextmanager
def gather(
    storage: Storage, receipts: Sequence[Receipt], recipe: Recipe, measures: Sequence[ShardMeasures]
) -> Iterator[Gathered]:
    """Opens the tables of a run directory beside what was measured in its shards."""
    with connect(storage, receipts) as connection:
        sound = np.concatenate([one.sound for one in measures]) if measures else np.zeros(0, SOUND)
        columns: dict[str, Any] = {"key": pa.array([key for one in measures for key in one.keys], pa.string())}
        columns |= {name: pa.array(np.ascontiguousarray(sound[name])) for name in SOUND.names or ()}
        connection.register("sound", pa.table(columns))
        connection.execute(f"CREATE VIEW speech AS {_SPEECH}")
        yield Gathered(recipe, measures, connection)
