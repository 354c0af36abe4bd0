"""Who speaks in the streams of a recipe: its voices, from a bank of utterances, a manifest, or the built-in ones."""

from __future__ import annotations

from pathlib import Path

from soundflow_data.errors import RecipeError
from soundflow_data.recipe import LoadedRecipe
from soundflow_data.speech import Voice, load_voices, read_voices
from soundflow_data.speech.spoken_bank import SpokenBank


def choose_voices(loaded: LoadedRecipe, spoken: SpokenBank | None, *, speaks: bool) -> dict[str, tuple[Voice, ...]]:
    """Returns the voices of a recipe by language.

    Args:
        loaded: The recipe.
        spoken: The bank that `voices.bank` names, open; its voices are the ones that there are.
        speaks: Whether texts of all languages have to be spoken, so that each needs a voice.

    Raises:
        RecipeError: A voice does not exist, belongs to an engine that cannot speak here, or a language has none.
    """
    recipe = loaded.recipe
    known = {voice.id: voice for voice in known_voices(loaded, spoken)}
    ids = recipe.voices.ids if recipe.voices.ids is not None else list(known)
    unknown = [one for one in ids if one not in known]
    if unknown:
        raise RecipeError(
            f"recipe {recipe.name!r}: voices.ids has {unknown}, which do not exist; there are {', '.join(known)}"
        )
    voices: dict[str, list[Voice]] = {}
    for one in ids:
        voices.setdefault(known[one].language, []).append(known[one])
    if speaks:
        for language in recipe.languages:
            if language not in voices:
                raise RecipeError(
                    f"recipe {recipe.name!r}: there is no voice for language {language!r} among {', '.join(ids)}; add "
                    "one to voices.ids or to the manifest of voices, or leave the language out"
                )
    return {language: tuple(some) for language, some in voices.items()}


def known_voices(loaded: LoadedRecipe, spoken: SpokenBank | None) -> tuple[Voice, ...]:
    """Returns all voices that a recipe may choose from.

    Raises:
        SpeechError: The manifest cannot be read.
    """
    if spoken is not None:
        return spoken.source.voices
    if loaded.recipe.voices.manifest is None:
        return load_voices()
    return read_voices(manifest_path(loaded, loaded.recipe.voices.manifest))


def manifest_path(loaded: LoadedRecipe, manifest: str) -> Path:
    """Returns where a manifest is: relative to the working directory, or else to the recipe."""
    path = Path(manifest)
    return path if path.is_absolute() or path.exists() else loaded.path.parent / path


def check_engine(loaded: LoadedRecipe, voices: dict[str, tuple[Voice, ...]], engine: str) -> None:
    """Checks that an engine has all voices of a recipe.

    Raises:
        RecipeError: One belongs to another engine.
    """
    for some in voices.values():
        for voice in some:
            if voice.engine != engine:
                raise RecipeError(
                    f"recipe {loaded.recipe.name!r}: voice {voice.id!r} belongs to engine {voice.engine!r}, but engine "
                    f"{engine!r} is to speak; choose its engine (`soundflow speak --engine {voice.engine}`), other "
                    "voices.ids, or another manifest of voices"
                )
