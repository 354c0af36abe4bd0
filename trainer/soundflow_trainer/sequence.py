"""The native layout: one stream as one training sequence.

    token    prefix ... <audio> x10  <silent>  <audio> x10  <response>  "It"  " rings"  <eos>      <audio> x10 ...
    label      -          -      C      -        -      C       T         T       T        -          -      C

A label stands at the position whose logits it trains, so it is the *next* token: the last audio position of a chunk is
trained on the decision (C), `<response>` and every word on the word after it, the last word on `<eos>` (T). Prefix and
all other audio positions train nothing (but see `soundflow_trainer.sounding`), and no position trains both. Nothing of
this is stored in shards: it is built from the timeline's targets when a stream is read.

Training may let some responses come late. A model that has missed its moment live finds itself in a past that no plan
has: the evidence is there, and nothing was said. It learns to speak then as well; the chunks between train nothing, so
that no silence is taught where speaking was right:

    due      ... <audio> x10  <response> "It" ...
    late     ... <audio> x10  <silent>  <audio> x10  <response> "It" ...
    label               -                        C
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from soundflow_data.dice import Dice
from soundflow_data.errors import SoundFlowError
from soundflow_data.targets import Target, Targets
from soundflow_data.timeline import Timeline
from soundflow_trainer.frontend import Features, embeddings_per_chunk, log_mel
from soundflow_trainer.tokens import StreamTokenizer

NOTHING: Final = 0
CONTROL: Final = 1
TEXT: Final = 2
SOUND: Final = 3
IGNORE: Final = -100
LATEST: Final = 2  # chunks after the due one in which a response still counts as in time (see docs/measures.md)
_NO_SOUNDS: Final[Mapping[int, int]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """One stream as tokens.

    Attributes:
        tokens: int64 (num_tokens,).
        labels: int64 (num_tokens,), the next token where it is trained, else -100.
        kinds: uint8 (num_tokens,), `NOTHING`, `CONTROL`, `TEXT` or `SOUND`.
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


def delay(targets: Targets, share: float, dice: Dice) -> tuple[Targets, frozenset[int]]:
    """Lets some responses come one or two chunks late.

    Args:
        targets: What is said when.
        share: Probability with which a response is late; one that the next response follows at once is not.
        dice: Decides.

    Returns:
        The later targets, and the chunks that were skipped.
    """
    spoken: list[Target] = []
    skipped: set[int] = set()
    ends = [target.chunk for target in targets.spoken[1:]] + [targets.num_chunks] * bool(targets.spoken)
    for target, end in zip(targets.spoken, ends, strict=True):
        late = dice.integer(1, LATEST) if dice.chance(share) else 0
        chunk = target.chunk + late
        if late and chunk < end:
            skipped.update(range(target.chunk, chunk))
            spoken.append(msgspec.structs.replace(target, chunk=chunk))
        else:
            spoken.append(target)
    return msgspec.structs.replace(targets, spoken=tuple(spoken)), frozenset(skipped)


def write_native(
    timeline: Timeline,
    targets: Targets,
    tokenizer: StreamTokenizer,
    untrained: Collection[int] = (),
    sounds: Mapping[int, int] = _NO_SOUNDS,
) -> Sequence:
    """Writes a stream in the native layout.

    Args:
        timeline: Gives the instruction, and the calls of responses.
        targets: What is said when.
        tokenizer: The model's.
        untrained: Chunks whose decision trains nothing.
        sounds: By chunk, what its last audio position but one is trained on, see `soundflow_trainer.sounding`.
    """
    num_audio = embeddings_per_chunk(targets.chunk)
    tokens = prefix_tokens(timeline.instruction, tokenizer)
    trained: list[tuple[int, int, int]] = []  # position, label, kind
    for target in targets:
        tokens += [tokenizer.audio] * num_audio
        if target.chunk in sounds and num_audio > 1:
            trained.append((len(tokens) - 2, sounds[target.chunk], SOUND))
        speaks = target.decision == "response"
        decision = tokenizer.response if speaks else tokenizer.silent
        if target.chunk not in untrained:
            trained.append((len(tokens) - 1, decision, CONTROL))
        tokens.append(decision)
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
    audio: NDArray[np.int16] | NDArray[np.float32],
    timeline: Timeline,
    targets: Targets,
    tokenizer: StreamTokenizer,
    untrained: Collection[int] = (),
    sounds: Mapping[int, int] = _NO_SOUNDS,
) -> Example:
    """Turns one stream into an example; see `write_native`.

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
        sequence=write_native(timeline, targets, tokenizer, untrained, sounds),
        features=log_mel(audio, targets.chunk),
    )
