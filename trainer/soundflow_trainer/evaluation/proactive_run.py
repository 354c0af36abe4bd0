"""Runs a model on the clips of Proactive-Sound-Bench, alone (Single) or joined (Multiple-3, Multiple-5).

Clips of a group follow one another with a second of silence after each. Speech counts for the clip in which it began,
or in whose second of silence; so every event of a group is scored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from soundflow_data.audio.decode import decode
from soundflow_data.errors import SoundFlowError
from soundflow_data.timeline import SAMPLE_RATE
from soundflow_trainer.evaluation.proactive import Clip, Reply, format_reply, group_clips
from soundflow_trainer.live.engine import Decided, Ended, Engine, LiveEvent, decode_streams

PAUSE_S: Final = 1.0


def run_clips(engine: Engine, clips: Sequence[Clip], audio_root: Path, *, group: int = 1) -> Iterator[Reply]:
    """Runs a model on clips.

    Args:
        engine: The model.
        clips: Rows of the manifest.
        audio_root: Folder to which the paths of the manifest refer.
        group: Clips of one domain that are joined to one stream.

    Raises:
        SoundFlowError: A clip is missing or cannot be decoded.
    """
    groups = group_clips(clips, group)
    size = engine.settings.sessions
    for start in range(0, len(groups), size):
        some = groups[start : start + size]
        joined = [_join([_load(audio_root, clip) for clip in one], engine.model.chunk) for one in some]
        decoded = decode_streams(engine, [(audio, "") for audio, _ in joined])
        for one, (_, ends), events in zip(some, joined, decoded, strict=True):
            yield from _replies(one, ends, events)


def _load(root: Path, clip: Clip) -> NDArray[np.int16]:
    path = root / clip.path
    if not path.is_file():
        raise SoundFlowError(f"clip {clip.id!r}: {str(path)!r} does not exist; check AUDIO_ROOT")
    return decode(path)


def _join(pieces: Sequence[NDArray[np.int16]], chunk: int) -> tuple[NDArray[np.int16], list[int]]:
    """Returns whole chunks of audio, and for each piece the first chunk that is no longer its own."""
    parts, ends, length = [], [], 0
    for piece in pieces:
        total = -(-(len(piece) + round(PAUSE_S * SAMPLE_RATE)) // chunk) * chunk
        parts.append(np.pad(piece, (0, total - len(piece))))
        length += total
        ends.append(length // chunk)
    return np.concatenate(parts), ends


def _replies(clips: Sequence[Clip], ends: Sequence[int], events: Sequence[LiveEvent]) -> Iterator[Reply]:
    starts = [0, *ends[:-1]]
    for clip, start, end in zip(clips, starts, ends, strict=True):
        spoke = any(isinstance(e, Decided) and e.speaks and start <= e.chunk < end for e in events)
        text = " ".join(e.text for e in events if isinstance(e, Ended) and start <= e.chunk < end)
        yield Reply(id=clip.id, raw_reply=format_reply("RESPOND" if spoke else "IGNORE", text))


def semantic_accuracy(
    replies: Sequence[Reply], answers: dict[str, list[str]], model: Path, *, threshold: float
) -> tuple[int, int]:
    """Compares what was said with standard answers by a local sentence-embedding model.

    Args:
        replies: Predictions; those that decided to respond and have standard answers are compared.
        answers: Standard answers by id.
        model: Folder of a model that `transformers.AutoModel` loads; its mean-pooled last states are compared.
        threshold: Least cosine similarity with the nearest standard answer.

    Returns:
        How many match, of how many.
    """
    wanted = [reply for reply in replies if reply.decision == "RESPOND" and answers.get(reply.id)]
    if not wanted:
        return 0, 0
    texts = [reply.text for reply in wanted] + [text for reply in wanted for text in answers[reply.id]]
    vectors = _embed(texts, model)
    matched, at = 0, len(wanted)
    for i, reply in enumerate(wanted):
        count = len(answers[reply.id])
        matched += bool((vectors[at : at + count] @ vectors[i]).max() >= threshold)
        at += count
    return matched, len(wanted)


def _embed(texts: Sequence[str], folder: Path) -> NDArray[np.float32]:
    """Returns unit vectors (texts, width)."""
    import torch  # noqa: PLC0415 - only this optional measure needs a second model
    from transformers import AutoModel, AutoTokenizer  # noqa: PLC0415

    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(str(folder))
        model: Any = AutoModel.from_pretrained(str(folder)).eval()
    except (OSError, ValueError) as error:
        raise SoundFlowError(f"no sentence-embedding model can be loaded from {str(folder)!r}: {error}") from error
    vectors = []
    for start in range(0, len(texts), 32):
        inputs = tokenizer(list(texts[start : start + 32]), padding=True, truncation=True, return_tensors="pt")
        with torch.inference_mode():
            hidden = model(**inputs).last_hidden_state
        weights = inputs["attention_mask"].unsqueeze(-1).to(hidden.dtype)
        pooled = (hidden * weights).sum(1) / weights.sum(1)
        vectors.append(torch.nn.functional.normalize(pooled, dim=-1).float().numpy())
    return np.concatenate(vectors)
