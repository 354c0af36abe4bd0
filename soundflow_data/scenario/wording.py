"""Words of captions and queries, and which sounds of the ontology a text names.

    words("A dog barks; dishes are breaking")      # ['dog', 'bark', 'dish', 'break']
    Wording(ontology).named("a dog barking twice")  # ('dog_bark',)

Plain English only, because captions and queries are: letters without accents, no function words, and endings off, so
that `barks`, `barked` and `barking` are one word.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from soundflow_data.ontology import Ontology, SoundLabel

_FUNCTION_WORDS: Final = (
    "a about after again against all also an and another any are around as at away back be been before behind being "
    "by can continuously do down during each few followed for from going hear heard her him his i in inside into is it "
    "its just loud loudly made make makes making more near nearby noise of off on once one or other out outside over "
    "own playing several she he so some someone something sound sounds start such than that the their them then there "
    "these they this those through to together toward towards two up upon various very was were what when where which "
    "while who with within you your"
)
STOP_WORDS: Final = frozenset(_FUNCTION_WORDS.split())

_WORD: Final = re.compile(r"[a-z0-9]+")
_VOWEL: Final = re.compile(r"[aeiouy]")


def words(text: str) -> list[str]:
    """Returns the stems of the words that carry meaning, in order."""
    plain = unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode()
    return [stem(word) for word in _WORD.findall(plain) if word not in STOP_WORDS]


def stem(word: str) -> str:
    """Returns a lower-case English word without its ending: `barks`, `barked` and `barking` become `bark`.

    A short version of the first steps of Porter's algorithm ("An algorithm for suffix stripping", 1980).
    """
    if word.endswith("sses"):
        word = word[:-2]
    elif word.endswith("ies") and len(word) > 4:
        word = word[:-3] + "y"
    elif word.endswith(("ches", "shes", "xes", "zes")):
        word = word[:-2]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3:
        word = word[:-1]
    for ending in ("ing", "ed"):
        root = word.removesuffix(ending)
        if root != word and len(root) > 2 and _VOWEL.search(root):
            word = root[:-1] if root[-1] == root[-2] and root[-1] not in "lsz" else root
            break
    return word[:-1] if word.endswith("e") and len(word) > 3 else word


class Wording:
    """Finds the sounds that a text names.

    Args:
        ontology: What sounds are called.
    """

    def __init__(self, ontology: Ontology) -> None:
        self._names: list[tuple[str, frozenset[str]]] = []
        self._with: dict[str, list[int]] = {}
        for entry in ontology:
            for name in sorted(_names(entry), key=sorted):
                for word in name:
                    self._with.setdefault(word, []).append(len(self._names))
                self._names.append((entry.label, name))

    def named(self, text: str) -> tuple[str, ...]:
        """Returns the labels of which a whole name stands in the text, the longest names first.

        A name within a longer one is not counted: who says `church bell` does not speak of a bell.
        """
        found: dict[int, int] = {}
        for word in set(words(text)):
            for number in self._with.get(word, ()):
                found[number] = found.get(number, 0) + 1
        whole = [self._names[number] for number, count in found.items() if count == len(self._names[number][1])]
        longest = [(label, name) for label, name in whole if not any(name < other for _, other in whole)]
        longest.sort(key=lambda one: (-len(one[1]), one[0]))
        return tuple(dict.fromkeys(label for label, _ in longest))


def name_text(entry: SoundLabel) -> str:
    """Returns the names of a sound as one text to search in."""
    return " ".join((entry.label.replace("_", " "), entry.name_en, entry.phrase_en, *entry.aliases)).replace("_", " ")


def _names(entry: SoundLabel) -> set[frozenset[str]]:
    return {name for name in map(_name, _spellings(entry)) if name}


def _spellings(entry: SoundLabel) -> Iterable[str]:
    return (entry.label.replace("_", " "), entry.name_en, entry.phrase_en, *entry.aliases)


def _name(text: str) -> frozenset[str]:
    return frozenset(words(text.replace("_", " ")))
