"""What no utterance may be, whatever model made it: silent, clipped, or of a length that its text cannot have."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from soundflow_data.audio.levels import peak
from soundflow_data.errors import SpeechError
from soundflow_data.speech.engine import Speech, Voice
from soundflow_data.speech.estimate import estimate_num_samples
from soundflow_data.speech.segments import excerpt
from soundflow_data.timeline import SAMPLE_RATE

_FULL: Final = 32_767


class AudioLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds that speech has to keep.

    Attributes:
        min_peak: Least magnitude of the loudest sample; 328 is -40 dBFS.
        max_clipped_share: Share of samples that may lie at full scale.
        min_length: Shortest length, as a multiple of what texts like this take.
        max_length: Longest, likewise ...
        pause_s: ... and this much for pauses before and after.
    """

    min_peak: int = 328
    max_clipped_share: float = 0.001
    min_length: float = 0.25
    max_length: float = 3.0
    pause_s: float = 2.0


def check_speech(speech: Speech, text: str, voice: Voice, limits: AudioLimits) -> None:
    """Checks one utterance.

    Args:
        speech: What was made.
        text: Spoken form of what was to be said.
        voice: Who said it.
        limits: Bounds.

    Raises:
        SpeechError: It is broken; the reason is one of `silent`, `clipped`, `too short`, `too long` and
            `bad word times`.
    """
    where = f"voice {voice.id!r} with {excerpt(text)}"
    num_samples = len(speech.pcm)
    loudest = peak(speech.pcm)
    if loudest < limits.min_peak:
        raise SpeechError(
            f"{where}: {num_samples} samples with a peak of {loudest}, below {limits.min_peak}", reason="silent"
        )
    clipped = int(np.count_nonzero(np.abs(speech.pcm.astype(np.int32)) >= _FULL)) / num_samples
    if clipped > limits.max_clipped_share:
        raise SpeechError(
            f"{where}: {clipped:.2%} of the samples lie at full scale, above {limits.max_clipped_share:.2%}",
            reason="clipped",
        )
    likely = estimate_num_samples(text, voice.language, voice.rate_wpm)
    shortest, longest = likely * limits.min_length, likely * limits.max_length + limits.pause_s * SAMPLE_RATE
    if not shortest <= num_samples <= longest:
        raise SpeechError(
            f"{where}: {num_samples / SAMPLE_RATE:.2f} s, but such a text takes {shortest / SAMPLE_RATE:.2f} to "
            f"{longest / SAMPLE_RATE:.2f} s",
            reason="too short" if num_samples < shortest else "too long",
        )
    edges = [edge for word in speech.words for edge in (word.start, word.end)]
    if edges and (edges != sorted(edges) or edges[0] < 0 or edges[-1] > num_samples):
        raise SpeechError(
            f"{where}: word times from {edges[0]} to {edges[-1]} are not in order within its {num_samples} samples",
            reason="bad word times",
        )
