"""What the readers of written conversations have in common: user turns are spoken, assistant turns are the replies."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Final

from msgspec import Meta

from soundflow_data.bank.readers._records import read_records, record_files
from soundflow_data.bank.readers._rows import Row, RowError, listed
from soundflow_data.bank.readers._voices import choose_voices
from soundflow_data.bank.source import Reader, SourceItem, Spoken
from soundflow_data.dice import Dice
from soundflow_data.speech import Language, Voice

_HAN: Final = re.compile(r"[\u3400-\u9fff]")
_LETTER: Final = re.compile(r"[^\W\d_]")
_UNSPEAKABLE: Final = re.compile(r"```|https?://|\\begin\{|\$\$|<\w+>")  # code, addresses, formulas, mark-up
_USERS: Final = frozenset({"user", "human", "prompter"})
_ASSISTANTS: Final = frozenset({"assistant", "gpt", "bot", "moss"})
_OTHERS: Final = frozenset({"system", "tool", "function"})

Turn = tuple[bool, str]  # whether the user says it, and what is said


class TextCorpus(Reader, frozen=True, kw_only=True):
    """Base of the readers of written conversations; a subclass says which turns a record holds.

    A conversation is used from its start as far as it can be spoken: up to a turn in another language, with code or
    addresses, or longer than the options allow. One of which nothing is left is passed over.
    """

    path: Annotated[Path, Meta(description="One file, or a folder of files: .json, .jsonl or .parquet.")]
    language: Annotated[Language, Meta(description="Only conversations in this language.")] = "en"
    voices: Annotated[tuple[str, ...], Meta(description="Only these voices; all of the language by default.")] = ()
    max_dialogues: Annotated[int, Meta(ge=0, description="Read only so many conversations; 0 means all.")] = 0
    max_turns: Annotated[int, Meta(ge=1, description="User turns that a conversation keeps at most.")] = 8
    max_words: Annotated[int, Meta(ge=1, description="Longest user turn, in words (Chinese: characters).")] = 60
    max_reply_words: Annotated[int, Meta(ge=1, description="Longest reply, in words (Chinese: characters).")] = 120
    licence: Annotated[str, Meta(description="Licence of the texts.")] = "unknown"

    def turns(self, record: Row) -> Iterable[Turn]:
        """Returns the turns of a record; one that makes no sense raises RowError."""
        raise NotImplementedError

    def items(self) -> Iterator[SourceItem]:
        """Lists the user turns, conversation by conversation; each has one voice."""
        voices = choose_voices(self.name(), self.language, self.voices)
        number = 0
        for file in record_files(self.name(), self.path):
            name = file.relative_to(self.path).as_posix() if self.path.is_dir() else file.name
            for item in listed(self._dialogues(file, name), self._items(voices), kind="speech", name=name):
                if item.turn <= 0 and item.dialogue:
                    number += 1
                if self.max_dialogues and number > self.max_dialogues:
                    return
                yield item

    def _dialogues(self, file: Path, name: str) -> Iterator[tuple[int, Row | RowError]]:
        stem = name.rpartition(".")[0].replace("/", "-")
        for number, record in read_records(self.name(), file):
            known = {"record": record, "id": f"{stem}-{number}", "path": name}
            yield number, record if isinstance(record, RowError) else known

    def _items(self, voices: tuple[Voice, ...]) -> Any:
        def spoken(row: Row) -> Iterator[SourceItem]:
            dialogue = f"{self.name()}:{row['id']}"
            voice = Dice(self.name(), row["id"]).choice(voices)
            for number, (text, reply) in enumerate(self._exchanges(self.turns(row["record"]))):
                yield SourceItem(
                    id=f"{self.name()}-{row['id']}-{2 * number:02d}",
                    audio=Spoken(voice=voice.id),
                    kind="speech",
                    path=row["path"],
                    text=text,
                    language=voice.language,
                    speaker=voice.id,
                    dialogue=dialogue,
                    turn=2 * number,
                    reply=reply,
                    origin=dialogue,
                    corpus=self.name(),
                    licence=self.licence,
                )

        return spoken

    def _exchanges(self, turns: Iterable[Turn]) -> list[tuple[str, str]]:
        """Returns questions and replies from the start of a conversation as far as they can be spoken."""
        exchanges: list[tuple[str, str]] = []
        question = ""
        for by_user, written in turns:
            text = written.strip()
            most = self.max_words if by_user else self.max_reply_words
            if by_user and not text:
                raise RowError("has a turn without text", "no text")
            if len(exchanges) == self.max_turns or not _speakable(text, self.language, most):
                break
            if by_user:
                question = f"{question} {text}".strip()
            elif question:
                exchanges.append((question, text))
                question = ""
        return exchanges


def _speakable(text: str, language: Language, most: int) -> bool:
    letters, han = len(_LETTER.findall(text)), len(_HAN.findall(text))
    if not letters or _UNSPEAKABLE.search(text):
        return False
    if language == "zh":
        return 2 * han > letters and han <= most
    return sum(letter.isascii() for letter in _LETTER.findall(text)) > 0.9 * letters and len(text.split()) <= most


def messages(value: Any, role: str, text: str) -> list[Turn]:
    """Reads a list of messages; those of the system are left out.

    Args:
        value: `[{<role>: ..., <text>: ...}, ...]`.
        role: Key of who speaks.
        text: Key of what is said.
    """
    if not isinstance(value, list) or not value:
        raise RowError(f"has no list of messages but {value!r:.40}", "broken row")
    turns = []
    for message in value:
        if not isinstance(message, dict) or not isinstance(message.get(text), str):
            raise RowError(f"has a message without {text!r}: {message!r:.60}", "broken row")
        speaker = str(message.get(role)).lower()
        if speaker not in _USERS | _ASSISTANTS | _OTHERS:
            raise RowError(f"has a message whose {role} is {speaker!r}", "broken row")
        if speaker not in _OTHERS:
            turns.append((speaker in _USERS, message[text]))
    return turns
