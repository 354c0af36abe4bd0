"""What a bank is filled from: a source lists items, and an item says where its audio comes from and what it is.

A reader for a new corpus is one file in `soundflow_data/bank/readers/` with one subclass of `Reader` and one method:

    class Claps(Reader, frozen=True, kw_only=True):
        '''A folder of claps: `<person>_<take>.wav`.'''

        folder: Annotated[Path, msgspec.Meta(description="the folder")]

        def items(self) -> Iterator[SourceItem]:
            for file in sorted(self.folder.glob("*.wav")):
                person = file.stem.partition("_")[0]
                yield SourceItem(id=file.stem, audio=File(path=file), kind="sound", label="clap", group=person)

Its fields are its options: name, type, default and help come from them, so the command line needs no second list.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, Protocol, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from soundflow_data.errors import BankError
from soundflow_data.options import Option, list_options, parse_options
from soundflow_data.timeline import Kind, Word

OUTSIDE: Final = "soundflow_reader_"  # prefix of the modules of readers that are loaded from elsewhere


class File(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A recording on disk, or a span of it in seconds; times are in the file's own clock."""

    path: Path
    start_s: float = 0.0
    end_s: float | None = None


class Procedural(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A sound effect that is synthesised; with `duration_s` None it has its kind's typical length."""

    sound: str
    seed: int
    duration_s: float | None = None


class Spoken(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The item's text, spoken by a voice of the manifest; its language becomes the item's."""

    voice: str


class Samples(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Audio that the source has in memory: int16 (num_samples,) at 16 kHz."""

    pcm: NDArray[np.int16]


class Encoded(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The bytes of a WAV, FLAC, MP3 ... file that lies in another file; it is decoded by whoever prepares the item."""

    data: bytes


class Unusable(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What a reader found but cannot use, such as a table row that makes no sense; it is counted like a bad file."""

    reason: str
    message: str


Audio = File | Procedural | Spoken | Samples | Encoded | Unusable


class SourceItem(msgspec.Struct, frozen=True, kw_only=True):
    """One recording of a source, not yet read.

    The fields that are not described here are those of `Clip`.

    Attributes:
        id: Unique in the bank.
        audio: Where the sound comes from.
        path: How to call the file in reports, relative to the corpus.
        words: Words with times in samples of the recording, when the source knows them.
        origin: The source recording; by default the id.
        group: What splits never divide; by default the origin.
    """

    id: str
    audio: Audio
    kind: Kind
    path: str = ""
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

    def identity(self) -> bytes:
        """Returns bytes that change when the item does; for files by size and time of change, without reading them."""
        audio = self.audio
        if isinstance(audio, Samples):
            mark: Any = hashlib.sha256(np.ascontiguousarray(audio.pcm, "<i2").tobytes()).digest()
        elif isinstance(audio, Encoded):
            mark = hashlib.sha256(audio.data).digest()
        elif isinstance(audio, File):
            mark = (self.path, audio.start_s, audio.end_s, *_stamp(audio.path))
        else:
            mark = audio
        values = [getattr(self, name) for name in self.__struct_fields__ if name != "audio"]
        return msgspec.msgpack.encode([*values, mark])


class Dropped(msgspec.Struct, frozen=True, kw_only=True):
    """An item that could not be used: a line of `quarantine.jsonl`, counted by reason."""

    id: str
    path: str
    reason: str
    message: str


class Source(Protocol):
    """What `build_bank` reads from."""

    def items(self) -> Iterator[SourceItem]:
        """Lists the items, in the same order whenever nothing has changed; it is called more than once."""

    def describe(self) -> dict[str, Any]:
        """Returns what decides about the items, for `bank.json`: at least the reader's name, only JSON values."""


class Reader(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the sources that `soundflow bank build` offers; a subclass adds its options as fields, and `items`."""

    def items(self) -> Iterator[SourceItem]:
        """Lists the items of the source; see `Source.items`."""
        raise NotImplementedError

    def describe(self) -> dict[str, Any]:
        """Returns the reader's name and its options as JSON values; folders by name, so that a corpus may move."""
        values = {field.name: getattr(self, field.name) for field in msgspec.structs.fields(self)}
        named = {key: value.name if isinstance(value, Path) else value for key, value in values.items()}
        plain: dict[str, Any] = msgspec.to_builtins({"reader": self.name(), **named})
        return plain

    @classmethod
    def name(cls) -> str:
        """Returns the name of the file that it is in."""
        return cls.__module__.rpartition(".")[2].removeprefix(OUTSIDE)

    @classmethod
    def help(cls) -> str:
        """Returns the reader's documentation: what it reads and the layout that it expects."""
        return inspect.getdoc(cls) or ""

    @classmethod
    def options(cls) -> tuple[Option, ...]:
        """Returns the reader's options, in the order of its fields."""
        return list_options(cls)

    @classmethod
    def configure(cls, values: Mapping[str, Any]) -> Self:
        """Makes the reader from option values, which may be text as it comes from a command line.

        Raises:
            BankError: An option is unknown, missing or cannot have the value.
        """
        try:
            return parse_options(cls, values)
        except msgspec.ValidationError as error:
            names = ", ".join(option.name for option in cls.options())
            raise BankError(f"source {cls.name()!r}: {error}; its options are {names}") from error


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (-1, -1)
    return found.st_size, found.st_mtime_ns
