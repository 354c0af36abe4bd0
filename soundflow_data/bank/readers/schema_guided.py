"""Schema-Guided Dialogue: written conversations between a user and an assistant, whose user turns are spoken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from soundflow_data.bank.readers._voices import choose_voices
from soundflow_data.bank.source import Reader, SourceItem, Spoken
from soundflow_data.dice import Dice
from soundflow_data.errors import BankError
from soundflow_data.speech import Language, Voice

CORPUS = "sgd"


class _Turn(msgspec.Struct, frozen=True):
    speaker: Literal["USER", "SYSTEM"]
    utterance: str


class _Dialogue(msgspec.Struct, frozen=True):
    dialogue_id: str
    turns: list[_Turn]


class SchemaGuided(Reader, frozen=True, kw_only=True):
    """Dialogues in the JSON of the Schema-Guided Dialogue corpus; each has one espeak voice as its user.

    Layout:
        dialogues_*.json    [{dialogue_id, services, turns: [{speaker: USER | SYSTEM, utterance}, ...]}, ...]

    What the system says next is kept as the reply. A dialogue is never in two splits, and when one of its turns cannot
    be spoken, the whole dialogue is left out.
    """

    path: Annotated[Path, Meta(description="One JSON file, or a folder of files `dialogues_*.json`.")]
    language: Annotated[Language, Meta(description="Language of the dialogues.")] = "en"
    voices: Annotated[tuple[str, ...], Meta(description="Only these voices; all of the language by default.")] = ()
    max_dialogues: Annotated[int, Meta(ge=0, description="Read only so many dialogues; 0 means all.")] = 0
    licence: Annotated[str, Meta(description="Licence of the dialogues.")] = "CC-BY-SA-4.0"

    def items(self) -> Iterator[SourceItem]:
        """Lists the user turns, dialogue by dialogue."""
        voices = choose_voices("schema_guided", self.language, self.voices)
        number = 0
        for file in self._files():
            for dialogue in _read(file):
                if self.max_dialogues and number == self.max_dialogues:
                    return
                number += 1
                voice = Dice("schema_guided", dialogue.dialogue_id).choice(voices)
                yield from self._items(dialogue, voice, file.name)

    def _files(self) -> list[Path]:
        files = sorted(self.path.glob("dialogues_*.json")) if self.path.is_dir() else [self.path]
        if not files:
            raise BankError(f"source 'schema_guided': {self.path} holds no dialogues_*.json; give the folder or a file")
        return files

    def _items(self, dialogue: _Dialogue, voice: Voice, path: str) -> Iterator[SourceItem]:
        turns = dialogue.turns
        for number, turn in enumerate(turns):
            if turn.speaker == "USER":
                answered = number + 1 < len(turns) and turns[number + 1].speaker == "SYSTEM"
                yield SourceItem(
                    id=f"{dialogue.dialogue_id}-{number:02d}",
                    audio=Spoken(voice=voice.id),
                    kind="speech",
                    path=path,
                    text=turn.utterance,
                    language=voice.language,
                    speaker=voice.id,
                    dialogue=dialogue.dialogue_id,
                    turn=number,
                    reply=turns[number + 1].utterance if answered else "",
                    origin=f"sgd:{dialogue.dialogue_id}",
                    corpus=CORPUS,
                    licence=self.licence,
                )


def _read(file: Path) -> list[_Dialogue]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=list[_Dialogue])
    except OSError as error:
        raise BankError(f"source 'schema_guided': {file} cannot be read ({error.strerror})") from error
    except msgspec.DecodeError as error:
        raise BankError(f"source 'schema_guided': {file} does not hold dialogues: {error}") from error
