"""Timeline to targets: after which chunk is the model to speak, and what.

The chunk rule. A decision is taken after each chunk, when the whole chunk has been heard. A response rests on evidence
that is complete at sample `e` (exclusive: sample e-1 is the last one needed). The earliest chunk that may carry it is
the one in which that last sample lies:

    chunk            0              1              2              3
              |--------------|--------------|--------------|--------------|
    samples   0              C             2C             3C             4C
    heard         "how many times does the dog bark?"
                                         ^ e                                  C < e <= 2C  ->  chunk 1
    decision                 .              RESPOND        .              .
                             taken at C     at 2C          at 3C          at 4C

    k(e) = ceil(e / C) - 1        e = 2C still gives chunk 1; e = 2C + 1 gives chunk 2.

A decision of chunk k is taken at sample (k + 1) * C, which is never before e. Two responses never share a chunk: the
later one moves to the next free chunk. Only the parts of one running answer (a transcript) are joined when they meet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from soundflow_data.errors import TimelineError
from soundflow_data.timeline import SAMPLE_RATE, Response, Timeline

Decision = Literal["silent", "response"]


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What the model does after one chunk.

    Attributes:
        chunk: Index of the chunk, from 0.
        decision: `silent` or `response`.
        text: The words, empty when silent.
        responses: Indices of the timeline's responses that are spoken here.
    """

    chunk: int
    decision: Decision = "silent"
    text: str = ""
    responses: tuple[int, ...] = ()


class Targets(msgspec.Struct, frozen=True, kw_only=True):
    """The targets of one stream; only the chunks that speak are stored.

    Attributes:
        chunk: Samples per chunk.
        num_chunks: Number of decisions.
        spoken: The chunks that respond, in order.
    """

    chunk: int
    num_chunks: int
    spoken: tuple[Target, ...]

    def __len__(self) -> int:
        return self.num_chunks

    def __iter__(self) -> Iterator[Target]:
        spoken = {target.chunk: target for target in self.spoken}
        for k in range(self.num_chunks):
            yield spoken.get(k) or Target(chunk=k)

    def decisions(self) -> NDArray[np.bool_]:
        """Returns bool (num_chunks,), true where the model speaks."""
        result = np.zeros(self.num_chunks, np.bool_)
        result[[target.chunk for target in self.spoken]] = True
        return result


def earliest_chunk(sample: int, chunk: int) -> int:
    """Returns the index of the first chunk whose decision may use everything before `sample`."""
    return max(0, -(-sample // chunk) - 1)


def project(timeline: Timeline, chunk: int | None = None) -> Targets:
    """Projects a timeline to one target per chunk.

    Args:
        timeline: The plan.
        chunk: Samples per chunk; by default the one that the timeline was padded for. With another length the stream is
            cut into as many whole chunks as it holds, and one more when samples are left over.

    Raises:
        TimelineError: A response finds no free chunk before the end of the stream.
    """
    chunk = timeline.chunk if chunk is None else chunk
    if chunk <= 0:
        raise TimelineError(f"stream {timeline.key!r}: a chunk of {chunk} samples; it must be at least 1")
    num_chunks = -(-timeline.num_samples // chunk)
    placed = place(timeline.responses, chunk)
    if placed and placed[-1].chunk >= num_chunks:
        late = placed[-1]
        raise TimelineError(
            f"stream {timeline.key!r}: response {late.responses[-1]} ({late.text!r}) needs chunk {late.chunk}, but the "
            f"stream has {num_chunks} chunks of {chunk} samples; add room after the last evidence"
        )
    return Targets(chunk=chunk, num_chunks=num_chunks, spoken=placed)


def place(responses: Sequence[Response], chunk: int) -> tuple[Target, ...]:
    """Gives every response its chunk by the rule above, without an upper bound.

    Args:
        responses: In any order; earlier due comes first, ties keep their order.
        chunk: Samples per chunk.

    Returns:
        One target per chunk that speaks, in order.
    """
    order = sorted(range(len(responses)), key=lambda i: responses[i].due)
    slots: list[tuple[int, list[int]]] = []
    for i in order:
        response = responses[i]
        earliest = earliest_chunk(response.due, chunk)
        if slots and earliest <= slots[-1][0]:
            last, members = slots[-1]
            if response.run >= 0 and response.run == responses[members[-1]].run:
                members.append(i)
                continue
            earliest = last + 1
        slots.append((earliest, [i]))
    return tuple(
        Target(chunk=k, decision="response", text=join([responses[i] for i in members]), responses=tuple(members))
        for k, members in slots
    )


def join(parts: Sequence[Response]) -> str:
    """Joins the texts of the parts of one running answer: with spaces, except between Chinese parts."""
    text = parts[0].text
    for part in parts[1:]:
        text += part.text if part.language == "zh" else " " + part.text
    return text


def decision_time_s(target: Target, chunk: int) -> float:
    """Returns when a target's decision is taken, in seconds from the start of the stream."""
    return (target.chunk + 1) * chunk / SAMPLE_RATE
