"""Divides a text into the units whose times are reported, and rewrites it for espeak without losing track of them.

English units are the words between spaces. Mandarin units are single characters and Latin words. Punctuation belongs
to the unit before it (to the one after it at the start of a text), so that the units of an English text joined by
spaces, and those of a Mandarin text joined by nothing, are the text.

espeak is given a slightly different text of the same sound, because its dictionaries hide times or mispronounce:

- Pairs such as "of the" are one dictionary entry and one time. A no-break space between two English words keeps them
  apart.
- Mandarin words that end in the suffix 儿 have pinyin such as `hua1r5`, which it spells in English letters. A
  zero-width space before the suffix keeps it a syllable of its own.
- It has no syllables xiong, qiong and jiong. They are given as phonemes.
- It drops the end of a clause that is longer than its buffers. A comma comes first.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

import msgspec

from soundflow_data.errors import SpeechError
from soundflow_data.speech.engine import Language, Voice

MAX_CHARACTERS: Final = 2_000  # about two minutes of English, eight of Mandarin
_MAX_CLAUSE: Final = {"en": 250, "zh": 120}  # characters; espeak starts to drop words at twice that

_HAN = "\u3007\u3400-\u4dbf\u4e00-\u9fff"
_LATIN = "0-9A-Za-zÀ-ÖØ-öø-\u024f"
_PUNCTUATION = "\\s,.!?;:'\"()“”‘’–—…\\-"
_SPEAKABLE: Final = {
    "en": re.compile(f"[{_LATIN}{_PUNCTUATION}«»\\[\\]{{}}]*"),
    "zh": re.compile(f"[{_HAN}{_LATIN}{_PUNCTUATION}、。，；：？！（）《》〈〉「」『』【】〔〕·～]*"),
}
_SCRIPT: Final = {"en": re.compile(f"[{_LATIN}]"), "zh": re.compile(f"[{_HAN}]")}
_SCRIPT_NAME: Final = {"en": "Latin letter or digit", "zh": "Chinese character"}
_ENGLISH_TOKEN = re.compile(r"\S+")
_MANDARIN_CORE = re.compile(f"[{_HAN}]|[{_LATIN}](?:[{_LATIN}]|['’.-](?=[{_LATIN}]))*")
_CLAUSE_END = re.compile("[,.!?;:、。，；：？！…][\"'()“”‘’」』）》\\s]*$")
_LONGEST_WORD: Final = 80  # letters; espeak cuts words at twice that
_OVERLONG = re.compile(f"[{_LATIN}]{{{_LONGEST_WORD + 1},}}")
_JOINED_BEFORE = re.compile(f"[{_LATIN}'’]$")
_JOINED_AFTER = re.compile(f"^[{_LATIN}]")
_NO_BREAK_SPACE = "\u00a0"
_ZERO_WIDTH_SPACE = "\u200b"

# Characters of the syllables that espeak lacks, by its phoneme names: consonant, glide and rhyme, tone as pitch levels.
_MISSING: Final = {
    "tS;j'ong55": "冂冋坰埛扃蘏蘔駫",
    "tS;j'ong214": "侰僒冏囧幜泂炯烱煚煛熲皛窘絅綗褧迥逈顈颎駉",
    "tS;j'ong51": "澃",
    "tS;hj'ong55": "匔焪芎",
    "tS;hj'ong35": "儝卭宆惸桏棾橩焭煢琼瓊睘瞏穷穹窮竆笻筇茕藑藭蛩赹跫輁邛銎",
    "S;j'ong55": "兄兇凶匈哅忷恟汹洶胷胸訩詾讻賯",
    "S;j'ong35": "熊赨雄",
    "S;j'ong51": "夐敻詗诇",
}
_PHONEMES: Final = {
    character: f"[[{phonemes}]]" for phonemes, characters in _MISSING.items() for character in characters
}
_SUFFIXES: Final = "儿兒"


class Segments(msgspec.Struct, frozen=True, kw_only=True):
    """A text, divided.

    Attributes:
        units: What is reported, in order.
        source: What espeak is given.
        owner: For every character of the source, the unit that it belongs to.
    """

    units: tuple[str, ...]
    source: str
    owner: tuple[int, ...]


def segment(text: str, voice: Voice) -> Segments:
    """Divides a text that is in spoken form.

    Raises:
        SpeechError: The voice cannot speak the text; the message says which character or length is the reason.
    """
    check_text(text, voice, max_characters=MAX_CHARACTERS)
    return _segment_english(text) if voice.language == "en" else _segment_mandarin(text.strip())


def words_of(text: str, language: Language) -> tuple[str, ...]:
    """Returns the words of a text in spoken form, as every engine and aligner reports them; none when it has none."""
    segments = _segment_english(text) if language == "en" else _segment_mandarin(text.strip())
    return segments.units


def excerpt(text: str) -> str:
    """Returns the start of a text, short enough for a message."""
    return repr(text if len(text) <= 48 else text[:45] + "...")


def check_text(text: str, voice: Voice, *, max_characters: int) -> None:
    """Checks that a voice of its language can speak a text: not empty, not only symbols, of no other script.

    Raises:
        SpeechError: It cannot; the message says which character or length is the reason.
    """
    where = f"voice {voice.id!r} cannot speak {excerpt(text)}"
    if not text.strip():
        raise SpeechError(f"{where}: the text is empty; leave the utterance out")
    if len(text) > max_characters:
        raise SpeechError(
            f"{where}: it has {len(text)} characters, more than {max_characters}; split it into sentences"
        )
    if overlong := _OVERLONG.search(text):
        raise SpeechError(
            f"{where}: it has a word of {len(overlong[0])} letters at character {overlong.start()}, more than "
            f"{_LONGEST_WORD}; divide or leave it out"
        )
    match = _SPEAKABLE[voice.language].match(text)
    assert match is not None  # the pattern may match nothing, but it always matches
    if match.end() < len(text):
        wrong = text[match.end()]
        name = unicodedata.name(wrong, f"U+{ord(wrong):04X}")
        raise SpeechError(
            f"{where}: a voice for {voice.language!r} has no sound for {wrong!r} ({name}) at character {match.end()}; "
            "pass the text through spoken_form, or choose a voice of its language"
        )
    if not _SCRIPT[voice.language].search(text):
        raise SpeechError(
            f"{where}: it has no {_SCRIPT_NAME[voice.language]}; leave it out, or choose a voice of its language"
        )


def _segment_english(text: str) -> Segments:
    units: list[str] = []
    source: list[str] = []
    owner: list[int] = []
    leading = ""
    clause = 0
    for token in _ENGLISH_TOKEN.findall(text):
        if not _SCRIPT["en"].search(token):
            if units:
                units[-1] += " " + token
            else:
                leading += token + " "
            token = token.replace("-", ",")  # noqa: PLW2901 - espeak loses its place at a lone hyphen
        else:
            units.append(leading + token)
            leading = ""
        if source:
            _append(source, owner, _separator(source[-1], token, clause))
        clause = 0 if _CLAUSE_END.search(token) or clause > _MAX_CLAUSE["en"] else clause + len(token) + 1
        source.append(token)
        owner += [max(len(units) - 1, 0)] * len(token)
    return Segments(units=tuple(units), source="".join(source), owner=tuple(owner))


def _separator(before: str, after: str, clause: int) -> str:
    if clause > _MAX_CLAUSE["en"]:
        return ", "
    return _NO_BREAK_SPACE if _JOINED_BEFORE.search(before) and _JOINED_AFTER.match(after) else " "


def _append(source: list[str], owner: list[int], addition: str) -> None:
    source.append(addition)
    owner += [owner[-1]] * len(addition)


def _segment_mandarin(text: str) -> Segments:
    units: list[str] = []
    source: list[str] = []
    owner: list[int] = []
    last = clause = 0
    cores = list(_MANDARIN_CORE.finditer(text))
    for i, core in enumerate(cores):
        end = cores[i + 1].start() if i + 1 < len(cores) else len(text)
        units.append(text[last:end])
        spoken = text[last : core.start()] + _speakable_core(text, core) + text[core.end() : end]
        clause = 0 if _CLAUSE_END.search(units[-1]) else clause + len(spoken)
        source.append(spoken)
        owner += [i] * len(spoken)
        if clause > _MAX_CLAUSE["zh"]:
            _append(source, owner, "，")
            clause = 0
        last = end
    return Segments(units=tuple(units), source="".join(source), owner=tuple(owner))


def _speakable_core(text: str, core: re.Match[str]) -> str:
    word = core.group()
    if word in _PHONEMES:
        return _PHONEMES[word]
    if word in _SUFFIXES:
        follows = core.start() > 0 and _SCRIPT["zh"].match(text[core.start() - 1])
        return (_ZERO_WIDTH_SPACE if follows else "") + "儿"
    return word
