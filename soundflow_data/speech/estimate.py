"""How long a text lasts when it is spoken, without speaking it."""

from __future__ import annotations

import re
from typing import Final

from soundflow_data.speech.spoken_form import spoken_form

_REFERENCE_RATE_WPM: Final = 175

# Samples at the reference rate, fitted by least squares to espeak: English on 500 sentences of task-oriented dialogue
# in 16 voices (median error 6 % on the half that was not fitted), Mandarin on 300 texts of dictionary words in 10
# voices (4 %). A pause counts only between words: the one after the last word is not part of an utterance.
_ENGLISH_BASE: Final = 1_780
_ENGLISH_LETTER: Final = 780
_ENGLISH_WORD: Final = 845
_ENGLISH_PAUSE: Final = 5_170
_ENGLISH_STOP: Final = 7_170
_MANDARIN_CHARACTER: Final = 3_600
_MANDARIN_LATIN_LETTER: Final = 1_100
_MANDARIN_PAUSE: Final = 3_715
_MANDARIN_STOP: Final = 7_560

_PAUSE = re.compile(r"[,;:](?=\s)|[，、；：](?=.)|\.\.\.|……")
_STOP = re.compile(r"(?<!\.)[.?!](?=\s)|[。？！](?=.)")
_LATIN = re.compile(r"[A-Za-zÀ-\u024f]")


def estimate_num_samples(text: str, language: str, rate_wpm: int = _REFERENCE_RATE_WPM) -> int:
    """Returns about how many samples a text lasts, silence at its ends included.

    Args:
        text: As written; its spoken form is what counts.
        language: `en` or `zh`.
        rate_wpm: Speed in English words per minute, as voices state it.

    Returns:
        0 for a text of which nothing can be said.

    Raises:
        SpeechError: There is no such language.
    """
    spoken = spoken_form(text, language)
    letters = sum(map(str.isalpha, spoken))
    if not letters:
        return 0
    pauses, stops = len(_PAUSE.findall(spoken)), len(_STOP.findall(spoken))
    if language == "en":
        words = len(spoken.split())
        length = _ENGLISH_BASE + letters * _ENGLISH_LETTER + words * _ENGLISH_WORD
        length += pauses * _ENGLISH_PAUSE + stops * _ENGLISH_STOP
    else:
        latin = len(_LATIN.findall(spoken))
        length = (letters - latin) * _MANDARIN_CHARACTER + latin * _MANDARIN_LATIN_LETTER
        length += pauses * _MANDARIN_PAUSE + stops * _MANDARIN_STOP
    return length * _REFERENCE_RATE_WPM // rate_wpm
