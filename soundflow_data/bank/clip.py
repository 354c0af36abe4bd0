"""One clip of a bank, as its index describes it."""

from __future__ import annotations

import msgspec

from soundflow_data.timeline import SAMPLE_RATE, Kind, Word


class Clip(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What a bank knows about one of its clips; times are samples from the clip's start.

    The order of the fields is the order of the index columns and of the packed records on disk.

    Attributes:
        row: Position in the bank.
        id: Unique in the bank.
        kind: What it is; `noise` is a bed that can be tiled.
        num_samples: Length.
        label: Ontology label when the source's name for it is known there, else the name as given.
        caption: A sentence about it, when the source has one.
        text: What is said, as written.
        language: Language of the speech, such as `en`.
        speaker: Voice or person.
        words: Words with their times; empty when unknown.
        emotion: How it is said, when the source tells.
        dialogue: Conversation that it belongs to.
        turn: Position among the turns of the conversation, from 0; -1 outside one.
        reply: What the assistant answers to it in the conversation; outside of one, its translation.
        origin: The source recording; one origin is never in two splits.
        group: What is never divided between splits: the origin, the speaker or the dialogue.
        fold: Fold that the source assigns.
        corpus: Source corpus.
        licence: Licence of the recording.
        level_db: RMS level in dBFS.
        peak: Largest magnitude, 0 to 32768.
        recognisable: From this sample on it can be told what it is.
        occurrences: How often the sound happens in the clip; 0 when it is not made of occurrences.
        sha256: Digest of the source file, or of the samples where there was no file.
        path: Source file, relative to its corpus.
        part: Which PCM file holds it.
        start: First sample in that file.
    """

    row: int
    id: str
    kind: Kind
    num_samples: int
    label: str = ""
    caption: str = ""
    text: str = ""
    language: str = ""
    speaker: str = ""
    words: tuple[Word, ...] = ()
    emotion: str = ""
    dialogue: str = ""
    turn: int = -1
    reply: str = ""
    origin: str = ""
    group: str = ""
    fold: str = ""
    corpus: str = ""
    licence: str = ""
    level_db: float = 0.0
    peak: int = 0
    recognisable: int = 0
    occurrences: int = 0
    sha256: str = ""
    path: str = ""
    part: int = 0
    start: int = 0

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.num_samples / SAMPLE_RATE
