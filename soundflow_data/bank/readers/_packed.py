"""What the readers of packed corpora have in common: recordings that lie in a file with others, and columns by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from soundflow_data.bank.readers._files import own_files
from soundflow_data.bank.readers._licences import licence_name
from soundflow_data.bank.readers._rows import Row, RowError
from soundflow_data.bank.readers._transcripts import joined, language_of, lowered
from soundflow_data.bank.source import Audio, Encoded, File, Reader, SourceItem
from soundflow_data.errors import BankError
from soundflow_data.timeline import SAMPLE_RATE, Kind, Word

# Names that corpora give to what the bank's index calls by the first one.
_NAMES: Final = {
    "id": ("id", "utt_id", "utterance_id", "segment_id", "sid"),
    "text": ("text", "txt", "sentence", "transcript", "transcription", "normalized_text"),
    "label": ("label", "cls", "category", "class", "class_name"),
    "caption": ("caption", "description"),
    "language": ("language", "lang", "locale"),
    "speaker": ("speaker", "speaker_id", "client_id"),
    "licence": ("licence", "license"),
    "reply": ("reply", "translation"),
    **{name: (name,) for name in ("kind", "emotion", "dialogue", "origin", "group", "fold", "corpus")},
    "words": ("words",),
    "turn": ("turn",),
}


class _WordTime(msgspec.Struct, frozen=True):
    text: str
    start: float
    end: float


class _Known(msgspec.Struct, frozen=True):
    """What a row says, under our names."""

    id: str = ""
    text: str = ""
    label: str = ""
    caption: str = ""
    language: str = ""
    speaker: str = ""
    licence: str = ""
    kind: Kind | None = None
    emotion: str = ""
    dialogue: str = ""
    reply: str = ""
    origin: str = ""
    group: str = ""
    fold: str = ""
    corpus: str = ""
    words: tuple[_WordTime, ...] = ()
    turn: int = -1


class PackedCorpus(Reader, frozen=True, kw_only=True):
    """Base of the readers of files that hold many recordings with what is known about them.

    Columns may have our names (text, label, caption, language, speaker, licence, kind, words, emotion, dialogue, turn,
    reply, origin, group, fold, id) or common others, such as sentence, transcription, category, client_id or license.
    A translation is kept as the reply.
    Words are [{text or word, start, end}] with times in seconds, or three lists words, word_start and word_end.
    """

    path: Annotated[Path, Meta(description="One file, or the folder of all.")]
    kind: Annotated[Kind | None, Meta(description="Kind of all rows; by default speech where there is a text.")] = None
    language: Annotated[str, Meta(description="Language of the rows that name none.")] = ""
    corpus: Annotated[str, Meta(description="Name of the corpus; that of the file or folder by default.")] = ""
    licence: Annotated[str, Meta(description="Licence of the rows that name none.")] = "unknown"
    columns: Annotated[
        dict[str, str], Meta(description="Other names of columns, such as text=utterance,speaker=who.")
    ] = msgspec.field(default_factory=dict)

    def check_columns(self) -> None:
        """Raises BankError when the option `columns` names what an item does not have."""
        unknown = sorted(set(self.columns) - set(_NAMES))
        if unknown:
            raise BankError(
                f"source {self.name()!r}: columns has {', '.join(unknown)}; allowed are {', '.join(sorted(_NAMES))}"
            )

    def files(self, *endings: str) -> list[Path]:
        """Returns the file itself, or the files with these endings in the folder and its folders.

        Raises:
            BankError: There are none.
        """
        if self.path.is_file():
            return [self.path]
        found = own_files(self.path, endings)
        if not found:
            raise BankError(f"source {self.name()!r}: {self.path} is no file, and no folder of *{', *'.join(endings)}")
        return found

    def item(self, row: Row, audio: Audio, *, name: str, path: str, fold: str = "") -> SourceItem:
        """Returns the item of a row; a text of several words in capitals alone is put in small letters.

        Args:
            row: What is known, under the corpus's names.
            audio: The recording.
            name: Id of a row that has none.
            path: How reports call the recording.
            fold: Fold of a row that names none.

        Raises:
            RowError: The row makes no sense, or says neither what is said nor what is heard.
        """
        known = self._known(row)
        kind: Kind = self.kind or known.kind or ("speech" if known.text else "sound")
        if not known.text and (kind == "speech" or (kind == "sound" and not known.label and not known.caption)):
            raise RowError(f"has no text{'' if kind == 'speech' else ', label or caption'}", "no text")
        corpus = known.corpus or self.corpus or self.path.name.partition(".")[0]
        identity = known.id or name
        write = lowered if " " in known.text and known.text.isupper() else str
        speaker = f"{corpus}:{known.speaker}" if known.speaker else ""
        return SourceItem(
            id=identity,
            audio=audio,
            kind=kind,
            path=path,
            label=known.label,
            caption=known.caption,
            text=joined(write(known.text)),
            language=language_of(known.language or self.language),
            speaker=speaker,
            words=tuple(
                Word(text=write(word.text), start=round(word.start * SAMPLE_RATE), end=round(word.end * SAMPLE_RATE))
                for word in known.words
            ),
            emotion=known.emotion,
            dialogue=known.dialogue,
            turn=known.turn,
            reply=known.reply,
            origin=known.origin or f"{corpus}:{identity}",
            group=known.group or (f"{corpus}:{known.dialogue}" if known.dialogue else speaker),
            fold=known.fold or fold,
            corpus=corpus,
            licence=licence_name(known.licence, self.licence),
        )

    def _known(self, row: Row) -> _Known:
        values: dict[str, Any] = {}
        for ours, theirs in _NAMES.items():
            names = (self.columns[ours],) if ours in self.columns else theirs
            value = next((row[name] for name in names if row.get(name) not in (None, "")), None)
            if value is not None:
                values[ours] = value if ours in {"words", "turn"} else _as_text(value)
        if "words" in values:
            values["words"] = _word_times(values["words"], row.get("word_start"), row.get("word_end"))
        try:
            return msgspec.convert(values, _Known, strict=False)
        except msgspec.ValidationError as error:
            raise RowError(f"makes no sense: {error}") from error


def _word_times(words: Any, starts: Any, ends: Any) -> Any:
    """Returns words as `[{text, start, end}, ...]`; corpora write `word` for `text`, or three lists of one length."""
    if not isinstance(words, list) or not words:
        return words
    if all(isinstance(word, str) for word in words):
        if not isinstance(starts, list) or not isinstance(ends, list):
            return []  # words without times
        if not len(words) == len(starts) == len(ends):
            raise RowError(f"has {len(words)} words, {len(starts)} starts and {len(ends)} ends", "bad word times")
        words = [{"text": text, "start": at, "end": to} for text, at, to in zip(words, starts, ends, strict=True)]
    named = [{**word, "text": word.get("text", word.get("word"))} if isinstance(word, dict) else word for word in words]
    return [word for word in named if not isinstance(word, dict) or word["text"] not in {"", "<eps>", "<unk>"}]


def _as_text(value: Any) -> str:
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8").strip()
        except UnicodeDecodeError as error:
            raise RowError("holds a text that is not UTF-8", "mixed encodings") from error
    if isinstance(value, list | dict):
        raise RowError(f"holds {value!r:.40} where a text should be")
    return str(value).strip()


def cell(value: Any, folder: Path, name: str) -> tuple[Audio, str]:
    """Returns the recording of a cell of an audio column, and the path that it names.

    Args:
        value: `{bytes, path}` as Hugging Face `datasets` stores audio, or the bytes of a file.
        folder: Where relative paths start.
        name: How messages call a recording that has no path.

    Raises:
        RowError: There is no recording.
    """
    data, path = (value.get("bytes"), value.get("path")) if isinstance(value, Mapping) else (value, None)
    if isinstance(data, bytes) and data:
        return Encoded(data=data), path or name
    if isinstance(path, str) and path:
        return File(path=folder / path), path
    raise RowError("has no recording", "missing")
