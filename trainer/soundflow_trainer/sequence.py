"""The native layout: one stream as one training sequence.

    token    prefix ... <audio> x10  <silent>  <audio> x10  <response>  "It"  " rings"  <eos>      <audio> x10 ...
    label      -          -      C      -        -      C       T         T       T        -          -      C

A label stands at the position whose logits it trains, so it is the *next* token: the last audio position of a chunk is
trained on the decision (C), `<response>` and every word on the word after it, the last word on `<eos>` (T). Prefix and
all other audio positions train nothing, and no position trains both. Nothing of this is stored in shards: it is built
from the timeline's targets when a stream is read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from soundflow_data.errors import SoundFlowError
from soundflow_data.targets import Target, Targets
from soundflow_data.timeline import Timeline
from soundflow_trainer.frontend import Features, embeddings_per_chunk, log_mel
from soundflow_trainer.tokens import StreamTokenizer

NOTHING: Final = 0
CONTROL: Final = 1
TEXT: Final = 2
IGNORE: Final = -100


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """One stream as tokens.

    Attributes:
        tokens: int64 (num_tokens,).
        labels: int64 (num_tokens,), the next token where it is trained, else -100.
        kinds: uint8 (num_tokens,), `NOTHING`, `CONTROL` or `TEXT`.
    """

    tokens: NDArray[np.int64]
    labels: NDArray[np.int64]
    kinds: NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One stream, ready to be packed.

    Attributes:
        key: Name of the stream.
        sequence: Its tokens and labels.
        features: float32 (num_chunks, frames, 128).
    """

    key: str
    sequence: Sequence
    features: Features


def prefix_tokens(instruction: str, tokenizer: StreamTokenizer) -> list[int]:
    """Returns what stands before the stream: the written instruction and `<eos>`, or nothing."""
    return [*tokenizer.encode(instruction), tokenizer.eos] if instruction else []


def spoken_text(target: Target, timeline: Timeline) -> str:
    """Returns what the model is to write for a target: its text, and each tool call as one line of JSON."""
    calls = [timeline.responses[i].call for i in target.responses]
    lines = [json.dumps({"name": c.name, "arguments": c.arguments}, ensure_ascii=False) for c in calls if c is not None]
    return "\n".join([target.text, *lines] if target.text else lines)


def write_native(timeline: Timeline, targets: Targets, tokenizer: StreamTokenizer) -> Sequence:
    """Writes a stream in the native layout."""
    num_audio = embeddings_per_chunk(targets.chunk)
    tokens = prefix_tokens(timeline.instruction, tokenizer)
    trained: list[tuple[int, int, int]] = []  # position, label, kind
    for target in targets:
        tokens += [tokenizer.audio] * num_audio
        speaks = target.decision == "response"
        trained.append((len(tokens) - 1, tokenizer.response if speaks else tokenizer.silent, CONTROL))
        tokens.append(trained[-1][1])
        if speaks:
            for token in [*tokenizer.encode(spoken_text(target, timeline)), tokenizer.eos]:
                trained.append((len(tokens) - 1, token, TEXT))
                tokens.append(token)
    labels = np.full(len(tokens), IGNORE, np.int64)
    kinds = np.zeros(len(tokens), np.uint8)
    positions, wanted, kind = zip(*trained, strict=True)
    labels[list(positions)] = wanted
    kinds[list(positions)] = kind
    return Sequence(tokens=np.array(tokens, np.int64), labels=labels, kinds=kinds)


def make_example(
    audio: NDArray[np.int16] | NDArray[np.float32], timeline: Timeline, targets: Targets, tokenizer: StreamTokenizer
) -> Example:
    """Turns one stream into an example.

    Raises:
        SoundFlowError: The audio is not as long as the targets say.
    """
    if len(audio) != targets.num_chunks * targets.chunk:
        raise SoundFlowError(
            f"stream {timeline.key!r}: {len(audio)} samples, but {targets.num_chunks} chunks of {targets.chunk}; "
            "`soundflow validate` tells which shard to make again"
        )
    return Example(
        key=timeline.key,
        sequence=write_native(timeline, targets, tokenizer),
        features=log_mel(audio, targets.chunk),
    )
