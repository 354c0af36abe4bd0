"""JSON schemas that strict servers accept, made from the types that answers are decoded into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

# A docstring is no part of a question: its words may change without making the recorded answers stale.
_LEFT_OUT: Final = {"title", "default", "description", "prefixItems"}


def strict_schema(kind: type, enums: Mapping[str, Sequence[str]] | None = None) -> dict[str, Any]:
    """Returns the schema of a type in the subset that OpenAI's strict mode knows.

    That is: the root is an object, every object lists all its properties as required and allows no others, nothing has
    a default, and a tuple is an array of as many items.

    Args:
        kind: A `msgspec.Struct` whose fields a language model is to fill in.
        enums: What a text may be, by `Type.field`, where the type itself does not say.
    """
    schema = msgspec.json.schema(kind)
    definitions = {name: _strict(definition) for name, definition in schema.pop("$defs").items()}
    for place, values in (enums or {}).items():
        name, field = place.split(".")
        leaf = definitions[name]["properties"][field]
        (leaf["items"] if leaf["type"] == "array" else leaf)["enum"] = list(values)
    root = definitions.pop(schema["$ref"].rpartition("/")[2])
    return {**root, "$defs": definitions} if definitions else root


def _strict(node: Any) -> Any:
    if isinstance(node, list):
        return [_strict(item) for item in node]
    if not isinstance(node, dict):
        return node
    out = {key: _strict(value) for key, value in node.items() if key not in _LEFT_OUT}
    if "enum" in node:
        out["type"] = "string"
    if "properties" in node:
        out["properties"] = {name: _strict(value) for name, value in node["properties"].items()}
        out["required"] = list(node["properties"])
        out["additionalProperties"] = False
    if "prefixItems" in node:
        out["items"] = _strict(node["prefixItems"][0])
    return out
