"""Arguments that several commands have, and what they stand for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soundflow_data.errors import RecipeError
from soundflow_data.resources import resource_path

if TYPE_CHECKING:
    from soundflow_data.recipe import LoadedRecipe

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object for machines instead of text.")]
RecipeName = Annotated[
    str,
    typer.Argument(metavar="RECIPE", help="A recipe file, or the name of a built-in one (see `soundflow recipes`)."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="A setting that wins over the recipe, such as hours=2 or seed=5; repeatable."
    ),
]
RunFolder = Annotated[Path, typer.Argument(metavar="OUT", help="The output directory of a run.")]
StreamKey = Annotated[str, typer.Argument(metavar="KEY", help="Key of a stream, such as train-00000012.")]
BanksFolder = Annotated[
    Path, typer.Option("--banks", metavar="DIR", help="Where banks that the recipe's readers build are kept.")
]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes at the same time. [default: all CPUs]")]


def builtin_recipes() -> dict[str, Path]:
    """Returns the recipes that come with SoundFlow, by name."""
    return {path.stem: path for path in sorted(resource_path("recipes").glob("*.yaml"))}


def open_recipe(name: str, settings: Sequence[str] | None = None) -> LoadedRecipe:
    """Reads a recipe by path or name.

    Raises:
        RecipeError: There is none, or it is wrong.
    """
    from soundflow_data.recipe import load_recipe  # noqa: PLC0415 - takes half a second

    path = Path(name)
    if not path.is_file():
        known = builtin_recipes()
        if name not in known:
            raise RecipeError(
                f"no recipe {name!r}: there is no such file, and the built-in ones are {', '.join(known)}"
            )
        path = known[name]
    return load_recipe(path, settings or ())


def num_cpus() -> int:
    """Returns how many CPUs this process may use."""
    return len(os.sched_getaffinity(0))
