"""Runs a model on the clips of Proactive-Sound-Bench, alone (Single) or joined (Multiple-3, Multiple-5).

Clips of a group follow one another with a second of silence after each. Speech counts for the clip in which it began,
or in whose second of silence; so every event of a group is scored.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

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
