"""Streams that a run holds: one by its key, and a few as the picture that a finished run carries."""

from __future__ import annotations

from pathlib import Path

from soundflow_data.corpus import Stream
from soundflow_data.errors import RunError
from soundflow_data.quality.picture import picture_png
from soundflow_data.shards import LocalStorage, Sample, StreamReader, write_bytes
from soundflow_data.shards.layout import PREVIEW
from soundflow_data.shards.tables import run_query

NUM_STREAMS = 4

# The abilities in which most is to be seen come first; of each a lively stream, in English where there is one, because
# not every machine has a font for Chinese.
_ABILITIES = ["streaming_instruction_following", "proactive_response", "real_time_asr", "streaming_translation"]
_CHOICE = f"""
    WITH ranked AS (
        SELECT key, ability, row_number() OVER (
            PARTITION BY ability
            ORDER BY num_responses = 0, language <> 'en', seconds > 45, least(num_responses, 6) DESC, seconds, key
        ) AS place
        FROM streams
    )
    SELECT key FROM ranked
    ORDER BY place, coalesce(list_position({_ABILITIES}, ability), 99), ability LIMIT {NUM_STREAMS}"""  # noqa: S608


def write_preview(out: Path) -> Path:
    """Draws a few streams of a run, as different as possible, into its directory; returns the path of the PNG."""
    png = picture_png([as_stream(read_sample(out, key)) for key in lively_keys(out)])
    write_bytes(LocalStorage(out), PREVIEW, png)
    return out / PREVIEW


def lively_keys(out: Path) -> list[str]:
    """Returns the keys of a few streams, as different as possible.

    Raises:
        RunError: The run has no stream yet.
    """
    keys = [row[0] for row in run_query(LocalStorage(out), _CHOICE).rows]
    if not keys:
        raise RunError(f"{str(out)!r} has no finished stream yet; `soundflow status {out}` tells how far it is")
    return keys


def read_sample(out: Path, key: str) -> Sample:
    """Reads one stream of a run.

    Raises:
        RunError: The run has no stream of that key.
    """
    if not run_query(LocalStorage(out), f"SELECT key FROM streams WHERE key = {quoted(key)}").rows:  # noqa: S608
        raise no_such_stream(out, key)
    return StreamReader(out, where=f"key = {quoted(key)}")[0]


def no_such_stream(out: Path, key: str) -> RunError:
    """Returns the error for a key that a run does not have; it tells why, when the stream was dropped."""
    dropped = run_query(LocalStorage(out), f"SELECT reason, detail FROM drops WHERE key = {quoted(key)}").rows  # noqa: S608
    if dropped:
        return RunError(f"stream {key!r} was dropped: {dropped[0][0]} ({dropped[0][1]})")
    return RunError(
        f"{str(out)!r} has no stream {key!r}; `soundflow query {out} 'FROM streams'` lists those that there are"
    )


def quoted(text: str) -> str:
    """Returns a text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def as_stream(sample: Sample) -> Stream:
    """Returns a stream that was read as one that can be drawn."""
    return Stream(timeline=sample.timeline, targets=sample.targets, pcm=sample.audio)
