"""What proves an utterance: words with times found in the audio, and a transcript that says what was to be said.

Two small protocols, behind which the models of the speech environment stand. Both work on batches, never raise for one
item, and are asked with the spoken form of a text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from soundflow_data.errors import SpeechError
from soundflow_data.speech.engine import Language
from soundflow_data.timeline import Word


class Spoken(msgspec.Struct, frozen=True, kw_only=True):
    """Audio with what it should say.

    Attributes:
        pcm: int16 (num_samples,), mono, 16 kHz.
        text: Spoken form.
        language: Language of the text.
    """

    pcm: NDArray[np.int16]
    text: str
    language: Language


class Alignment(msgspec.Struct, frozen=True, kw_only=True):
    """Where the words of a text lie in its audio.

    Attributes:
        words: One for each word of the text, in order, in samples, without overlap and within the audio.
        scores: For each word how sure the model is, 0 to 1.
    """

    words: tuple[Word, ...]
    scores: tuple[float, ...]


class Aligner(Protocol):
    """Finds the times of the words of a known text."""

    @property
    def name(self) -> str:
        """Such as `whisperx`."""
        ...

    @property
    def version(self) -> str:
        """Changes with the model and the library."""
        ...

    @property
    def languages(self) -> tuple[Language, ...]:
        """What it has models for."""
        ...

    def align(self, items: Sequence[Spoken]) -> list[Alignment | SpeechError]:
        """Returns for each item its words with times, or why there are none (words missing, low score ...)."""
        ...


class Recogniser(Protocol):
    """Writes down what is said."""

    @property
    def name(self) -> str:
        """Such as `faster-whisper`."""
        ...

    @property
    def version(self) -> str:
        """Changes with the model and the library."""
        ...

    @property
    def languages(self) -> tuple[Language, ...]:
        """What it has models for."""
        ...

    def transcribe(self, items: Sequence[Spoken]) -> list[str | SpeechError]:
        """Returns for each item what is heard; the text that it should say is not looked at."""
        ...
