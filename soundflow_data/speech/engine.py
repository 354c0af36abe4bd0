"""The nouns of speech and the small protocol behind which every engine stands."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final, Literal, Protocol, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from soundflow_data.errors import EngineError, SpeechError
from soundflow_data.timeline import Word

Language = Literal["en", "zh"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)
OWN_PACE_WPM: Final = 175


class Voice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A speaker, as an engine is told to make it.

    Attributes:
        id: Unique over all voices, such as `en-ada`.
        engine: Name of the engine that has it.
        language: What it speaks.
        model: What the engine loads; for espeak a language file such as `gmw/en-US`.
        variant: The speaker within the model; for espeak a voice variant such as `f2`.
        pitch: For espeak, 0 to 99; 50 leaves the variant's pitch as it is.
        pitch_range: For espeak, 0 to 99; 50 leaves the variant's liveliness as it is.
        rate_wpm: Speed in English words per minute; engines that know no words per minute take 175 for their own pace.
        reference: Paths of the recordings that it is cloned from, for engines that clone.
        digest: Of the content of `model`, where that is a folder, and of `reference`; `seal` fills it in.
        description: Sex and age that it suggests, for people who choose.
        licence: Of the audio that it makes.
    """

    id: str
    engine: str
    language: Language
    model: str
    variant: str = ""
    pitch: int = 50
    pitch_range: int = 50
    rate_wpm: int = OWN_PACE_WPM
    reference: tuple[str, ...] = ()
    digest: str = ""
    description: str = ""
    licence: str


class Speech(msgspec.Struct, frozen=True, kw_only=True):
    """One spoken text.

    Attributes:
        pcm: int16 (num_samples,), mono, 16 kHz.
        words: Every word with its first and its exclusive last sample, in order, without overlap; empty from an engine
            that does not know them, whose speech has to be aligned.
    """

    pcm: NDArray[np.int16]
    words: tuple[Word, ...]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One text to be spoken.

    Attributes:
        text: In spoken form.
        voice: Who says it.
        attempt: 0 at first; a later attempt draws other noise, where an engine draws any.
    """

    text: str
    voice: Voice
    attempt: int = 0


class Engine(Protocol):
    """Makes speech: equal texts, voices and versions give equal bytes, whatever was spoken before."""

    @property
    def name(self) -> str:
        """What `Voice.engine` calls it."""
        ...

    @property
    def version(self) -> str:
        """Changes whenever the same text and voice may give other bytes; part of every content address."""
        ...

    def speak(self, text: str, voice: Voice) -> Speech:
        """Speaks a text that is in spoken form.

        Raises:
            SpeechError: The engine cannot speak this text with this voice.
        """
        ...


class BatchEngine(Engine, Protocol):
    """An engine that is quicker with many texts at once, or can try a text again with another seed."""

    def speak_many(self, requests: Sequence[Request]) -> list[Speech | SpeechError]:
        """Speaks texts; a text that it cannot speak gives its error, and the others are spoken.

        Returns:
            One result for each request, in their order.

        Raises:
            EngineError: The engine, a model or a voice does not work, whatever the text.
        """
        ...


def speak_many(engine: Engine, requests: Sequence[Request]) -> list[Speech | SpeechError]:
    """Speaks texts with any engine, at once where it can; see `BatchEngine.speak_many`."""
    batch = getattr(engine, "speak_many", None)
    if batch is not None:
        return list(batch(requests))
    results: list[Speech | SpeechError] = []
    for request in requests:
        try:
            results.append(engine.speak(request.text, request.voice))
        except EngineError:
            raise
        except SpeechError as error:
            results.append(error)
    return results


def utterance_id(text: str, voice: Voice, engine_version: str) -> str:
    """Returns the content address of an utterance: 24 hexadecimal digits that change with whatever changes the audio.

    The voice's description and licence do not change the audio and are not part of it. Where the voice has a digest, it
    stands for the model and the reference recordings, which may then move to other paths.

    Raises:
        SpeechError: The voice is cloned from recordings whose content is not known; `seal` it.
    """
    if voice.reference and not voice.digest:
        raise SpeechError(
            f"voice {voice.id!r} is cloned from {voice.reference[0]}, and its digest is empty; take it from "
            "`read_voices`, or pass it through `seal`"
        )
    identity = (
        engine_version,
        voice.engine,
        voice.id,
        voice.language,
        voice.digest or voice.model,
        voice.variant,
        voice.pitch,
        voice.pitch_range,
        voice.rate_wpm,
        text,
    )
    return hashlib.blake2b(msgspec.json.encode(identity), digest_size=12).hexdigest()
