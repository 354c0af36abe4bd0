"""The speakers that are built in, as `manifests/voices.yaml` lists them."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import msgspec
import yaml

from soundflow_data.errors import SpeechError
from soundflow_data.resources import resource_path
from soundflow_data.speech.engine import Language, Voice


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

    Raises:
        SpeechError: The file is not such a manifest, or two voices have one id; the message names the place.
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
    return voices


@functools.cache
def _built_in() -> tuple[Voice, ...]:
    return read_voices(resource_path("manifests/voices.yaml"))
