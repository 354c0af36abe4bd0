"""One tiny bank and recipe for all tests that need real material; built once a session, in about two seconds."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import settings

from soundflow_data.bank import Bank
from soundflow_data.bank.build import build_bank
from soundflow_data.bank.readers.builtin_sounds import BuiltinSounds
from soundflow_data.corpus import Corpus
from soundflow_data.recipe import LoadedRecipe, load_recipe

settings.register_profile("tests", max_examples=int(os.environ.get("HYPOTHESIS_EXAMPLES", "60")), deadline=None)
settings.load_profile("tests")

KINDS = (
    "dog_bark", "doorbell", "door_knock", "cat_meow", "car_horn", "desk_bell", "glass_breaking", "smoke_alarm",
    "thunder", "gale", "dishes_crash", "wind", "rain", "keys_jingle", "footsteps", "white_noise", "pink_noise", "fan",
)  # fmt: skip

RECIPE = {
    "name": "tiny",
    "seed": 5,
    "streams": 24,
    "duration_s": [12, 30],
    "languages": {"en": 0.7, "zh": 0.3},
    "splits": {"train": 0.75, "validation": 0.25},
    "subtasks": {
        "voice_chatting/factual_qa": 0.2,
        "streaming_instruction_following/event_counting": 0.2,
        "streaming_translation/en_zh_simultaneous": 0.2,
        "real_time_asr/english_asr": 0.2,
        "proactive_response/environmental_hazard": 0.2,
    },
    "banks": {"sounds": {"path": "set by the fixture"}},
    "streams_per_shard": 6,
}


@pytest.fixture(scope="session")
def sounds_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a bank of built-in sounds and beds."""
    path = tmp_path_factory.mktemp("banks") / "sounds"
    build_bank(BuiltinSounds(kinds=KINDS, clips=4, beds=3, bed_s=6.0), path)
    return path


@pytest.fixture(scope="session")
def sounds(sounds_path: Path) -> Bank:
    """A bank of built-in sounds and beds."""
    return Bank.open(sounds_path)


@pytest.fixture(scope="session")
def make_recipe(sounds_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., LoadedRecipe]:
    """Writes and loads the tiny recipe, with changes."""
    folder = tmp_path_factory.mktemp("recipes")

    def make(**changes: object) -> LoadedRecipe:
        path = folder / f"recipe-{len(list(folder.iterdir()))}.yaml"
        path.write_text(yaml.safe_dump(RECIPE | {"banks": {"sounds": {"path": str(sounds_path)}}} | changes))
        return load_recipe(path)

    return make


@pytest.fixture(scope="session")
def make_corpus(make_recipe: Callable[..., LoadedRecipe], sounds: Bank) -> Callable[..., Corpus]:
    """Opens the tiny corpus, with changes of its recipe."""

    def make(**changes: object) -> Corpus:
        return Corpus(make_recipe(**changes), {"sounds": sounds})

    return make


@pytest.fixture(scope="session")
def corpus(make_corpus: Callable[..., Corpus]) -> Corpus:
    """The tiny corpus."""
    return make_corpus()
