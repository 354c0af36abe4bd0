"""The JSON beside the audio of a stream: the published item fields on top, then the targets and the whole timeline."""

from __future__ import annotations

from typing import Final

import msgspec

from soundflow_data.errors import ShardError
from soundflow_data.shards.layout import FORMAT_VERSION
from soundflow_data.targets import Targets
from soundflow_data.timeline import SAMPLE_RATE, Timeline


class StreamTurn(msgspec.Struct, frozen=True, kw_only=True):
    """One round, with the field names of StreamAudio items."""

    user: str
    assistant: str
    emotion: str
    scene_type: str


class StreamRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What the JSON member of a stream holds.

    Attributes:
        id: The stream's key.
        stream_scene_type: `single`, `scenario`, `complex` or `proactive`.
        num_turns: Number of rounds.
        turns: The rounds; the assistant's side is `<no need to response>` where it keeps silent.
        format: Version of this layout.
        sample_rate: Hz of the audio.
        num_samples: Length of the decoded audio.
        targets: Only the chunks that speak; all others are silent.
        timeline: The plan from which audio and targets were made.
    """

    id: str
    stream_scene_type: str
    num_turns: int
    turns: tuple[StreamTurn, ...]
    format: int
    sample_rate: int
    num_samples: int
    targets: Targets
    timeline: Timeline


class _TimelineOnly(msgspec.Struct, frozen=True):
    timeline: Timeline


class _TargetsOnly(msgspec.Struct, frozen=True):
    targets: Targets


_encoder: Final = msgspec.json.Encoder()
_records: Final = msgspec.json.Decoder(StreamRecord)
_timelines: Final = msgspec.json.Decoder(_TimelineOnly)
_targets: Final = msgspec.json.Decoder(_TargetsOnly)


def make_record(timeline: Timeline, targets: Targets) -> StreamRecord:
    """Puts the parts of a stream's JSON together."""
    turns = tuple(
        StreamTurn(
            user=turn.user,
            assistant=turn.assistant,
            emotion=turn.emotion,
            scene_type=turn.scene_type or timeline.scene_type,
        )
        for turn in timeline.turns
    )
    return StreamRecord(
        id=timeline.key,
        stream_scene_type=timeline.scene_type,
        num_turns=len(turns),
        turns=turns,
        format=FORMAT_VERSION,
        sample_rate=SAMPLE_RATE,
        num_samples=timeline.num_samples,
        targets=targets,
        timeline=timeline,
    )


def encode_record(record: StreamRecord) -> bytes:
    """Returns the JSON; equal records give equal bytes."""
    return _encoder.encode(record)


def decode_record(data: bytes | memoryview) -> StreamRecord:
    """Reads all of a stream's JSON.

    Raises:
        ShardError: It is not such a JSON; the message names the field.
    """
    try:
        return _records.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ShardError(f"not the JSON of a stream: {error}") from error


def decode_timeline(data: bytes | memoryview) -> Timeline:
    """Reads the timeline alone out of a stream's JSON; skipping the rest costs a quarter of decoding it."""
    try:
        return _timelines.decode(data).timeline
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ShardError(f"not the JSON of a stream: {error}") from error


def decode_targets(data: bytes | memoryview) -> Targets:
    """Reads the targets alone out of a stream's JSON."""
    try:
        return _targets.decode(data).targets
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ShardError(f"not the JSON of a stream: {error}") from error
