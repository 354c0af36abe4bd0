"""Divides a text that is too long for a model, at the ends of sentences where it has any."""

from __future__ import annotations

import re
from typing import Final

# Where a text may be divided, the best places first: after sentences, after clauses, between words.
_PLACES: Final = (
    re.compile(r"(?<=[.!?…])(?=[\s])|(?<=[.!?…][\"'”’)])(?=\s)|(?<=[。！？])(?![”’」』）])|(?<=[。！？][”’」』）])"),
    re.compile(r"(?<=[,;:–—])(?=\s)|(?<=[，、；：])"),
    re.compile(r"(?=\s)"),
)


def split_text(text: str, max_characters: int) -> list[str]:
    """Returns the parts of a text, each of as many whole sentences as fit.

    A sentence that is too long itself is divided after clauses, a clause between words, and a word (or a Mandarin
    clause) anywhere.

    Args:
        text: In spoken form.
        max_characters: The longest part.
    """
    return [part.strip() for part in _split(text.strip(), max_characters, _PLACES) if part.strip()]


def _split(text: str, limit: int, places: tuple[re.Pattern[str], ...]) -> list[str]:
    if len(text) <= limit:
        return [text]
    if not places:
        return [text[i : i + limit] for i in range(0, len(text), limit)]
    parts: list[str] = []
    for piece in places[0].split(text):
        if parts and len((parts[-1] + piece).strip()) <= limit:
            parts[-1] += piece
        else:
            parts += _split(piece.strip(), limit, places[1:])
    return parts
