"""Does a model stay as good when streams follow one another without a pause: 1 to 5 segments joined into one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from soundflow_data.errors import SoundFlowError
from soundflow_data.targets import Target, Targets
from soundflow_data.timeline import Event, Response, Silence, Timeline, Word
from soundflow_trainer.evaluation.events import Timing, summarise
from soundflow_trainer.evaluation.measures import judge
from soundflow_trainer.evaluation.predictions import predict
from soundflow_trainer.live.engine import Engine
from soundflow_trainer.loading import StreamLike


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedStream:
    """Several streams as one."""

    audio: NDArray[np.int16]
    timeline: Timeline
    targets: Targets


def join(streams: Sequence[StreamLike]) -> JoinedStream:
    """Joins streams end to end; they must have one chunk length and one instruction.

    Raises:
        SoundFlowError: They do not.
    """
    first = streams[0]
    if len({(one.targets.chunk, one.timeline.instruction) for one in streams}) > 1:
        raise SoundFlowError("streams with different chunk lengths or instructions cannot be joined; choose like ones")
    starts = np.cumsum([0, *(one.timeline.num_samples for one in streams)]).tolist()
    parts = [_shift(one, start) for one, start in zip(streams, starts, strict=False)]
    firsts = np.cumsum([0, *(len(part.responses) for part in parts)]).tolist()
    chunks = np.cumsum([0, *(one.targets.num_chunks for one in streams)]).tolist()
    timeline = msgspec.structs.replace(
        first.timeline,
        key="-and-".join(one.timeline.key for one in streams),
        num_samples=starts[-1],
        events=tuple(event for part in parts for event in part.events),
        responses=tuple(response for part in parts for response in part.responses),
        silences=tuple(silence for part in parts for silence in part.silences),
    )
    spoken = tuple(
        Target(
            chunk=target.chunk + chunks[i],
            decision=target.decision,
            text=target.text,
            responses=tuple(r + firsts[i] for r in target.responses),
        )
        for i, one in enumerate(streams)
        for target in one.targets.spoken
    )
    targets = Targets(chunk=first.targets.chunk, num_chunks=chunks[-1], spoken=spoken)
    return JoinedStream(audio=np.concatenate([one.audio for one in streams]), timeline=timeline, targets=targets)


def stability(engine: Engine, streams: Sequence[StreamLike], *, most: int = 5) -> dict[int, Timing]:
    """Measures timing on 1 to `most` joined segments, always over the same segments.

    Args:
        engine: The model.
        streams: Segments; only those without an instruction are used, as a later instruction would change the first.
        most: Largest number of segments.

    Raises:
        SoundFlowError: There are fewer suitable streams than that.
    """
    usable = [one for one in streams if not one.timeline.instruction]
    usable = usable[: len(usable) // most * most]
    if not usable:
        raise SoundFlowError(f"stability over {most} segments needs at least {most} streams without an instruction")
    measured = {}
    for count in range(1, most + 1):
        groups = [usable[i : i + count] for i in range(0, len(usable), count)]
        joined = [join(group) for group in groups]
        judged = [
            judge(one.timeline, one.targets, prediction)
            for one, prediction in zip(joined, predict(engine, joined), strict=True)
        ]
        measured[count] = summarise(one.outcome for one in judged)
    return measured


@dataclass(frozen=True, slots=True)
class _Part:
    events: list[Event]
    responses: list[Response]
    silences: list[Silence]


def _shift(stream: StreamLike, by: int) -> _Part:
    """Moves everything of a stream to a later time; indices of events are dropped, nobody asks for them here."""
    replace = msgspec.structs.replace
    timeline = stream.timeline
    return _Part(
        [
            replace(
                event,
                onset=event.onset + by,
                words=tuple(Word(text=w.text, start=w.start + by, end=w.end + by) for w in event.words),
            )
            for event in timeline.events
        ],
        [replace(one, evidence=one.evidence + by, due=one.due + by, events=()) for one in timeline.responses],
        [replace(one, start=one.start + by, end=one.end + by, events=()) for one in timeline.silences],
    )
