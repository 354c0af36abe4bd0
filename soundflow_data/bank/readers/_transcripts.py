"""What the readers of recorded speech have in common: languages, and transcripts as they would be written."""

from __future__ import annotations

import re

_I = re.compile(r"\bi\b")
_BETWEEN_HAN = re.compile(r"(?<=[\u3400-\u9fff])\s+(?=[\u3400-\u9fff])")


def language_of(code: str) -> str:
    """Returns the language of a locale: `zh` for `zh-CN`, `en` for `en_GB`, but `yue` (Cantonese) for `zh-HK`."""
    if code.strip().lower().replace("_", "-").startswith("zh-hk"):
        return "yue"
    return re.split(r"[-_]", code.strip().lower(), maxsplit=1)[0]


def lowered(text: str) -> str:
    """Returns a transcript that is written in capitals alone in small letters, but for the English pronoun I."""
    return _I.sub("I", text.lower()) if text.isupper() else text


def joined(text: str) -> str:
    """Returns a transcript without the spaces that corpora put between Chinese words."""
    return _BETWEEN_HAN.sub("", text)
