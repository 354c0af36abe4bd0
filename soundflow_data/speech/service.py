"""Where scenes get their utterances: from banks that hold them already, else from an engine, which is asked once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from soundflow_data.audio.levels import peak, rms_db
from soundflow_data.bank import Bank
from soundflow_data.errors import SpeechError
from soundflow_data.speech.engine import Engine, Voice, utterance_id
from soundflow_data.speech.spoken_form import spoken_form
from soundflow_data.timeline import Event, Word

CACHE_SAMPLES = 16_000 * 60 * 20  # 20 minutes of speech, 38 MB a worker
RELEASE_BYTES = 64 << 20  # speech read from a bank before its pages are given back


class Utterance(msgspec.Struct, frozen=True, kw_only=True):
    """A text in a voice.

    Attributes:
        bank: Name of the bank that holds it, or of the engine that makes it.
        id: Content address of text, voice and engine version.
        num_samples: Length.
        words: Words with times from the utterance's start.
        level_db: RMS level in dBFS.
        peak: Largest magnitude, 0 to 32768.
    """

    bank: str
    id: str
    num_samples: int
    words: tuple[Word, ...]
    level_db: float
    peak: int


class Unspoken(Exception):  # noqa: N818 - an outcome that is counted, not an error
    """A text of a stream could not be made, for good.

    Not a `Drop`: one of these ends an episode or the choice of a sub-task, while this takes the whole stream with it.

    Args:
        reason: Short and countable, such as `not understood`.
        detail: Which text in which voice.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


class SpeechSource(Protocol):
    """Gives scenes their utterances."""

    def utter(self, text: str, voice: Voice) -> Utterance:
        """Returns the utterance of a text."""
        ...

    def pcm(self, event: Event) -> NDArray[np.int16]:
        """Returns int16 (num_samples,), the whole utterance of an event."""
        ...


class SpeechService:
    """Finds or makes utterances.

    Args:
        engine: Speaks what no bank holds; None when banks are all there is.
        version: Of the engine whose utterances are looked up in banks, whether or not it may speak here.
        banks: Banks that may hold utterances, by name.
        voices: All voices by id.
        failed: Why utterances could not be made, by content address.
    """

    def __init__(
        self,
        *,
        engine: Engine | None,
        version: str,
        banks: Mapping[str, Bank],
        voices: Mapping[str, Voice],
        failed: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._engine = engine
        self._version = version
        self._banks = speech_banks(banks)
        self._voices = dict(voices)
        self._failed = failed
        self._read_bytes = 0
        self._cache: OrderedDict[str, tuple[Utterance, NDArray[np.int16]]] = OrderedDict()
        self._cached_samples = 0
        self.num_spoken = 0  # utterances that the engine made
        self.num_samples_spoken = 0

    def utter(self, text: str, voice: Voice) -> Utterance:
        """Returns the utterance of a text.

        Raises:
            SpeechError: No bank holds it and there is no engine, or the engine cannot speak it.
            Unspoken: It was tried and could not be made.
        """
        spoken = spoken_form(text, voice.language)
        address = utterance_id(spoken, voice, self._version)
        found = find_utterance(self._banks, address, self._failed, what=f"text {spoken!r} in voice {voice.id!r}")
        if found is not None:
            return found
        return self._speak(spoken, voice, address)[0]

    def pcm(self, event: Event) -> NDArray[np.int16]:
        """Returns int16 (num_samples,), the whole utterance of an event, spoken again if it is not kept any more.

        Raises:
            SpeechError: The event's voice or engine is not here.
        """
        bank = self._banks.get(event.bank)
        if bank is not None:
            return self._read(bank, event.clip)
        kept = self._cache.get(event.clip)
        if kept is not None:
            self._cache.move_to_end(event.clip)
            return kept[1]
        voice = self._voices.get(event.speaker)
        if voice is None or self._engine is None or event.bank != self._engine.name:
            raise SpeechError(
                f"utterance {event.clip!r} ({event.text!r}) is in no open bank, and its engine {event.bank!r} or voice "
                f"{event.speaker!r} is not here; open the bank that holds it, or allow the engine in the recipe"
            )
        utterance, pcm = self._speak(spoken_form(event.text, voice.language), voice, event.clip)
        if utterance.id != event.clip:
            raise SpeechError(f"utterance {event.clip!r} ({event.text!r}) was made by another version of its engine")
        return pcm

    def _read(self, bank: Bank, clip: str) -> NDArray[np.int16]:
        if self._read_bytes > RELEASE_BYTES:
            bank.release()
            self._read_bytes = 0
        pcm = bank.pcm(bank.find(clip))
        self._read_bytes += pcm.nbytes
        return pcm

    def _speak(self, spoken: str, voice: Voice, address: str) -> tuple[Utterance, NDArray[np.int16]]:
        kept = self._cache.get(address)
        if kept is not None:
            self._cache.move_to_end(address)
            return kept
        if self._engine is None:
            raise SpeechError(
                f"text {spoken!r} in voice {voice.id!r} is in no bank, and the recipe allows no engine; "
                "run `soundflow speak` with this recipe to fill voices.bank, or set voices.engine"
            )
        speech = self._engine.speak(spoken, voice)
        self.num_spoken += 1
        self.num_samples_spoken += len(speech.pcm)
        utterance = Utterance(
            bank=self._engine.name,
            id=utterance_id(spoken, voice, self._engine.version),
            num_samples=len(speech.pcm),
            words=speech.words,
            level_db=rms_db(speech.pcm),
            peak=peak(speech.pcm),
        )
        self._cache[address] = (utterance, speech.pcm)
        self._cached_samples += len(speech.pcm)
        while self._cached_samples > CACHE_SAMPLES and len(self._cache) > 1:
            _, (_, oldest) = self._cache.popitem(last=False)
            self._cached_samples -= len(oldest)
        return utterance, speech.pcm


def speech_banks(banks: Mapping[str, Bank]) -> dict[str, Bank]:
    """Returns the banks that hold any speech."""
    return {name: bank for name, bank in banks.items() if len(bank.rows(kind="speech"))}


def find_utterance(
    banks: Mapping[str, Bank], address: str, failed: Mapping[str, str], *, what: str
) -> Utterance | None:
    """Looks an utterance up by its content address, in one bank after the other.

    Args:
        banks: Banks that may hold it.
        address: Of the utterance.
        failed: Why utterances could not be made, by address.
        what: How to call it when it is one of these.

    Raises:
        Unspoken: It was tried and could not be made.
    """
    for name, bank in banks.items():
        if address in bank:
            clip = bank.clip(bank.find(address))
            return Utterance(
                bank=name,
                id=address,
                num_samples=clip.num_samples,
                words=clip.words,
                level_db=clip.level_db,
                peak=clip.peak,
            )
    if address in failed:
        raise Unspoken(failed[address], what)
    return None
