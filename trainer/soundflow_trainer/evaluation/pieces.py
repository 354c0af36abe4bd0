"""Composite streams, sub-task by sub-task: what of a stream belongs to which of its parts.

    parts       | count ............ | history_review .. | count ......... |
    due           1     2                     1              1
    chunks      c c c c c c c c c c c h h h h h h h h h h h c c c c c c c c

A response belongs to the part in which its evidence was complete (a reminder to the part that asked for it), a silence
to the part in which it starts, and a chunk, with what was said after it, to the part in which it ends, unless a
response of another part was due after it. Before the first part everything belongs to the first. Parts of one sub-task
are taken together, so a stream counts once in each of its sub-tasks; and every response, silence and chunk counts
exactly once.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from soundflow_data.targets import Target
from soundflow_data.timeline import Silence, Timeline
from soundflow_trainer.evaluation.events import Outcome
from soundflow_trainer.evaluation.predictions import Prediction

Label = tuple[str, str]  # ability and sub-task


class Spoken(msgspec.Struct, frozen=True, kw_only=True):
    """A due response with what became of it.

    Attributes:
        target: The response and its words.
        chunk: In which chunk the model spoke; -1 when it missed.
        label: `hit`, `early`, `late` or `missed`.
        said: What it said then.
    """

    target: Target
    chunk: int
    label: str
    said: str


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """What one sub-task has in one stream.

    Attributes:
        ability: The family of the sub-task.
        subtask: The sub-task.
        timeline: The whole stream.
        spoken: Its due responses, in order.
        outcome: Its share of the stream's outcome.
        texts: What was said after its chunks, in order.
    """

    ability: str
    subtask: str
    timeline: Timeline
    spoken: tuple[Spoken, ...]
    outcome: Outcome
    texts: tuple[str, ...]


def pieces_of(timeline: Timeline, targets: tuple[Target, ...], prediction: Prediction, outcome: Outcome) -> list[Piece]:
    """Divides a judged stream among its sub-tasks; a stream without parts is one piece.

    Args:
        timeline: The stream.
        targets: Its due responses.
        prediction: What was said.
        outcome: What became of the due responses; of the same length as `targets`.
    """
    spoken = [
        Spoken(target=target, chunk=k, label=label, said=prediction.texts[k] if k >= 0 else "")
        for target, k, label in zip(targets, outcome.spoken, outcome.labels, strict=True)
    ]
    owners = [_owner(timeline, timeline.responses[target.responses[0]].evidence) for target in targets]
    of_chunks = [_owner(timeline, (k + 1) * outcome.chunk) for k in range(len(outcome.targets))]
    for target, owner in zip(targets, owners, strict=True):
        of_chunks[target.chunk] = owner
    labels = sorted({*owners, *of_chunks})
    return [_piece(label, timeline, spoken, owners, of_chunks, prediction, outcome) for label in labels]


def _piece(
    label: Label,
    timeline: Timeline,
    spoken: list[Spoken],
    owners: list[Label],
    of_chunks: list[Label],
    prediction: Prediction,
    outcome: Outcome,
) -> Piece:
    own = [one for one, owner in zip(spoken, owners, strict=True) if owner == label]
    matched = {one.chunk for one in spoken if one.chunk >= 0}
    free = [k for k in prediction.texts if k not in matched and of_chunks[k] == label]
    chunks: NDArray[np.bool_] = np.array([owner == label for owner in of_chunks], np.bool_)
    silences = zip(timeline.silences, outcome.silences_right, strict=True)
    return Piece(
        ability=label[0],
        subtask=label[1],
        timeline=timeline,
        spoken=tuple(own),
        outcome=Outcome(
            due=tuple(one.target.chunk for one in own),
            spoken=tuple(one.chunk for one in own),
            labels=tuple(one.label for one in own),
            false=tuple(k for k in outcome.false if of_chunks[k] == label),
            silences_right=tuple(right for silence, right in silences if _of_silence(timeline, silence) == label),
            decisions=outcome.decisions[chunks],
            targets=outcome.targets[chunks],
            chunk=outcome.chunk,
        ),
        texts=tuple(prediction.texts[k] for k in sorted([*free, *(one.chunk for one in own if one.chunk >= 0)])),
    )


def _of_silence(timeline: Timeline, silence: Silence) -> Label:
    return _owner(timeline, silence.start + 1)


def _owner(timeline: Timeline, sample: int) -> Label:
    """Returns to what belongs that which is complete at a sample."""
    if not timeline.parts:
        return timeline.ability, timeline.subtask
    part = timeline.part_at(sample) or timeline.parts[0]
    return part.ability, part.subtask
