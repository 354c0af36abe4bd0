"""`soundflow recipes`: what comes with SoundFlow."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from soundflow_pipelines.cli.arguments import Json, builtin_recipes
from soundflow_pipelines.cli.terminal import Terminal


def recipes(as_json: Json = False) -> None:
    """Lists the built-in recipes and sub-tasks.

    Example: `soundflow recipes`
    """
    from soundflow_data.recipe import load_recipe  # noqa: PLC0415
    from soundflow_data.subtasks import builtin_subtasks, load_subtask  # noqa: PLC0415

    terminal = Terminal(as_json=as_json)
    found: list[dict[str, Any]] = []
    for name, path in builtin_recipes().items():
        recipe = load_recipe(path).recipe
        amount = f"{recipe.hours:g} h" if recipe.hours is not None else f"{recipe.streams:,} streams"
        found.append({"name": name, "path": str(path), "amount": amount, "summary": _first_comment(path)})
    terminal.head("recipes")
    terminal.table(
        ("name", "amount", "what it is"), [(one["name"], one["amount"], one["summary"]) for one in found], indent=2
    )
    tasks: list[dict[str, Any]] = []
    for name, path in builtin_subtasks().items():
        task = load_subtask(path)
        tasks.append(
            {
                "name": name,
                "path": str(path),
                "languages": task.languages,
                "needs": task.needs,
                "summary": _first_sentence(path),
            }
        )
    terminal.say()
    terminal.head("sub-tasks")
    terminal.table(
        ("name", "languages", "needs", "what happens"),
        [(one["name"], ", ".join(one["languages"]), ", ".join(one["needs"]), one["summary"]) for one in tasks],
        indent=2,
    )
    terminal.result({"recipes": found, "subtasks": tasks})


def _first_comment(path: Path) -> str:
    line = path.read_text(encoding="utf-8").partition("\n")[0]
    return line.removeprefix("#").strip() if line.startswith("#") else ""


def _first_sentence(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split())
