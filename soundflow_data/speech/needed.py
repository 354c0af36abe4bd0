"""Finds out which utterances streams need before anybody has spoken them.

Scenes are composed as always, but a text that no bank holds is noted and taken to be as long as texts usually are. What
fits into a stream depends on true lengths, so a stream that lacked something is composed again when it has been spoken,
and may then need other texts; a stream that lacked nothing is settled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from soundflow_data.bank import Bank
from soundflow_data.errors import SpeechError
from soundflow_data.speech.engine import Voice, utterance_id
from soundflow_data.speech.estimate import estimate_num_samples
from soundflow_data.speech.segments import words_of
from soundflow_data.speech.service import Utterance, find_utterance, speech_banks
from soundflow_data.speech.spoken_form import spoken_form
from soundflow_data.timeline import Event, Word

_SHORTEST: Final = 1_600  # samples; a text of which nothing can be said is found out by whoever is to speak it
_LEVEL_DB: Final = -25.0
_PEAK: Final = 8_000


class Needed(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """An utterance that some stream needs.

    Attributes:
        address: Its content address.
        text: Spoken form.
        voice: Id of the voice.
    """

    address: str
    text: str
    voice: str


class NeededSpeech:
    """Gives scenes what banks hold, and notes what they lack.

    Args:
        version: Of the engine that is to speak.
        banks: Banks that may hold utterances, by name.
        failed: Why utterances could not be made, by content address.
    """

    def __init__(self, *, version: str, banks: Mapping[str, Bank], failed: Mapping[str, str]) -> None:
        self._version = version
        self._banks = speech_banks(banks)
        self._failed = failed
        self._missing: dict[str, Needed] = {}

    def utter(self, text: str, voice: Voice) -> Utterance:
        """Returns the utterance of a text, or one of its likely length.

        Raises:
            Unspoken: It was tried and could not be made.
        """
        spoken = spoken_form(text, voice.language)
        address = utterance_id(spoken, voice, self._version)
        found = find_utterance(self._banks, address, self._failed, what=f"text {spoken!r} in voice {voice.id!r}")
        if found is not None:
            return found
        self._missing[address] = Needed(address=address, text=spoken, voice=voice.id)
        return _likely(spoken, voice, address)

    def pcm(self, event: Event) -> NDArray[np.int16]:
        """Refuses: nothing is rendered from estimates."""
        raise SpeechError(f"utterance {event.clip!r} ({event.text!r}) was only planned; run `soundflow speak` first")

    def take_missing(self) -> list[Needed]:
        """Returns what was missing since the last call."""
        missing = list(self._missing.values())
        self._missing.clear()
        return missing


def _likely(text: str, voice: Voice, address: str) -> Utterance:
    num_samples = max(_SHORTEST, estimate_num_samples(text, voice.language, voice.rate_wpm))
    units = words_of(text, voice.language) or (text,)
    sizes = np.cumsum([0, *(max(1, len(unit)) for unit in units)])
    edges = (sizes * num_samples // sizes[-1]).tolist()
    words = [Word(text=unit, start=edges[i], end=edges[i + 1]) for i, unit in enumerate(units)]
    return Utterance(
        bank=voice.engine, id=address, num_samples=num_samples, words=tuple(words), level_db=_LEVEL_DB, peak=_PEAK
    )
