"""Finds the banks of a recipe, and builds those that a reader describes and that are not there yet."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import msgspec

from soundflow_data.bank import Bank
from soundflow_data.bank.build import BankSummary, Progress, build_bank
from soundflow_data.bank.prepare import Preparation
from soundflow_data.bank.readers import load_reader
from soundflow_data.bank.source import Reader
from soundflow_data.errors import BankError, RecipeError
from soundflow_data.recipe import VOICES, BankChoice, LoadedRecipe

DEFAULT_FOLDER = Path("banks")


class BankPlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where a bank of a recipe is, or will be.

    Attributes:
        name: The recipe's name for it.
        path: Its folder.
        built: Whether it is built by a reader.
    """

    name: str
    path: Path
    built: bool


def bank_places(loaded: LoadedRecipe, folder: Path) -> list[BankPlace]:
    """Returns where the banks of a recipe are; those that a reader builds lie in `folder` under their names."""
    return [
        BankPlace(name=name, path=_place(loaded, name, choice, folder), built=choice.reader is not None)
        for name, choice in loaded.recipe.banks.items()
    ]


def _place(loaded: LoadedRecipe, name: str, choice: BankChoice, folder: Path) -> Path:
    if choice.path is None:
        return folder / name
    return _beside(loaded, choice.path)


def _beside(loaded: LoadedRecipe, given: str) -> Path:
    """Returns a path that a recipe gives: relative to the working directory, or else to the recipe."""
    path = Path(given)
    return path if path.is_absolute() or path.exists() else loaded.path.parent / path


def build_banks(
    loaded: LoadedRecipe,
    folder: Path,
    *,
    workers: int = 1,
    overwrite: bool = False,
    progress: Callable[[str, Progress], None] | None = None,
) -> list[BankSummary]:
    """Builds the banks of a recipe that are not there yet; finished ones are found and left alone.

    Args:
        loaded: The recipe.
        folder: Where built banks lie.
        workers: Processes.
        overwrite: Whether a bank that was built from something else is replaced.
        progress: Told the name of a bank and how far it is.

    Raises:
        BankError: A source cannot be read, or a bank of that name holds something else.
        RecipeError: A reader does not exist or does not know an option.
    """
    summaries = []
    for place in bank_places(loaded, folder):
        choice = loaded.recipe.banks[place.name]
        if choice.reader is None:
            continue
        summaries.append(
            build_bank(
                _source(loaded, place.name, choice),
                place.path,
                name=place.name,
                preparation=Preparation(speed=choice.speed),
                workers=workers,
                overwrite=overwrite,
                progress=functools.partial(progress, place.name) if progress else None,
            )
        )
    return summaries


def open_banks(loaded: LoadedRecipe, folder: Path) -> dict[str, Bank]:
    """Opens the banks of a recipe by its names for them.

    Raises:
        BankError: One is missing or damaged; the message says how to build it.
    """
    banks = {}
    for place in bank_places(loaded, folder):
        if place.built and not place.path.exists():
            raise BankError(
                f"bank {place.name!r} is not in {str(folder)!r} yet; build it with "
                f"`soundflow bank build --recipe {loaded.path} --banks {folder}`"
            )
        banks[place.name] = Bank.open(place.path, name=place.name)
    spoken = spoken_path(loaded)
    if spoken is not None:
        if not spoken.exists():
            raise BankError(
                f"voices.bank {str(spoken)!r} is not there yet; fill it with "
                f"`soundflow speak {loaded.path} --out {spoken}`"
            )
        banks[VOICES] = Bank.open(spoken, name=VOICES)
    return banks


def spoken_path(loaded: LoadedRecipe) -> Path | None:
    """Returns the folder of the bank of utterances that a recipe names in `voices.bank`."""
    return _beside(loaded, loaded.recipe.voices.bank) if loaded.recipe.voices.bank is not None else None


def _source(loaded: LoadedRecipe, name: str, choice: BankChoice) -> Reader:
    assert choice.reader is not None
    unset = [key for key, value in choice.options.items() if value is None]
    if unset:
        settings = " ".join(f"--set banks.{name}.options.{key}=..." for key in unset)
        raise RecipeError(f"recipe {loaded.recipe.name!r}: bank {name!r} needs {', '.join(unset)}; give {settings}")
    reader = load_reader(choice.reader)
    return reader.configure(choice.options)
