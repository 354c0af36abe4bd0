"""A small grammar for varied texts: `[a|b|]` draws one of its parts, `{slot}` is filled in; brackets may nest.

>>> draw("[please |]tell me when you hear {sound}[.| again.]", dice, sound="a dog barking")
'please tell me when you hear a dog barking.'
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

from soundflow_data.dice import Dice
from soundflow_data.errors import SubtaskError

Table = Mapping[str, Sequence[str]] | Sequence[str]
_Node = str | tuple[tuple["_Node", ...], ...]  # a literal, or alternatives that are sequences of nodes


@functools.lru_cache(maxsize=8192)
def parse(template: str) -> tuple[_Node, ...]:
    """Parses a template.

    Raises:
        SubtaskError: A bracket is not closed or not opened.
    """
    nodes, end = _sequence(template, 0, depth=0)
    if end != len(template):
        raise SubtaskError(f"phrase {template!r}: the ']' at position {end} closes nothing")
    return nodes


def _sequence(template: str, at: int, depth: int) -> tuple[tuple[_Node, ...], int]:
    nodes: list[_Node] = []
    literal = ""
    while at < len(template):
        char = template[at]
        if char == "[":
            options, at = _alternatives(template, at + 1, depth + 1)
            nodes += [literal, options] if literal else [options]
            literal = ""
        elif char == "]" or (char == "|" and depth):
            break
        else:
            literal += char
            at += 1
    return (*nodes, literal) if literal else tuple(nodes), at


def _alternatives(template: str, at: int, depth: int) -> tuple[tuple[tuple[_Node, ...], ...], int]:
    options: list[tuple[_Node, ...]] = []
    while True:
        nodes, at = _sequence(template, at, depth)
        options.append(nodes)
        if at >= len(template):
            raise SubtaskError(f"phrase {template!r}: a '[' is not closed")
        at += 1
        if template[at - 1] == "]":
            return tuple(options), at


def draw(template: str, dice: Dice, **slots: object) -> str:
    """Draws one surface form of a template and fills its slots.

    Raises:
        SubtaskError: A slot of the template is not given.
    """
    text = _draw(parse(template), dice) if "[" in template else template
    if "{" not in text:
        return text
    try:
        return text.format(**slots)
    except (KeyError, IndexError) as error:
        given = ", ".join(slots) or "none"
        raise SubtaskError(f"phrase {template!r} has the slot {error}, which is not given (given: {given})") from error


def fill(text: str, slots: Mapping[str, object]) -> str:
    """Puts values into the slots of a text; other braces stay as they are."""
    for name, value in slots.items():
        text = text.replace(f"{{{name}}}", str(value))
    return text


def _draw(nodes: tuple[_Node, ...], dice: Dice) -> str:
    return "".join(node if isinstance(node, str) else _draw(dice.choice(node), dice) for node in nodes)


def count_forms(table: Table) -> int:
    """Returns how many surface forms a table of templates has, with empty slots."""
    if isinstance(table, Mapping):
        return sum(count_forms(templates) for templates in table.values())
    return sum(_count(parse(template)) for template in table)


def _count(nodes: tuple[_Node, ...]) -> int:
    total = 1
    for node in nodes:
        if not isinstance(node, str):
            total *= sum(_count(option) for option in node)
    return total
