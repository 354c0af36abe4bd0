"""Sentences in two languages that mean the same, from `parallel_sentences.yaml` and `parallel_phrases.yaml`."""

from __future__ import annotations

import msgspec

from soundflow_data.scene import Scene
from soundflow_data.texts import load_texts

PARTS = ("times", "actions", "continuations")


class Sentence(msgspec.Struct, frozen=True, kw_only=True):
    """A sentence in two languages.

    Attributes:
        en: English, in one or two parts between which a speaker may stop to think.
        zh: Mandarin, likewise.
    """

    en: tuple[str, ...]
    zh: tuple[str, ...]

    def parts(self, language: str) -> tuple[str, ...]:
        """Returns its parts in a language."""
        return self.zh if language == "zh" else self.en

    def text(self, language: str) -> str:
        """Returns the whole sentence in a language, with capital and full stop."""
        return ("" if language == "zh" else " ").join(self.parts(language))


def draw_sentence(scene: Scene) -> Sentence:
    """Draws a sentence with its translation."""
    entry = scene.choice(load_texts("parallel_sentences"))
    filled = {name: scene.choice(pairs) for name, pairs in entry["slots"].items()}
    return Sentence(
        en=_finished(entry["en"].format(**{name: pair[0] for name, pair in filled.items()}), "."),
        zh=_finished(entry["zh"].format(**{name: pair[1] for name, pair in filled.items()}), "。"),
    )


def draw_phrases(scene: Scene, source: str) -> list[tuple[str, str]]:
    """Draws a sentence in phrases: each in the source language (`en` or `zh`) and in the other one."""
    table = load_texts("parallel_phrases")
    chosen = [scene.choice(table[part]) for part in PARTS]
    other = "en" if source == "zh" else "zh"
    return [(phrase[source].rstrip("。"), phrase[other]) for phrase in chosen]


def _finished(text: str, stop: str) -> tuple[str, ...]:
    text = text[:1].upper() + text[1:]
    return tuple(part.strip() for part in (text if text[-1] in "?？" else text + stop).split("/"))
