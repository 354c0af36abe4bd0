"""What the benchmarks make streams of: two recipes, their banks, and ready shards for those that only read.

Everything is made from nothing, so that the numbers need no download; it is kept in the working folder and found again.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from benchmarks.streams.eight_events import REQUESTS
from soundflow_data.corpus import Corpus
from soundflow_data.recipe import LoadedRecipe, load_recipe
from soundflow_data.shards import LocalStorage, Receipt, RunIdentity, ShardSpec, plan_shards
from soundflow_data.speech import load_voices
from soundflow_pipelines.banks import build_banks, open_banks
from soundflow_pipelines.executor import Executor, InProcess, LocalProcesses
from soundflow_pipelines.ray_executor import RayTasks
from soundflow_pipelines.synthesize import make_shard

STREAMS: Final = Path(__file__).parent / "streams"
MINUTE: Final = 60.0

# Sounds that a microphone hears at home and in the street: short and long, tonal and noisy; the last ones as beds.
_KINDS: Final = (
    "dog_bark", "cat_meow", "rooster", "door_knock", "doorbell", "church_bell", "glass_breaking", "kettle_whistle",
    "smoke_alarm", "siren_wail", "car_horn", "cough", "sneeze", "clapping", "footsteps", "keyboard_typing",
    "rain", "wind", "vacuum_cleaner", "engine_idle", "crowd_murmur", "street_ambience",
)  # fmt: skip


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """How a benchmark is to be run.

    Attributes:
        work: Folder for banks and shards; needs some GB.
        smoke: Do as little as possible, only to see that everything works.
        rounds: How often everything is measured.
        bank_hours: Size of the large bank.
        num_planned: Size of the large plan, in streams.
    """

    work: Path
    smoke: bool = False
    rounds: int = 7
    bank_hours: float = 100.0
    num_planned: int = 1_000_000

    def pick(self, full: int, smoke: int) -> int:
        """Returns one of two sizes."""
        return smoke if self.smoke else full


def warm_corpus(setup: Setup, *, num_streams: int, streams_per_shard: int) -> Corpus:
    """Returns a corpus whose sounds, beds and utterances all lie in banks.

    Args:
        setup: Where and how large.
        num_streams: Streams of the recipe.
        streams_per_shard: Streams of each shard.
    """
    voices = ["en-ada", "en-ben"] if setup.smoke else [voice.id for voice in load_voices("en")]
    speech = {"text": "\n".join(REQUESTS), "language": "en", "voices": voices}
    loaded = recipe_of(
        setup,
        name="warm",
        stream="eight_events",
        banks={"sounds": _sounds(setup), "speech": {"reader": "espeak", "options": speech}},
        num_streams=num_streams,
        streams_per_shard=streams_per_shard,
        voices={"ids": voices},
    )
    return _open(setup, loaded)


def cold_corpus(setup: Setup, *, num_streams: int, streams_per_shard: int) -> Corpus:
    """Returns a corpus with sounds and beds in a bank, but no utterances; opened anew, it remembers none."""
    loaded = recipe_of(
        setup,
        name="cold",
        stream="eight_utterances",
        banks={"sounds": _sounds(setup)},
        num_streams=num_streams,
        streams_per_shard=streams_per_shard,
    )
    return _open(setup, loaded)


def write_run(corpus: Corpus, out: Path) -> list[Receipt]:
    """Writes all shards of a corpus into an empty folder."""
    shutil.rmtree(out, ignore_errors=True)
    return [make_shard(corpus, LocalStorage(out), spec, identity(corpus)) for spec in shards(corpus)]


def shards(corpus: Corpus) -> list[ShardSpec]:
    """Returns the shards of a corpus."""
    return list(plan_shards(corpus.recipe.streams_of_splits(), corpus.recipe.streams_per_shard))


def identity(corpus: Corpus) -> RunIdentity:
    """Returns what the receipts of a corpus carry."""
    return RunIdentity(fingerprint=corpus.fingerprint, seed=corpus.recipe.seed)


def executors(setup: Setup) -> dict[str, Callable[[int], Executor]]:
    """Returns what starts each kind of executor; a smoke test has no time to start processes."""
    if setup.smoke:
        return {"in process": lambda _: InProcess()}
    return {"local": LocalProcesses, "Ray": RayTasks}


def recipe_of(
    setup: Setup,
    *,
    name: str,
    stream: str,
    banks: dict[str, Any],
    num_streams: int,
    streams_per_shard: int,
    **more: Any,
) -> LoadedRecipe:
    """Returns a recipe of minute-long streams with two noise beds and nothing else behind.

    Args:
        setup: Where its file is written.
        name: Its name.
        stream: File in `benchmarks/streams` that writes its streams.
        banks: As in a recipe.
        num_streams: Streams in all.
        streams_per_shard: Streams of each shard.
        more: Other keys of the recipe.
    """
    recipe = {
        "name": name,
        "streams": num_streams,
        "streams_per_shard": streams_per_shard,
        "duration_s": [MINUTE, MINUTE],
        "splits": {"train": 1.0},
        "subtasks": {str(STREAMS / f"{stream}.py"): 1.0},
        "banks": banks,
        "background_per_minute": [0, 0],
        "ambient_per_minute": [0, 0],
        **more,
    }
    path = setup.work / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")
    return load_recipe(path)


def _open(setup: Setup, loaded: LoadedRecipe) -> Corpus:
    folder = setup.work / "banks"
    build_banks(loaded, folder, overwrite=True)
    return Corpus(loaded, open_banks(loaded, folder))


def _sounds(setup: Setup) -> dict[str, Any]:
    options = {"clips": setup.pick(8, 1), "beds": setup.pick(4, 1), "bed_s": float(setup.pick(60, 5))}
    return {"reader": "builtin_sounds", "options": {"kinds": list(_KINDS), **options}}
