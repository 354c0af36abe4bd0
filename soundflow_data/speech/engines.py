"""Engines by name, with their options; what an engine needs beyond the base is loaded when it first speaks.

make_engine("coqui", {"device": "cuda", "batch_size": "16"})
make_engine("http", {"url": "http://127.0.0.1:8880/v1"})
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from soundflow_data.errors import EngineError
from soundflow_data.options import Option, list_options, parse_options
from soundflow_data.speech.engine import Engine

# Module and class of each engine. A class with options takes them as a struct, which it names `Settings`.
_ENGINES: Final = {
    "coqui": ("soundflow_data.speech.coqui", "CoquiEngine"),
    "espeak": ("soundflow_data.speech.espeak", "EspeakEngine"),
    "folder": ("soundflow_data.speech.folder_engine", "FolderEngine"),
    "http": ("soundflow_data.speech.http_engine", "HttpEngine"),
}
ENGINES: Final = tuple(_ENGINES)


def make_engine(name: str, options: Mapping[str, str] | None = None) -> Engine:
    """Makes an engine.

    Args:
        name: One of `ENGINES`.
        options: Values of its options as text; see `engine_options`.

    Raises:
        EngineError: There is no such engine, or an option is unknown, missing or cannot have the value.
    """
    kind = _load(name)
    settings = getattr(kind, "Settings", None)
    try:
        if settings is None:
            msgspec.convert(dict(options or {}), _NoSettings)
            made: Engine = kind()
        else:
            made = kind(parse_options(settings, options or {}))
    except msgspec.ValidationError as error:
        names = ", ".join(option.name for option in engine_options(name)) or "none"
        raise EngineError(f"engine {name!r}: {error}; its options are: {names}", reason="bad option") from error
    return made


def engine_options(name: str) -> tuple[Option, ...]:
    """Returns the options of an engine, with type, default and help.

    Raises:
        EngineError: There is no such engine.
    """
    return list_options(getattr(_load(name), "Settings", _NoSettings))


class _NoSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an engine without options can be told."""


def _load(name: str) -> Any:
    if name not in _ENGINES:
        raise EngineError(f"no engine {name!r}; there are {', '.join(ENGINES)}", reason="no such engine")
    module, kind = _ENGINES[name]
    return getattr(importlib.import_module(module), kind)
