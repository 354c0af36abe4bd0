"""The picture of a few streams that a finished run carries."""

from __future__ import annotations

from pathlib import Path

from soundflow_data.corpus import Stream
from soundflow_data.quality.picture import picture_png
from soundflow_data.shards import LocalStorage, Sample, StreamReader, write_bytes
from soundflow_data.shards.layout import PREVIEW
from soundflow_data.shards.tables import run_query

NUM_STREAMS = 4

# The shortest lively stream of each ability, and of those the ones with the most different kinds of responses.
_CHOICE = f"""
    WITH ranked AS (
        SELECT key, ability, seconds, num_responses,
               row_number() OVER (PARTITION BY ability ORDER BY num_responses = 0, seconds, key) AS place
        FROM streams
    )
    SELECT key FROM ranked ORDER BY place, num_responses = 0, seconds, key LIMIT {NUM_STREAMS}"""  # noqa: S608


def write_preview(out: Path) -> Path:
    """Draws a few streams of a run, as different as possible, into its directory; returns the path of the PNG."""
    storage = LocalStorage(out)
    keys = [row[0] for row in run_query(storage, _CHOICE).rows]
    reader = StreamReader(out)
    write_bytes(storage, PREVIEW, picture_png([as_stream(reader[reader.find(key)]) for key in keys]))
    return out / PREVIEW


def as_stream(sample: Sample) -> Stream:
    """Returns a stream that was read as one that can be drawn."""
    return Stream(timeline=sample.timeline, targets=sample.targets, pcm=sample.audio)
