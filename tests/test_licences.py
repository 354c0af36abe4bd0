"""`allow_license`: nothing that is heard in a stream has another licence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from soundflow_data.bank import Bank
from soundflow_data.bank.build import build_bank
from soundflow_data.bank.readers.builtin_sounds import BuiltinSounds
from soundflow_data.bank.source import SourceItem
from soundflow_data.corpus import Corpus
from soundflow_data.errors import RecipeError
from soundflow_data.recipe import LoadedRecipe
from soundflow_data.speech.voices import load_voices

SPOKEN = load_voices()[0].licence
KINDS = (
    "dog_bark",
    "doorbell",
    "cat_meow",
    "car_horn",
    "glass_breaking",
    "smoke_alarm",
    "thunder",
    "fan",
    "rain",
    "wind",
)


class Mixed(BuiltinSounds, frozen=True, kw_only=True):
    """Built-in sounds of which every other recording is not for commercial use."""

    def items(self) -> list[SourceItem]:  # type: ignore[override]
        items = list(super().items())
        return [
            msgspec.structs.replace(item, licence="CC-BY-NC-4.0") if item.origin.endswith(("1", "3", "5")) else item
            for item in items
        ]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    """A bank in which half of the clips may not be used commercially."""
    path = tmp_path_factory.mktemp("mixed") / "sounds"
    return Bank.open(build_bank(Mixed(kinds=KINDS, clips=6, beds=6, bed_s=4.0), path).path)


def licences(corpus: Corpus) -> set[str]:
    """Returns the licences of all that is heard in the streams of a small recipe."""
    timelines = [corpus.compose(corpus.spec("train", index)) for index in range(16)]
    return {event.licence for timeline in timelines for event in timeline.events}


def test_nothing_else_is_heard(make_recipe: Callable[..., LoadedRecipe], mixed: Bank) -> None:
    everything = Corpus(make_recipe(), {"sounds": mixed})
    assert licences(everything) == {"CC0-1.0", "CC-BY-NC-4.0", SPOKEN}
    some = Corpus(make_recipe(allow_license=["CC0-1.0", SPOKEN]), {"sounds": mixed})
    assert licences(some) == {"CC0-1.0", SPOKEN}


def test_voices_need_an_allowed_licence_too(make_recipe: Callable[..., LoadedRecipe], mixed: Bank) -> None:
    with pytest.raises(RecipeError, match=r"allow_license \['CC0-1\.0'\]: no voice for language 'en'.*generated"):
        Corpus(make_recipe(allow_license=["CC0-1.0"]), {"sounds": mixed})
    with pytest.raises(RecipeError, match=r"allow_license.*no clip of bank 'sounds'.*CC-BY-NC-4\.0.*CC0-1\.0"):
        Corpus(make_recipe(allow_license=[SPOKEN]), {"sounds": mixed})


def test_it_can_be_set_from_the_command_line(sounds_path: Path, make_recipe: Callable[..., LoadedRecipe]) -> None:
    from soundflow_data.recipe import load_recipe  # noqa: PLC0415

    loaded = load_recipe(make_recipe().path, ["allow_license=[CC0-1.0, CC-BY-4.0]"])
    assert loaded.recipe.allow_license == ["CC0-1.0", "CC-BY-4.0"]
