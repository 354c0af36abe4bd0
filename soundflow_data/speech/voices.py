"""The speakers that are built in, as `manifests/voices.yaml` lists them, and those of other manifests."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from soundflow_data.errors import EngineError, SpeechError
from soundflow_data.resources import resource_path
from soundflow_data.speech.engine import Language, Voice

MODEL_FILES: Final = {".json", ".pth"}  # endings of what a model's folder is loaded from


class _Catalogue(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    engine: str
    licence: str
    voices: list[dict[str, Any]]


def load_voices(language: Language | None = None) -> tuple[Voice, ...]:
    """Returns the built-in voices, in the order of the manifest.

    Args:
        language: `en` or `zh`; None for all.
    """
    voices = _built_in()
    return voices if language is None else tuple([voice for voice in voices if voice.language == language])


def read_voices(path: Path) -> tuple[Voice, ...]:
    """Reads a manifest of voices: `engine`, `licence`, and `voices` with the other fields of `Voice` each.

    Paths of models and of reference recordings may be relative to the manifest. Every voice is sealed (see `seal`).

    Raises:
        SpeechError: The file is not such a manifest, two voices have one id, or a recording is missing; the message
            names the place.
    """
    try:
        catalogue = msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), _Catalogue)
        common = {"engine": catalogue.engine, "licence": catalogue.licence}
        voices = msgspec.convert([{**common, **voice} for voice in catalogue.voices], tuple[Voice, ...])
    except (yaml.YAMLError, msgspec.ValidationError) as error:
        raise SpeechError(f"{path.name} is not a manifest of voices: {error}") from error
    ids = [voice.id for voice in voices]
    for i, one in enumerate(ids):
        if one in ids[:i]:
            raise SpeechError(f"{path.name}: voice id {one!r} is given twice; ids are unique")
    return tuple([seal(_located(voice, path.parent)) for voice in voices])


def seal(voice: Voice) -> Voice:
    """Fills in the digest of a voice that is made from files: a model's folder, or recordings that it is cloned from.

    A voice that has a digest keeps it, so that a bank's voices need none of the files; so does one without files.

    Raises:
        EngineError: A reference recording cannot be read.
    """
    if voice.digest or not (voice.reference or Path(voice.model).is_dir()):
        return voice
    return msgspec.structs.replace(voice, digest=content_digest(voice))


def content_digest(voice: Voice) -> str:
    """Returns 32 hexadecimal digits that change with the bytes of a voice's model and of its reference recordings.

    A model that is no folder counts by its name.

    Raises:
        EngineError: A reference recording or a file of the model cannot be read.
    """
    folder = Path(voice.model)
    digest = hashlib.blake2b(digest_size=16)
    model = [path for path in sorted(folder.glob("*")) if path.suffix in MODEL_FILES] if folder.is_dir() else []
    parts = [path.name for path in model] or [voice.model]
    for part in [*parts, *[_file_digest(path, voice) for path in (*model, *map(Path, voice.reference))]]:
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()


def _located(voice: Voice, folder: Path) -> Voice:
    """Makes the paths of a voice that exist relative to its manifest paths from here."""
    model = str(folder / voice.model) if voice.model and (folder / voice.model).is_dir() else voice.model
    return msgspec.structs.replace(voice, model=model, reference=tuple([str(folder / one) for one in voice.reference]))


def _file_digest(path: Path, voice: Voice) -> str:
    try:
        found = path.stat()
        return _digest_of(path, found.st_size, found.st_mtime_ns)
    except OSError as error:
        raise EngineError(
            f"voice {voice.id!r} is made from {path}, which cannot be read ({error.strerror}); correct the path",
            reason="voice missing",
        ) from error


@functools.lru_cache(maxsize=1_000)
def _digest_of(path: Path, _size: int, _mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


@functools.cache
def _built_in() -> tuple[Voice, ...]:
    return read_voices(resource_path("manifests/voices.yaml"))
