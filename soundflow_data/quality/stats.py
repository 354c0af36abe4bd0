"""What a run directory holds, added up from its tables by DuckDB."""

from __future__ import annotations

from typing import Any

import duckdb
import msgspec

from soundflow_data.shards.storage import Storage
from soundflow_data.shards.tables import QueryResult, connect, run_query, select
from soundflow_data.timeline import SAMPLE_RATE

_HOUR = 3600 * SAMPLE_RATE


class GroupStats(msgspec.Struct, frozen=True, kw_only=True):
    """The streams that have something in common.

    Attributes:
        name: The ability, sub-task, split, language or kind.
        ability: The ability of a sub-task, else empty.
        streams: Number of streams.
        samples: Their length together.
        responses: Things that the assistant says.
        chunks: Decisions.
        silent_chunks: Decisions to keep silent.
        rounds: Rounds of user and assistant.
    """

    name: str
    ability: str
    streams: int
    samples: int
    responses: int
    chunks: int
    silent_chunks: int
    rounds: int

    @property
    def hours(self) -> float:
        """Length in hours."""
        return self.samples / _HOUR

    @property
    def silent_share(self) -> float:
        """Share of the decisions that are to keep silent; 0 without decisions."""
        return self.silent_chunks / self.chunks if self.chunks else 0.0

    @property
    def mean_rounds(self) -> float:
        """Rounds of a stream; 0 without streams."""
        return self.rounds / self.streams if self.streams else 0.0


class LicenceStats(msgspec.Struct, frozen=True, kw_only=True):
    """What comes from one corpus under one licence.

    Attributes:
        corpus: Source corpus; empty when the events name none.
        licence: Licence; empty when unknown.
        streams: Streams with such an event.
        events: Number of events.
        samples: Length of the events together.
    """

    corpus: str
    licence: str
    streams: int
    events: int
    samples: int

    @property
    def hours(self) -> float:
        """Length of the events in hours."""
        return self.samples / _HOUR


class EpisodeStats(msgspec.Struct, frozen=True, kw_only=True):
    """How often a sub-task was played, alone or in a composite.

    Attributes:
        ability: Its ability.
        subtask: Its name.
        episodes: Number of episodes.
        streams: Streams with such an episode.
    """

    ability: str
    subtask: str
    episodes: int
    streams: int


class SceneStats(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the planned scenes.

    Attributes:
        planner: Who planned them.
        scenes: Number of streams in planned scenes.
        accepted: Events on clips as the banks have them.
        reprocessed: Events on clips that were processed once more.
        generated: Events on synthesised clips.
        rejected: Clips that were looked at and not taken.
    """

    planner: str
    scenes: int
    accepted: int
    reprocessed: int
    generated: int
    rejected: int


class DropStats(msgspec.Struct, frozen=True, kw_only=True):
    """How many streams could not be made for one reason."""

    reason: str
    streams: int


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """Totals of a run directory; every tuple is sorted by name, drops and licences by size.

    Attributes:
        total: All streams.
        splits: Per split.
        abilities: Per ability.
        subtasks: Per sub-task; a composite counts for the one that leads it.
        kinds: Per kind of stream.
        episodes: Per sub-task, wherever it was played.
        scenes: Per planner.
        languages: Per language of the interaction.
        licences: Per corpus and licence.
        drops: Per reason.
    """

    total: GroupStats
    splits: tuple[GroupStats, ...]
    abilities: tuple[GroupStats, ...]
    subtasks: tuple[GroupStats, ...]
    kinds: tuple[GroupStats, ...]
    episodes: tuple[EpisodeStats, ...]
    scenes: tuple[SceneStats, ...]
    languages: tuple[GroupStats, ...]
    licences: tuple[LicenceStats, ...]
    drops: tuple[DropStats, ...]


def stats(storage: Storage) -> Stats:
    """Adds up the finished shards of a run directory."""
    with connect(storage) as connection:
        return Stats(
            total=_groups(connection, "'total'")[0],
            splits=_groups(connection, "split"),
            abilities=_groups(connection, "ability"),
            subtasks=_groups(connection, "split_part(subtask, '+', 1)", ability="ability"),
            kinds=_groups(connection, "scene_type"),
            episodes=_episodes(connection),
            scenes=_scenes(connection),
            languages=_groups(connection, "language"),
            licences=_licences(connection),
            drops=_drops(connection),
        )


def query(storage: Storage, sql: str) -> QueryResult:
    """Answers one SELECT over the views `streams`, `events`, `responses`, `drops` and `receipts`.

    Raises:
        RunError: The query is not one SELECT, or DuckDB refuses it; the message lists the columns.
    """
    return run_query(storage, sql)


def _groups(connection: duckdb.DuckDBPyConnection, name: str, ability: str = "''") -> tuple[GroupStats, ...]:
    # Whole numbers are added, never seconds: the sum of floats depends on the order in which threads finish.
    sql = f"""
        SELECT {name}, {ability}, count(*), coalesce(sum(num_samples), 0)::BIGINT,
               coalesce(sum(num_responses), 0)::BIGINT, coalesce(sum(num_chunks), 0)::BIGINT,
               coalesce(sum(num_silent_chunks), 0)::BIGINT, coalesce(sum(num_turns), 0)::BIGINT
        FROM streams {"" if name == "'total'" else "GROUP BY 1, 2"} ORDER BY 1, 2"""  # noqa: S608 - names from above
    return tuple(
        GroupStats(
            name=row[0],
            ability=row[1],
            streams=row[2],
            samples=row[3],
            responses=row[4],
            chunks=row[5],
            silent_chunks=row[6],
            rounds=row[7],
        )
        for row in _rows(connection, sql)
    )


def _licences(connection: duckdb.DuckDBPyConnection) -> tuple[LicenceStats, ...]:
    sql = """
        SELECT corpus, licence, count(DISTINCT key), count(*), sum(num_samples)::BIGINT
        FROM events GROUP BY 1, 2 ORDER BY 5 DESC, 1, 2"""
    return tuple(
        LicenceStats(corpus=row[0], licence=row[1], streams=row[2], events=row[3], samples=row[4])
        for row in _rows(connection, sql)
    )


def _episodes(connection: duckdb.DuckDBPyConnection) -> tuple[EpisodeStats, ...]:
    sql = """
        SELECT split_part(part, '/', 1), split_part(part, '/', 2), count(*), count(DISTINCT key)
        FROM (SELECT key, unnest(parts) AS part FROM streams) GROUP BY 1, 2 ORDER BY 1, 2"""
    return tuple(
        EpisodeStats(ability=row[0], subtask=row[1], episodes=row[2], streams=row[3]) for row in _rows(connection, sql)
    )


def _scenes(connection: duckdb.DuckDBPyConnection) -> tuple[SceneStats, ...]:
    sql = """
        WITH found AS (SELECT key, count(*) FILTER (grounding = 'accepted') AS accepted,
                count(*) FILTER (grounding = 'reprocessed') AS reprocessed,
                count(*) FILTER (grounding = 'generated') AS generated FROM events GROUP BY 1)
        SELECT planner, count(*), coalesce(sum(accepted), 0)::BIGINT, coalesce(sum(reprocessed), 0)::BIGINT,
            coalesce(sum(generated), 0)::BIGINT, coalesce(sum(num_rejected), 0)::BIGINT
        FROM streams LEFT JOIN found USING (key) WHERE planner <> '' GROUP BY 1 ORDER BY 1"""
    return tuple(
        SceneStats(
            planner=row[0], scenes=row[1], accepted=row[2], reprocessed=row[3], generated=row[4], rejected=row[5]
        )
        for row in _rows(connection, sql)
    )


def _drops(connection: duckdb.DuckDBPyConnection) -> tuple[DropStats, ...]:
    sql = "SELECT reason, count(*) FROM drops GROUP BY 1 ORDER BY 2 DESC, 1"
    return tuple(DropStats(reason=row[0], streams=row[1]) for row in _rows(connection, sql))


def _rows(connection: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    return select(connection, sql).rows
