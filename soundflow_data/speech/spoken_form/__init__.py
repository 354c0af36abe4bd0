"""The form of a text that can be said: no markup, every number, date, unit and symbol in words.

    "Dr. Li paid $5.50 at 3:05 pm."   ->   "Doctor Li paid five dollars and fifty cents at three oh five p m."
    "2024年3月15日降温5℃"             ->   "二零二四年三月十五日降温五摄氏度"

The result has letters, spaces and sentence punctuation only, and is its own spoken form.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from soundflow_data.errors import SpeechError

__all__ = ["spoken_form"]


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
    return _reader(language)(text)


@functools.cache
def _reader(language: str) -> Callable[[str], str]:
    # Loaded when first needed: the rules and num2words take longer to load than the rest of the package.
    if language == "en":
        from soundflow_data.speech.spoken_form.english import english  # noqa: PLC0415

        return english
    if language == "zh":
        from soundflow_data.speech.spoken_form.mandarin import mandarin  # noqa: PLC0415

        return mandarin
    raise SpeechError(f"language {language!r} has no spoken form; choose 'en' or 'zh'")
