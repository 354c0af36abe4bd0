"""The choice of voices that the readers of texts have in common."""

from __future__ import annotations

from collections.abc import Sequence

from soundflow_data.errors import BankError
from soundflow_data.speech import Language, Voice
from soundflow_data.speech.voices import load_voices


def choose_voices(source: str, language: Language, ids: Sequence[str]) -> tuple[Voice, ...]:
    """Returns the espeak voices of a language, or those that are asked for.

    Raises:
        BankError: A voice does not exist, or speaks another language.
    """
    known = {voice.id: voice for voice in load_voices() if voice.engine == "espeak" and voice.language == language}
    unknown = [one for one in ids if one not in known]
    if unknown or not known:
        raise BankError(
            f"source {source!r}: no espeak voice {', '.join(unknown)} for language {language!r}; there are "
            f"{', '.join(known)}"
        )
    return tuple(known[one] for one in ids) if ids else tuple(known.values())
