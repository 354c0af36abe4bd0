"""Whether a new wording still says what the old one said, as far as that can be told without understanding it.

Kept are: the slots, all numbers in digits and in words, names, whether something is negated, the language, and roughly
the length. This errs on the side of the old wording: a good new one may be refused, a wrong one should not pass.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

LONGEST: Final = 2.0  # times the length of the original, in words or Chinese characters
SHORTEST: Final = 0.4
FREE: Final = 4  # words or characters that are always allowed more or less

_DIGITS: Final = re.compile(r"\d+(?:[.,:/]\d+)*")
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_HAN: Final = re.compile(r"[㐀-鿿]")
_LATIN: Final = re.compile(r"[A-Za-z][A-Za-z'’-]*")
_FOREIGN_TO_SPEECH: Final = re.compile(r"[\n\r\t*_#`<>|\[\]{}]|https?:")

_ENGLISH_NUMBERS: Final = (
    "zero two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million half quarter "
    "twice thrice second third fourth fifth sixth seventh eighth ninth tenth couple dozen "
    "both every each whenever"
)
_ENGLISH_NUMBER_WORDS: Final = frozenset(_ENGLISH_NUMBERS.split())
_SAME: Final = {"each": "every", "whenever": "every"}
_ONE: Final = re.compile(r"\b(?:one|a|an|single)[ -](?:seconds?|minutes?|hours?|days?|times?)\b", re.IGNORECASE)
_ENGLISH_NEGATIONS: Final = re.compile(
    r"\b(?:not|no|never|nothing|nobody|none|without|unless|except|stop|quit|cancel|forget|ignore|cannot|\w+n['’]t)\b",
    re.IGNORECASE,
)
# 不 in "能不能" asks, and does not deny.
_ASKING: Final = re.compile(r"(.)[不没]\1")
_MANDARIN_NEGATIONS: Final = re.compile(r"[不没别勿未莫无]|取消|停止|除了|除非|停下|算了")
_MANDARIN_NUMBER: Final = re.compile(r"[零〇一二两三四五六七八九十百千万亿半每]+")
_BEGINNING: Final = re.compile(r"(?:^|[.!?…:])[\s\"'“‘]*$")
_INTERJECTIONS: Final = (
    "ah alright also and anyway but excuse first fine good hello hey hi hm hmm if listen look next no now oh ok okay "
    "please quick quickly right so sorry sure thanks then um well while yeah yes"
)
_INTERJECTION_WORDS: Final = frozenset(_INTERJECTIONS.split())


def objections(original: str, wording: str, *, language: str, keep: Sequence[str] = ()) -> Iterator[str]:
    """Yields what is wrong with a new wording, in words that help to do better; nothing when it may stand.

    Args:
        original: What was said.
        wording: What is to be said instead.
        language: Of both, `en` or `zh`.
        keep: Parts that must stand in it as they are, such as the values of slots.
    """
    mandarin = language.startswith("zh")
    for part in keep:
        if part.casefold() not in wording.casefold():
            yield f"{part!r} must stay as it is"
    bare_original, bare = (_without(text, keep) for text in (original, wording))
    if _FOREIGN_TO_SPEECH.search(bare):
        yield "it has markup, links or slots of its own; write plain spoken sentences"
    numbers = _mandarin_numbers if mandarin else _english_numbers
    before, after = numbers(bare_original), numbers(bare)
    if before != after:
        yield f"the numbers must stay: {_listed(before)}, not {_listed(after)}"
    for names, there, fault in (
        (_names(bare_original, mandarin), bare, "must stay"),
        (_names(bare, mandarin), bare_original, "was not named before"),
    ):
        known = {word.casefold() for word in _WORD.findall(there)} | {word.casefold() for word in _LATIN.findall(there)}
        yield from (f"{name!r} {fault}" for name in names if name.casefold() not in known)
    if _negated(bare_original, mandarin) != _negated(bare, mandarin):
        yield "a negation was added or lost"
    if bool(_HAN.search(bare)) != mandarin and _WORD.search(bare):
        yield f"it is not in {'Chinese' if mandarin else 'English'}"
    old, new = _length(original, mandarin), _length(wording, mandarin)
    if not min(SHORTEST * old, old - FREE) <= new <= max(LONGEST * old, old + FREE) or not new:
        yield f"it has {new} words, the original {old}; stay near that"


def _without(text: str, keep: Sequence[str]) -> str:
    """Takes the kept parts out, which may hold numbers and names of their own."""
    for part in sorted(keep, key=len, reverse=True):
        text = re.sub(re.escape(part), " , ", text, flags=re.IGNORECASE)
    return text


def _english_numbers(text: str) -> Counter[str]:
    words = (word.casefold() for word in _WORD.findall(text))
    found = Counter(_SAME.get(word, word) for word in words if word in _ENGLISH_NUMBER_WORDS)
    found.update(_DIGITS.findall(text))
    found["one"] = len(_ONE.findall(text))
    return +found


def _mandarin_numbers(text: str) -> Counter[str]:
    found = Counter(_DIGITS.findall(text))
    for match in _MANDARIN_NUMBER.finditer(text):
        following = text[match.end() : match.end() + 1]
        # A lone 一 is an article more often than a number: 一下, 看一看.
        if match.group() != "一" or (following and following in "秒分小点次遍天"):
            found[match.group()] += 1
    return found


def _names(text: str, mandarin: bool) -> list[str]:
    """Finds words with a capital letter within a sentence, and those that a comma sets apart at its beginning.

    In Mandarin, all words in Latin letters count; names in characters cannot be told from other words.
    """
    if mandarin:
        return list(dict.fromkeys(_LATIN.findall(text)))
    found = []
    for match in _WORD.finditer(text):
        word = match.group()
        begins = _BEGINNING.search(text[: match.start()])
        called = text[match.end() : match.end() + 1] == "," and word.casefold() not in _INTERJECTION_WORDS
        if word[0].isupper() and re.split("['’]", word)[0] != "I" and (called or not begins):
            found.append(word)
    return list(dict.fromkeys(found))


def _negated(text: str, mandarin: bool) -> bool:
    if mandarin:
        return bool(_MANDARIN_NEGATIONS.search(_ASKING.sub("", text)))
    return bool(_ENGLISH_NEGATIONS.search(text))


def _length(text: str, mandarin: bool) -> int:
    return len(_HAN.findall(text)) if mandarin else len(_WORD.findall(text)) + len(_DIGITS.findall(text))


def _listed(found: Counter[str]) -> str:
    return ", ".join(sorted(found.elements())) or "none"
