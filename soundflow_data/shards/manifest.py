"""The three Parquet tables of a shard: what each column is called, holds and means has its only home here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from soundflow_data.shards.layout import Codec, ShardSpec, Table
from soundflow_data.targets import Target, Targets, decision_time_s
from soundflow_data.timeline import SAMPLE_RATE, Event, Response, Timeline

Row = TypeVar("Row")


class StreamRow(msgspec.Struct, frozen=True, kw_only=True):
    """One stream and its place in the tar; the JSON member follows the audio member.

    Attributes:
        shard: The shard that holds the stream.
        codec: How the audio is encoded; also the extension of its member.
        timeline: The plan.
        targets: The projected targets.
        audio_offset: First byte of the audio in the tar.
        audio_size: Bytes of the audio.
        json_offset: First byte of the JSON in the tar.
        json_size: Bytes of the JSON.
        xxh3: 64-bit XXH3 of all bytes from the audio's header to the padding of the JSON.
    """

    shard: ShardSpec
    codec: Codec
    timeline: Timeline
    targets: Targets
    audio_offset: int
    audio_size: int
    json_offset: int
    json_size: int
    xxh3: int


class EventRow(msgspec.Struct, frozen=True):
    """One event of a stream."""

    stream: StreamRow
    index: int
    event: Event


class ResponseRow(msgspec.Struct, frozen=True):
    """One response of a stream; `target` is the chunk that carries it."""

    stream: StreamRow
    index: int
    response: Response
    target: Target


class Column(msgspec.Struct, Generic[Row], frozen=True):
    """One column: its name, Arrow type, meaning, and how it is read off a row."""

    name: str
    type: pa.DataType
    meaning: str
    value: Callable[[Row], Any]


_TEXT: Final = pa.string()
_INT: Final = pa.int32()
_LONG: Final = pa.int64()
_REAL: Final = pa.float64()
_TEXTS: Final = pa.list_(pa.field("element", pa.string(), nullable=False))
_INTS: Final = pa.list_(pa.field("element", pa.int32(), nullable=False))


def _setting(row: StreamRow, name: str) -> str:
    setting = row.timeline.setting
    return getattr(setting, name) if setting is not None else ""


def _rejected(row: StreamRow) -> int:
    setting = row.timeline.setting
    return 0 if setting is None else sum(n for name, n in setting.outcomes.items() if name.startswith("rejected"))


STREAM_COLUMNS: Final[tuple[Column[StreamRow], ...]] = (
    Column("key", _TEXT, "name of the stream, unique over all splits", attrgetter("timeline.key")),
    Column("split", _TEXT, "train, validation or another name of the recipe", attrgetter("shard.split")),
    Column("shard", _INT, "number of the shard in the run, as in its receipt", attrgetter("shard.index")),
    Column("tar", _TEXT, "path of the tar in the run directory", attrgetter("shard.tar")),
    Column("codec", _TEXT, "flac or opus; extension of the audio member", attrgetter("codec")),
    Column("audio_offset", _LONG, "first byte of the audio in the tar", attrgetter("audio_offset")),
    Column("audio_size", _LONG, "bytes of the audio", attrgetter("audio_size")),
    Column("json_offset", _LONG, "first byte of the JSON in the tar", attrgetter("json_offset")),
    Column("json_size", _LONG, "bytes of the JSON", attrgetter("json_size")),
    Column("xxh3", pa.uint64(), "XXH3-64 from the header of the audio to the padding of the JSON", attrgetter("xxh3")),
    Column("ability", _TEXT, "one of the seven families of sub-tasks", attrgetter("timeline.ability")),
    Column(
        "subtask",
        _TEXT,
        "the sub-task that composed the stream; in composites several joined by +, the leading one first",
        attrgetter("timeline.subtask"),
    ),
    Column("language", _TEXT, "language of the interaction", attrgetter("timeline.language")),
    Column("scene_type", _TEXT, "single, scenario, complex or proactive", attrgetter("timeline.scene_type")),
    Column(
        "parts",
        _TEXTS,
        "ability and sub-task of each episode, in order",
        lambda r: [f"{part.ability}/{part.subtask}" for part in r.timeline.parts],
    ),
    Column("mixins", _TEXTS, "what a composite holds beside its episodes", lambda r: list(r.timeline.mixins)),
    Column("place", _TEXT, "where a planned scene plays; else empty", lambda r: _setting(r, "place")),
    Column("planner", _TEXT, "who planned the scene; else empty", lambda r: _setting(r, "planner")),
    Column("num_rejected", _INT, "clips that were looked at for the scene and not taken", _rejected),
    Column("seconds", _REAL, "length of the stream", attrgetter("timeline.seconds")),
    Column("num_samples", _LONG, "length of the stream in samples", attrgetter("timeline.num_samples")),
    Column("chunk", _INT, "samples between two decisions", attrgetter("targets.chunk")),
    Column("num_chunks", _INT, "number of decisions", attrgetter("targets.num_chunks")),
    Column(
        "num_silent_chunks",
        _INT,
        "decisions to keep silent",
        lambda r: r.targets.num_chunks - len(r.targets.spoken),
    ),
    Column("num_events", _INT, "rows of this stream in the events table", lambda r: len(r.timeline.events)),
    Column("num_responses", _INT, "rows of this stream in the responses table", lambda r: len(r.timeline.responses)),
    Column("num_turns", _INT, "rounds of user and assistant", lambda r: len(r.timeline.turns)),
    Column("num_silences", _INT, "spans that must stay unanswered", lambda r: len(r.timeline.silences)),
    Column("snr_db", _REAL, "foreground over the first noise bed; null without beds", attrgetter("timeline.snr_db")),
    Column("gain_db", _REAL, "gain of the whole mix", attrgetter("timeline.gain_db")),
    Column("level_db", _REAL, "level of foreground events before that gain, in dBFS", attrgetter("timeline.level_db")),
    Column(
        "corpora",
        _TEXTS,
        "source corpora of all events",
        lambda r: sorted({event.corpus for event in r.timeline.events if event.corpus}),
    ),
    Column(
        "licences",
        _TEXTS,
        "licences of all events; an empty one is unknown",
        lambda r: sorted({event.licence for event in r.timeline.events}),
    ),
)

EVENT_COLUMNS: Final[tuple[Column[EventRow], ...]] = (
    Column("key", _TEXT, "the stream", attrgetter("stream.timeline.key")),
    Column("split", _TEXT, "split of the stream", attrgetter("stream.shard.split")),
    Column("shard", _INT, "shard of the stream", attrgetter("stream.shard.index")),
    Column("event", _INT, "index in the timeline", attrgetter("index")),
    Column("track", _TEXT, "events of one track make one stem", attrgetter("event.track")),
    Column("kind", _TEXT, "speech, sound, music or noise", attrgetter("event.kind")),
    Column("role", _TEXT, "foreground, background or ambient", attrgetter("event.role")),
    Column("label", _TEXT, "ontology label of a sound", attrgetter("event.label")),
    Column("text", _TEXT, "what is said", attrgetter("event.text")),
    Column("language", _TEXT, "language of what is said", attrgetter("event.language")),
    Column("speaker", _TEXT, "who says it", attrgetter("event.speaker")),
    Column("emotion", _TEXT, "mood of the speaker", attrgetter("event.emotion")),
    Column("onset_s", _REAL, "where the event starts", lambda r: r.event.onset / SAMPLE_RATE),
    Column("seconds", _REAL, "how long it lasts", lambda r: r.event.num_samples / SAMPLE_RATE),
    Column("onset", _LONG, "where the event starts, in samples", attrgetter("event.onset")),
    Column("num_samples", _LONG, "how long it lasts, in samples", attrgetter("event.num_samples")),
    Column("clip_start", _LONG, "first sample used of the clip", attrgetter("event.clip_start")),
    Column("gain_db", _REAL, "gain from the clip to the mix", attrgetter("event.gain_db")),
    Column("bank", _TEXT, "bank or speech engine", attrgetter("event.bank")),
    Column("clip", _TEXT, "id of the clip in that bank", attrgetter("event.clip")),
    Column("corpus", _TEXT, "source corpus", attrgetter("event.corpus")),
    Column("origin", _TEXT, "source recording; never in two splits", attrgetter("event.origin")),
    Column("licence", _TEXT, "licence of the source recording", attrgetter("event.licence")),
    Column(
        "grounding",
        _TEXT,
        "how a planned scene found the clip: accepted, reprocessed or generated; else empty",
        attrgetter("event.grounding"),
    ),
)

RESPONSE_COLUMNS: Final[tuple[Column[ResponseRow], ...]] = (
    Column("key", _TEXT, "the stream", attrgetter("stream.timeline.key")),
    Column("split", _TEXT, "split of the stream", attrgetter("stream.shard.split")),
    Column("shard", _INT, "shard of the stream", attrgetter("stream.shard.index")),
    Column("response", _INT, "index in the timeline", attrgetter("index")),
    Column("kind", _TEXT, "answer, count, transcript, warning ...", attrgetter("response.kind")),
    Column("language", _TEXT, "language of the text", attrgetter("response.language")),
    Column("text", _TEXT, "the words", attrgetter("response.text")),
    Column(
        "call",
        _TEXT,
        "the tool call as JSON; null when there is none",
        lambda r: msgspec.json.encode(r.response.call).decode() if r.response.call else None,
    ),
    Column("chunk", _INT, "chunk after which it is spoken", attrgetter("target.chunk")),
    Column("evidence", _LONG, "exclusive end sample of what must have been heard", attrgetter("response.evidence")),
    Column("due", _LONG, "sample from which it is due", attrgetter("response.due")),
    Column("evidence_s", _REAL, "evidence in seconds", lambda r: r.response.evidence / SAMPLE_RATE),
    Column("due_s", _REAL, "due in seconds", lambda r: r.response.due / SAMPLE_RATE),
    Column(
        "decided_s",
        _REAL,
        "end of the chunk, when the decision is taken",
        lambda r: decision_time_s(r.target, r.stream.targets.chunk),
    ),
    Column("run", _INT, "parts of one running answer share a number; -1 for others", attrgetter("response.run")),
    Column("num_samples", _LONG, "samples that a voice would need for it", attrgetter("response.num_samples")),
    Column("events", _INTS, "indices of the events that it rests on", lambda r: list(r.response.events)),
)


def event_rows(streams: Iterable[StreamRow]) -> list[EventRow]:
    """Returns the rows of the events table."""
    return [EventRow(row, i, event) for row in streams for i, event in enumerate(row.timeline.events)]


def response_rows(streams: Iterable[StreamRow]) -> list[ResponseRow]:
    """Returns the rows of the responses table."""
    return [ResponseRow(row, i, row.timeline.responses[i], target) for row in streams for i, target in _placed(row)]


def _placed(row: StreamRow) -> list[tuple[int, Target]]:
    pairs = [(i, target) for target in row.targets.spoken for i in target.responses]
    return sorted(pairs, key=lambda pair: pair[0])


def make_tables(streams: Sequence[StreamRow]) -> dict[Table, pa.Table]:
    """Returns the three tables of a shard."""
    return {
        "manifest": _table(STREAM_COLUMNS, streams),
        "events": _table(EVENT_COLUMNS, event_rows(streams)),
        "responses": _table(RESPONSE_COLUMNS, response_rows(streams)),
    }


def columns_of(table: Table) -> tuple[Column[Any], ...]:
    """Returns the columns of a table, in order."""
    columns: dict[Table, tuple[Column[Any], ...]] = {
        "manifest": STREAM_COLUMNS,
        "events": EVENT_COLUMNS,
        "responses": RESPONSE_COLUMNS,
    }
    return columns[table]


def encode_table(table: pa.Table) -> bytes:
    """Returns a table as a Parquet file; equal tables give equal bytes with the same version of pyarrow."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def _table(columns: Sequence[Column[Row]], rows: Sequence[Row]) -> pa.Table:
    schema = pa.schema([pa.field(column.name, column.type) for column in columns])
    arrays = [pa.array(list(map(column.value, rows)), column.type) for column in columns]
    return pa.table(arrays, schema=schema)
