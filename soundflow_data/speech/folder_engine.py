"""Utterances that somebody already has: a table of recordings with what is said in them, by speaker and text.

    path,text,speaker
    ada/0001.flac,The kettle is on.,ada

A voice's `variant` is the speaker in the table. A text is found by its spoken form; the next attempt takes the next
recording of it. Word times, where the table has them, need no aligner.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from soundflow_data.audio.decode import decode
from soundflow_data.bank.readers.table import Table
from soundflow_data.bank.source import File, SourceItem, Unusable
from soundflow_data.errors import AudioError, BankError, EngineError, SpeechError
from soundflow_data.speech.engine import LANGUAGES, Request, Speech, Voice
from soundflow_data.speech.finish import audible
from soundflow_data.speech.segments import check_text, excerpt, words_of
from soundflow_data.speech.spoken_form import spoken_form
from soundflow_data.timeline import Word

_REVISION: Final = 1  # changes with whatever this package changes in the bytes
_SHOWN: Final = 20  # names in a message
_WORD_SLACK: Final = 800  # samples that the last word may end after the recording, and is then cut; 50 ms


class FolderSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the recordings are."""

    table: Annotated[Path, Meta(description="The table, ending in .csv, .tsv, .jsonl or .parquet.")]
    folder: Annotated[Path | None, Meta(description="Where its paths start; the table's folder by default.")] = None
    language: Annotated[str, Meta(description="Language of the rows that name none.")] = "en"
    columns: Annotated[
        dict[str, str], Meta(description="Other names of columns in the table, such as speaker=voice,path=file.")
    ] = msgspec.field(default_factory=dict)


class _Recording(msgspec.Struct, frozen=True):
    """A file, the span of it in seconds, and word times in samples from the span's start."""

    path: str
    start_s: float
    end_s: float | None
    words: tuple[Word, ...]


_Index = dict[tuple[str, bytes], tuple[_Recording, ...]]


class FolderEngine:
    """Returns recordings that are already there.

    Args:
        settings: Where they are.
    """

    Settings = FolderSettings

    def __init__(self, settings: FolderSettings) -> None:
        self._settings = settings
        self._unusable: list[str] = []  # the first of the rows that say nothing
        self._num_unusable = 0

    @property
    def name(self) -> str:
        """What `Voice.engine` calls it."""
        return "folder"

    @functools.cached_property
    def version(self) -> str:
        """Digest of the table and of the sizes of its recordings, and this module's processing.

        Raises:
            EngineError: The table cannot be read.
        """
        sizes = sorted({(one.path, _size(one.path)) for some in self._index.values() for one in some})
        digest = hashlib.blake2b(digest_size=8)
        digest.update(self._settings.table.read_bytes())
        root = self._settings.folder or self._settings.table.parent
        for path, size in sizes:
            digest.update(msgspec.json.encode((os.path.relpath(path, root), size)))
        return f"{digest.hexdigest()}-r{_REVISION}"

    def speak(self, text: str, voice: Voice) -> Speech:
        """Returns the first recording of a text that is in spoken form.

        Raises:
            SpeechError: There is none, or it cannot be read; as `EngineError`, the table or the voice is of no use.
        """
        return self._speak(Request(text=text, voice=voice))

    def speak_many(self, requests: Sequence[Request]) -> list[Speech | SpeechError]:
        """Returns recordings; see `BatchEngine.speak_many`."""
        results: list[Speech | SpeechError] = []
        for request in requests:
            try:
                results.append(self._speak(request))
            except EngineError:
                raise
            except SpeechError as error:
                results.append(error)
        return results

    def _speak(self, request: Request) -> Speech:
        text, voice = request.text, request.voice
        speaker = self._speaker(voice)
        check_text(text, voice, max_characters=len(text))
        found = self._index.get((speaker, _digest(text)), ())
        if len(found) <= request.attempt:
            unusable = f"; {self._num_unusable} rows are unusable: {self._unusable[0]}" if self._unusable else ""
            raise SpeechError(
                f"{self._settings.table.name} has {len(found) or 'no'} recording{'s' * (len(found) > 1)} of speaker "
                f"{speaker!r} with {excerpt(text)}{', and all were tried' * bool(found)}{unusable}; record it",
                reason="not recorded",
            )
        return _read(found[request.attempt], text, voice)

    def _speaker(self, voice: Voice) -> str:
        """Returns what the table calls a voice; a table without speakers has one, without a name."""
        if voice.engine != "folder":
            raise EngineError(f"voice {voice.id!r} belongs to engine {voice.engine!r}, not to folder; use that engine")
        speaker = voice.variant or voice.id
        if self._speakers == ("",) and not voice.variant:
            return ""
        if speaker not in self._speakers:
            raise EngineError(
                f"voice {voice.id!r}: {self._settings.table} has no speaker {speaker!r}; it has "
                f"{_listed(self._speakers)}",
                reason="voice missing",
            )
        return speaker

    @functools.cached_property
    def _speakers(self) -> tuple[str, ...]:
        return tuple(sorted({speaker for speaker, _ in self._index}))

    @functools.cached_property
    def _index(self) -> _Index:
        """Reads the table."""
        index: dict[tuple[str, bytes], list[_Recording]] = {}
        settings = self._settings
        table = Table(
            table=settings.table,
            folder=settings.folder,
            kind="speech",
            language=settings.language,
            columns=settings.columns,
        )
        try:
            for item in table.items():
                if isinstance(item.audio, File):
                    self._add(index, item, item.audio)
                elif isinstance(item.audio, Unusable):
                    self._reject(item.audio.message)
        except BankError as error:
            raise EngineError(f"engine 'folder': {error}", reason="bad table") from error
        if not index:
            why = f": {self._unusable[0]}" if self._unusable else ""
            raise EngineError(f"engine 'folder': {settings.table} has no utterances{why}", reason="bad table")
        return {key: tuple(recordings) for key, recordings in index.items()}

    def _add(self, index: dict[tuple[str, bytes], list[_Recording]], item: SourceItem, file: File) -> None:
        language = item.language.partition("-")[0].lower()
        if language not in LANGUAGES or not item.text:
            self._reject(f"{item.path}: language {item.language!r} and text {item.text!r} cannot be spoken")
            return
        key = (item.speaker, _digest(spoken_form(item.text, language)))
        index.setdefault(key, []).append(_Recording(str(file.path), file.start_s, file.end_s, item.words))

    def _reject(self, message: str) -> None:
        self._num_unusable += 1
        if not self._unusable:
            self._unusable.append(message)


def _read(recording: _Recording, text: str, voice: Voice) -> Speech:
    name = f"voice {voice.id!r}, {excerpt(text)}, {recording.path}"
    try:
        pcm = audible(decode(recording.path, start_s=recording.start_s, stop_s=recording.end_s, name=name), name)
    except AudioError as error:
        raise SpeechError(str(error), reason=error.reason) from error
    return Speech(pcm=pcm, words=_words(recording.words, text, voice, len(pcm), name))


def _words(words: tuple[Word, ...], text: str, voice: Voice, num_samples: int, name: str) -> tuple[Word, ...]:
    """Returns the words of a text with the times of the table's words, which may be written otherwise."""
    if not words:
        return ()
    texts = words_of(text, voice.language)
    if len(texts) != len(words):
        raise SpeechError(
            f"{name}: the table has times of {len(words)} words, the text has {len(texts)}; correct them, or leave "
            "them out and use an aligner",
            reason="bad word times",
        )
    last = 0
    timed: list[Word] = []
    for word, spelled in zip(words, texts, strict=True):
        end = min(word.end, num_samples) if word.end <= num_samples + _WORD_SLACK else word.end
        if not last <= word.start < end <= num_samples:
            raise SpeechError(
                f"{name}: word {word.text!r} lies at samples {word.start} to {word.end}, not between {last} and "
                f"{num_samples}; correct its times",
                reason="bad word times",
            )
        timed.append(Word(text=spelled, start=word.start, end=end))
        last = end
    return tuple(timed)


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode(), digest_size=12).digest()


def _size(path: str) -> int:
    try:
        return Path(path).stat().st_size
    except OSError:
        return -1  # missing: an error of the one text that wants it


def _listed(names: Iterable[str]) -> str:
    known = list(names)
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return ", ".join(repr(name) for name in known[:_SHOWN]) + more
