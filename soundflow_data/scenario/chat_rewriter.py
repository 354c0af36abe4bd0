"""Varies what users say: a language model words a text anew, and checks keep its meaning, slots, numbers and names.

    rewriter = ChatRewriter(client)
    rewriter.rewrite("Tell me when you hear {sound}.", keep=["{sound}"], language="en", dice=dice)
    # 'Could you let me know as soon as you hear {sound}?'

One question gives several wordings, of which each use draws one; so a template costs one request, however many streams
it is used in. Only texts whose words nobody is to write down or translate may be varied.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from typing import Final

import msgspec

from soundflow_data.dice import Dice
from soundflow_data.errors import SoundFlowError
from soundflow_data.scenario.chat import ChatClient, ChatOutcomes, Message, Question, strict_schema
from soundflow_data.scenario.sameness import objections
from soundflow_data.scenario.settings import ScenarioSettings

_SYSTEM: Final = """You reword what somebody says to a voice assistant, for training data.
Every wording means exactly the same as the original, sounds like natural speech, and is one sentence or two.
Vary politeness, word order, length and directness. Keep the parts that you are told to keep exactly as they are, also \
in curly brackets. Keep all numbers as they are written, all names, and the language."""


class WordingsAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole answer."""

    wordings: tuple[str, ...]


class Wordings(msgspec.Struct, frozen=True):
    """Wordings that may stand, and how many were refused."""

    good: tuple[str, ...]
    refused: int


class RewriteOutcomes(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the texts so far.

    Attributes:
        rewritten: Texts that got a new wording.
        original: Texts that stayed as they were, by reason.
        refused: Wordings that changed the meaning, of all questions together.
        chat: What came of the questions.
    """

    rewritten: int
    original: dict[str, int]
    refused: int
    chat: ChatOutcomes


class ChatRewriter:
    """Words texts anew.

    Args:
        client: Whom to ask.
        variations: Wordings of each text that are asked for.
    """

    def __init__(self, client: ChatClient, *, variations: int = 16) -> None:
        self._client = client
        self._variations = variations
        self._schema = strict_schema(WordingsAnswer)
        self._wordings = functools.lru_cache(maxsize=65_536)(self._obtain)
        self._rewritten = 0
        self._refused = 0
        self._original: Counter[str] = Counter()

    def rewrite(self, text: str, *, language: str, dice: Dice, keep: Sequence[str] = ()) -> str:
        """Draws a wording of a text; where there is none, the text itself.

        Args:
            text: What is said, or its template with slots in curly brackets.
            language: `en` or `zh`.
            dice: The stream's own randomness; as much is drawn whether a wording is found or not.
            keep: Parts that must stand in it as they are, such as the slots or their values.
        """
        mark = dice.uniform(0.0, 1.0)
        found = self._wordings(text, language, tuple(keep))
        if isinstance(found, str):
            self._original[found] += 1
            return text
        self._rewritten += 1
        return found.good[int(mark * len(found.good))]

    def outcomes(self) -> RewriteOutcomes:
        """Returns what came of the texts so far."""
        return RewriteOutcomes(
            rewritten=self._rewritten,
            original=dict(sorted(self._original.items())),
            refused=self._refused,
            chat=self._client.outcomes("rewrite"),
        )

    def _obtain(self, text: str, language: str, keep: tuple[str, ...]) -> Wordings | str:
        """Returns the wordings of a text, or the reason why there are none."""
        tongue = "Chinese" if language.startswith("zh") else "English"
        lines = [f"Original ({tongue}): {text}", f"Write {self._variations} different wordings in {tongue}."]
        if keep:
            lines.insert(1, "Keep exactly: " + "; ".join(keep))
        messages = (Message("system", _SYSTEM), Message("user", "\n".join(lines)))
        question = Question(purpose="rewrite", messages=messages, kind=WordingsAnswer, schema=self._schema)
        answer = self._client.ask(question, lambda wordings: _accept(wordings, text, language, keep))
        if answer.value is None:
            return answer.reason
        self._refused += answer.value.refused
        return answer.value


def make_rewriter(settings: ScenarioSettings) -> ChatRewriter | None:
    """Returns the rewriter that a recipe asks for, or None."""
    if settings.rewriter == "none":
        return None
    return ChatRewriter(ChatClient(settings.chat), variations=settings.variations)


def _accept(answer: WordingsAnswer, text: str, language: str, keep: Sequence[str]) -> Wordings:
    """Sorts wordings into those that may stand and the others.

    Raises:
        SoundFlowError: None may stand.
    """
    different = list(dict.fromkeys(" ".join(one.split()) for one in answer.wordings))
    problems = {one: list(objections(text, one, language=language, keep=keep)) for one in different}
    good = tuple(one for one in different if not problems[one])
    if not good:
        told = "; ".join(f"{one!r}: {', '.join(found)}" for one, found in list(problems.items())[:3])
        raise SoundFlowError(f"no wording may stand. {told or 'there is none'}")
    return Wordings(good=good, refused=len(different) - len(good))
