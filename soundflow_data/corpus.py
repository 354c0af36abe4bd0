"""A recipe with its material: plans and renders any stream by its number, and makes shards.

The sub-task and the language of stream `i` are read off two low-discrepancy sequences, the fractional parts of
multiples of the golden ratio and of the square root of two (Kuipers and Niederreiter, "Uniform Distribution of
Sequences", 1974). So every stretch of streams, a shard or a million, has the recipe's shares as closely as whole
streams allow, and stream `i` needs to know of no other.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
from collections.abc import Mapping
from typing import Final

import msgspec

from soundflow_data.audio.mix import PcmAudio
from soundflow_data.bank import Bank
from soundflow_data.composition import compose
from soundflow_data.dice import derive_seed
from soundflow_data.division import divide
from soundflow_data.errors import BankError, RecipeError
from soundflow_data.library import Library
from soundflow_data.ontology import load_ontology
from soundflow_data.recipe import LoadedRecipe
from soundflow_data.rendering import render_pcm
from soundflow_data.resources import resource_path
from soundflow_data.speech import Engine, EspeakEngine, Voice, load_voices
from soundflow_data.speech.service import SpeechService
from soundflow_data.subtasks import Subtask, load_subtask
from soundflow_data.targets import Targets, project
from soundflow_data.timeline import Timeline
from soundflow_data.version import VERSION

_SCALE: Final = 1 << 64
# (sqrt(5) - 1) / 2 and sqrt(2) - 1 as whole fractions of 2^64, so that no index loses precision.
STEPS: Final = (0x9E3779B97F4A7C15, 0x6A09E667F3BCC908)


class StreamSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Which stream: its key, split, index in the split, sub-task and language."""

    key: str
    split: str
    index: int
    subtask: str
    language: str


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """A finished stream: plan, targets and int16 (num_samples,) audio."""

    timeline: Timeline
    targets: Targets
    pcm: PcmAudio


class Corpus:
    """Everything that is needed to make the streams of a recipe.

    Args:
        loaded: The recipe.
        banks: Open banks by the names that the recipe gives them.

    Raises:
        RecipeError: The recipe asks for what the banks cannot give.
        BankError: A bank that the recipe names is not among them.
    """

    def __init__(self, loaded: LoadedRecipe, banks: Mapping[str, Bank]) -> None:
        missing = set(loaded.recipe.banks) - set(banks)
        if missing:
            raise BankError(f"recipe {loaded.recipe.name!r} needs the banks {sorted(missing)}, which are not open")
        self.loaded = loaded
        self.recipe = loaded.recipe
        self.banks = {name: _named(banks[name], name) for name in sorted(loaded.recipe.banks)}
        self.subtasks = {name: load_subtask(path) for name, path in loaded.subtasks.items()}
        self.engine: Engine | None = EspeakEngine() if self.recipe.voices.engine == "espeak" else None
        self._voices = _choose_voices(loaded, self.engine)
        self._shares = divide(self.recipe, self.banks, self._voices)
        self._speech = SpeechService(
            engine=self.engine,
            version=EspeakEngine().version,
            banks=self.banks,
            voices={voice.id: voice for voices in self._voices.values() for voice in voices},
        )
        self._languages = {name: _languages_of(loaded, name, task) for name, task in self.subtasks.items()}

    # -- plan --------------------------------------------------------------------------------------------------------

    def spec(self, split: str, index: int) -> StreamSpec:
        """Returns which stream has an index in a split."""
        offset = derive_seed(self.recipe.seed, split, "assign")
        first, second = ((offset + (index + 1) * step) % _SCALE / _SCALE for step in STEPS)
        subtask = _pick(self.recipe.subtasks, first)
        return StreamSpec(
            key=f"{split}-{index:08d}",
            split=split,
            index=index,
            subtask=subtask,
            language=_pick(self._languages[subtask], second),
        )

    def compose(self, spec: StreamSpec) -> Timeline:
        """Plans a stream; no audio is touched, except that texts which no bank holds are spoken for their length.

        Raises:
            Drop: The stream cannot be made; the reason is counted.
        """
        return compose(
            self.subtasks[spec.subtask],
            key=spec.key,
            seed=self.recipe.seed,
            index=spec.index,
            library=self.library(spec.split),
            conditions=self.recipe.conditions,
            language=spec.language,
        )

    def library(self, split: str) -> Library:
        """Returns the material of a split."""
        return self._libraries(split)

    @functools.cached_property
    def _libraries(self) -> functools._lru_cache_wrapper[Library]:
        @functools.cache
        def library(split: str) -> Library:
            return Library(
                split=split,
                banks=self.banks,
                rows=self._shares[split].rows,
                speech=self._speech,
                voices=self._shares[split].voices,
                ontology=load_ontology(),
            )

        return library

    # -- make --------------------------------------------------------------------------------------------------------

    def make(self, spec: StreamSpec) -> Stream:
        """Plans, renders and projects a stream.

        Raises:
            Drop: The stream cannot be made; the reason is counted.
        """
        timeline = self.compose(spec)
        return Stream(timeline=timeline, targets=project(timeline), pcm=self.render(timeline))

    def render(self, timeline: Timeline) -> PcmAudio:
        """Renders a planned stream to int16 (num_samples,)."""
        return render_pcm(timeline, self.library(timeline.split))

    def release(self) -> None:
        """Lets the operating system take back the pages of the banks; call it between shards."""
        for bank in self.banks.values():
            bank.release()

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of everything that decides the bytes of a shard."""
        tables = sorted(resource_path("recipes/texts").glob("*.yaml"))
        manifests = sorted(resource_path("manifests").glob("*.yaml"))
        identity = {
            "soundflow": VERSION,
            "recipe": self.loaded.fingerprint(),
            "banks": {name: bank.fingerprint for name, bank in self.banks.items()},
            "engine": self.engine.version if self.engine else None,
            # Encoded audio, soxr's samples and Parquet files have equal bytes only within one version of these.
            "libraries": {name: importlib.metadata.version(name) for name in ("pyarrow", "soundfile", "soxr")},
            "tables": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (*tables, *manifests)},
        }
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def _named(bank: Bank, name: str) -> Bank:
    """Events call a bank by the recipe's name for it, which need not be its own."""
    return bank if bank.name == name else Bank.open(bank.path, name=name)


def _pick(shares: Mapping[str, float], mark: float) -> str:
    """Returns the entry in whose part of [0, 1) the mark lies; the shares may have any sum."""
    mark *= sum(shares.values())
    for name, share in shares.items():
        mark -= share
        if mark < 0:
            return name
    return list(shares)[-1]  # rounding at the very end


def _languages_of(loaded: LoadedRecipe, name: str, task: Subtask) -> dict[str, float]:
    recipe = loaded.recipe
    shares = {str(language): share for language, share in recipe.languages.items() if language in task.languages}
    if not shares:
        raise RecipeError(
            f"recipe {recipe.name!r}: sub-task {name} plays in {', '.join(task.languages)}, but languages are "
            f"{', '.join(recipe.languages)}; add one of them or leave the sub-task out"
        )
    return shares


def _choose_voices(loaded: LoadedRecipe, engine: Engine | None) -> dict[str, tuple[Voice, ...]]:
    recipe = loaded.recipe
    known = {voice.id: voice for voice in load_voices()}
    ids = recipe.voices.ids if recipe.voices.ids is not None else list(known)
    unknown = [one for one in ids if one not in known]
    if unknown:
        raise RecipeError(
            f"recipe {recipe.name!r}: voices.ids has {unknown}, which do not exist; there are {', '.join(known)}"
        )
    voices: dict[str, list[Voice]] = {}
    for one in ids:
        voices.setdefault(known[one].language, []).append(known[one])
    if engine is not None:
        for language in recipe.languages:
            if language not in voices:
                raise RecipeError(f"recipe {recipe.name!r}: voices.ids has no voice for language {language!r}")
    return {language: tuple(some) for language, some in voices.items()}
