"""Settings of a plug-in, declared once as the fields of a struct, and their values as a command line has them.

For example:
    class Claps(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        folder: Annotated[Path, msgspec.Meta(description="The folder.")]
        loud: Annotated[bool, msgspec.Meta(description="Whether only loud ones.")] = False

    parse_options(Claps, {"folder": "claps", "loud": "true"})
"""

from __future__ import annotations

import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

Settings = TypeVar("Settings", bound=msgspec.Struct)


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """One setting.

    Attributes:
        name: Field of the struct.
        type: Its Python type, without annotations.
        help: One sentence.
        required: Whether it has no default.
        default: The default, None when required.
    """

    name: str
    type: Any
    help: str
    required: bool
    default: Any = None


def list_options(cls: type[msgspec.Struct]) -> tuple[Option, ...]:
    """Returns the options that a struct declares, in the order of its fields."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return tuple(_option(field, hints[field.name]) for field in msgspec.structs.fields(cls))


def parse_options(cls: type[Settings], values: Mapping[str, Any]) -> Settings:
    """Makes the struct from values, which may be text as it comes from a command line.

    Raises:
        msgspec.ValidationError: An option is unknown, missing or cannot have the value.
    """
    known = {option.name: option for option in list_options(cls)}
    parsed = {name: _parse(value, known[name].type) if name in known else value for name, value in values.items()}
    return msgspec.convert(parsed, cls, strict=False, dec_hook=_decode_path)


def _option(field: msgspec.structs.FieldInfo, hint: Any) -> Option:
    extra = getattr(hint, "__metadata__", ())
    text = next((meta.description for meta in extra if isinstance(meta, msgspec.Meta) and meta.description), "")
    default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    return Option(
        name=field.name,
        type=typing.get_args(hint)[0] if extra else hint,
        help=text,
        required=field.required,
        default=None if field.required else default,
    )


def _parse(value: Any, kind: Any) -> Any:
    """Takes a text apart that stands for a list (`a,b`) or a mapping (`a=b,c=d`)."""
    shape = typing.get_origin(kind)
    if not isinstance(value, str) or shape not in {tuple, dict}:
        return value
    parts = [part.strip() for part in value.split(",") if part.strip()]
    return parts if shape is tuple else dict(part.partition("=")[::2] for part in parts)


def _decode_path(kind: type, value: Any) -> Any:
    assert kind is Path, f"there is an option of type {kind}"
    if not isinstance(value, str | Path):
        raise TypeError(f"{value!r} is not a path")
    return Path(value)
