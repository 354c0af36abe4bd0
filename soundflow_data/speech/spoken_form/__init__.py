"""The form of a text that can be said: no markup, every number, date, unit and symbol in words.

    "Dr. Li paid $5.50 at 3:05 pm."   ->   "Doctor Li paid five dollars and fifty cents at three oh five p m."
    "2024年3月15日降温5℃"             ->   "二零二四年三月十五日降温五摄氏度"

The result has letters, spaces and sentence punctuation only, and is its own spoken form.
"""

from __future__ import annotations

from soundflow_data.errors import SpeechError
from soundflow_data.speech.spoken_form.english import english
from soundflow_data.speech.spoken_form.mandarin import mandarin

__all__ = ["spoken_form"]

_READERS = {"en": english, "zh": mandarin}


def spoken_form(text: str, language: str) -> str:
    """Returns a text as it is read aloud.

    Args:
        text: As written; Markdown, HTML, code, addresses, numbers and symbols are allowed.
        language: `en` or `zh`; numbers are said in it.

    Returns:
        Letters, spaces and sentence punctuation; empty when nothing of the text can be said.

    Raises:
        SpeechError: There is no such language.
    """
    reader = _READERS.get(language)
    if reader is None:
        raise SpeechError(f"language {language!r} of {text[:48]!r} has no spoken form; choose one of {list(_READERS)}")
    return reader(text)
