"""Which characters a picture can show with the fonts of this machine, and what stands for those that it cannot."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable

from matplotlib.font_manager import FontEntry, FontProperties, fontManager, get_font
from matplotlib.ft2font import FT2Font

BASE_FAMILY = "DejaVu Sans"  # comes with matplotlib, so Latin text looks the same everywhere
HINT = (
    "[zh 4] stands for four Chinese characters: no font of this machine has them (install one, such as Noto Sans CJK)"
)

_PROBE = "的声听"  # among the most common characters; a font with these has the rest
_NO_TEXT_FONTS = ("Last Resort",)  # has a box for every character


class Typeface:
    """The base font, with a font for Chinese behind it where the machine has one.

    Args:
        chinese: Family of the font for Chinese; None where there is none.
    """

    def __init__(self, chinese: str | None) -> None:
        self.families = [BASE_FAMILY] if chinese is None else [BASE_FAMILY, chinese]
        self._fonts = [_font(family) for family in self.families]

    def has(self, character: str) -> bool:
        """Tells whether one of the fonts has the character."""
        return any(font.get_char_index(ord(character)) for font in self._fonts)

    def spell(self, text: str) -> str:
        """Returns the text with every run of characters that cannot be shown replaced by its kind and length."""
        text = " ".join(text.split())
        if text.isascii():
            return text
        parts = []
        for shown, run in itertools.groupby(text, self.has):
            letters = "".join(run)
            parts.append(letters if shown else f"[{'zh ' if is_chinese(letters) else ''}{len(letters)}]")
        return "".join(parts)


@functools.cache
def typeface(texts_have_chinese: bool) -> Typeface:
    """Returns the fonts to draw with; those for Chinese are looked for only when they are needed."""
    return Typeface(_chinese_family() if texts_have_chinese else None)


def is_chinese(text: str) -> bool:
    """Tells whether a text has a Chinese character or punctuation mark."""
    return any("\u3000" <= character <= "\u9fff" or "\uff00" <= character <= "\uffef" for character in text)


def any_chinese(texts: Iterable[str]) -> bool:
    """Tells whether any of the texts has a Chinese character."""
    return any(map(is_chinese, texts))


def _chinese_family() -> str | None:
    """Finds a font that has Chinese characters: sans before serif, regular before bold, then by name."""
    for entry in sorted(fontManager.ttflist, key=_preference):
        if entry.style == "normal" and not entry.name.startswith(_NO_TEXT_FONTS) and _covers(entry.fname):
            return str(entry.name)
    return None


def _preference(entry: FontEntry) -> tuple[bool, int, str]:
    weight = entry.weight if isinstance(entry.weight, int) else 400
    return "serif" in entry.name.lower() or "ming" in entry.name.lower(), abs(weight - 400), entry.name


def _covers(file: str) -> bool:
    try:
        font = FT2Font(file)
    except (OSError, RuntimeError):  # matplotlib keeps a list of fonts, and this one is gone or damaged since
        return False
    return all(font.get_char_index(ord(character)) for character in _PROBE)


def _font(family: str) -> FT2Font:
    return get_font(fontManager.findfont(FontProperties(family=family)))
