"""Texts spoken by espeak voices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from msgspec import Meta

from soundflow_data.bank.readers._voices import choose_voices
from soundflow_data.bank.source import Reader, SourceItem, Spoken
from soundflow_data.errors import BankError
from soundflow_data.speech import EspeakEngine, Language, Voice, utterance_id
from soundflow_data.speech.spoken_form import spoken_form

CORPUS = "espeak"


class Espeak(Reader, frozen=True, kw_only=True):
    """Texts, each spoken by some voices; streams that need such an utterance find it here instead of making it again.

    Layout:
        a text file in UTF-8 with one text per line; empty lines and repeated ones are passed over

    A speaker is never in two splits.
    """

    file: Annotated[Path | None, Meta(description="The text file.")] = None
    text: Annotated[str, Meta(description="Texts, one per line, instead of a file or after it.")] = ""
    language: Annotated[Language, Meta(description="Language of the texts.")] = "en"
    voices: Annotated[tuple[str, ...], Meta(description="Only these voices; all of the language by default.")] = ()
    voices_per_text: Annotated[int, Meta(ge=0, description="How many of them speak each text; 0 means all.")] = 0
    licence: Annotated[str, Meta(description="Licence of the recordings; by default that of the voice.")] = ""

    def items(self) -> Iterator[SourceItem]:
        """Lists text by text; with fewer voices per text than there are, the voices take turns."""
        voices = choose_voices("espeak", self.language, self.voices)
        version = EspeakEngine().version
        count = self.voices_per_text or len(voices)
        for number, text in enumerate(self._texts()):
            for k in range(min(count, len(voices))):
                yield self._item(text, voices[(number * count + k) % len(voices)], version)

    def _texts(self) -> tuple[str, ...]:
        lines = self.text.splitlines()
        if self.file is not None:
            try:
                lines = self.file.read_text(encoding="utf-8").splitlines() + lines
            except (OSError, UnicodeDecodeError) as error:
                raise BankError(f"source 'espeak': {self.file} cannot be read as UTF-8 text ({error})") from error
        texts = tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))
        if not texts:
            raise BankError("source 'espeak': no texts; give `file` or `text`")
        return texts

    def _item(self, text: str, voice: Voice, version: str) -> SourceItem:
        address = utterance_id(spoken_form(text, voice.language), voice, version)
        return SourceItem(
            id=address,
            audio=Spoken(voice=voice.id),
            kind="speech",
            text=text,
            language=voice.language,
            speaker=voice.id,
            origin=f"espeak:{address}",
            group=voice.id,
            corpus=CORPUS,
            licence=self.licence,
        )
