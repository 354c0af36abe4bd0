"""How far a transcript is from what was to be said: words in English, characters in Mandarin.

Both texts are brought into one form first, with the normalisers that Whisper was measured with, so that "it's 5
o'clock" and "It is five o'clock." are equal.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Final

from soundflow_data.speech.engine import Language
from soundflow_data.speech.model_files import check_packages
from soundflow_data.speech.spoken_form import spoken_form

_PACKAGES: Final = ("jiwer", "whisper_normalizer")
_USER: Final = "the error rate"


def error_rate(reference: str, transcript: str, language: Language) -> float:
    """Returns insertions, deletions and substitutions by the length of the reference.

    Args:
        reference: Spoken form of what was to be said.
        transcript: What was heard.
        language: Words are counted in English, characters in Mandarin.

    Returns:
        0 for equal texts; may be above 1. Of a reference that the normaliser empties ("um, hmm"), 0 when it empties the
        transcript too and 1 when it does not.

    Raises:
        SpeechError: The packages of the speech environment are not installed.
    """
    check_packages(_PACKAGES, user=_USER)
    import jiwer  # noqa: PLC0415 - not in the base environment

    wanted, heard = normalise(reference, language), normalise(transcript, language)
    if not wanted:
        return float(bool(heard))
    rate: float = (jiwer.wer if language == "en" else jiwer.cer)(wanted, heard)
    return rate


def normalise(text: str, language: Language) -> str:
    """Returns the form of a text that is compared: English words between spaces, Mandarin characters without any."""
    if language == "en":
        return _normaliser("en")(text).strip()
    # Recognisers write digits where people say characters; the basic normaliser leaves them.
    return "".join(_normaliser("zh")(spoken_form(text, "zh")).split())


@functools.cache
def _normaliser(language: Language) -> Callable[[str], str]:
    from whisper_normalizer.basic import BasicTextNormalizer  # noqa: PLC0415 - not in the base environment
    from whisper_normalizer.english import EnglishTextNormalizer  # noqa: PLC0415

    normaliser: Callable[[str], str] = EnglishTextNormalizer() if language == "en" else BasicTextNormalizer()
    return normaliser
