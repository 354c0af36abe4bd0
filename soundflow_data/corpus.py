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
from typing import Final, TypeVar

import msgspec

from soundflow_data.audio.mix import PcmAudio
from soundflow_data.bank import Bank
from soundflow_data.casting import check_engine, choose_voices
from soundflow_data.composites import Mix
from soundflow_data.composition import compose
from soundflow_data.dice import Dice, derive_seed
from soundflow_data.division import divide
from soundflow_data.errors import BankError, Drop, RecipeError
from soundflow_data.library import Library
from soundflow_data.ontology import load_ontology
from soundflow_data.recipe import VOICES, LoadedRecipe
from soundflow_data.rendering import render_pcm
from soundflow_data.resources import resource_path
from soundflow_data.scenario.chat_rewriter import make_rewriter
from soundflow_data.scenario.silence_auditor import Auditor, make_auditor, verify
from soundflow_data.scenario.staging import Stager
from soundflow_data.scenery import Scenery
from soundflow_data.speech import Engine, EspeakEngine
from soundflow_data.speech.service import SpeechService, SpeechSource, Unspoken
from soundflow_data.speech.spoken_bank import SpokenBank
from soundflow_data.stage import Rewriter
from soundflow_data.subtasks import Subtask, load_subtask
from soundflow_data.targets import Targets, project
from soundflow_data.timeline import SceneType, Timeline
from soundflow_data.version import VERSION

T = TypeVar("T", bound=str)

_SCALE: Final = 1 << 64
# (sqrt(5) - 1) / 2 and sqrt(2) - 1 as whole fractions of 2^64, so that no index loses precision.
STEPS: Final = (0x9E3779B97F4A7C15, 0x6A09E667F3BCC908)
KIND_STEP: Final = 0xBB67AE8584CAA73B  # sqrt(3) - 1, for the kinds of streams


class StreamSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Which stream: its key, split, index in the split, sub-task, language and kind."""

    key: str
    split: str
    index: int
    subtask: str
    language: str
    kind: SceneType = "single"


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """A finished stream: plan, targets and int16 (num_samples,) audio."""

    timeline: Timeline
    targets: Targets
    pcm: PcmAudio


class Corpus:
    """Everything that is needed to make the streams of a recipe.

    Args:
        loaded: The recipe.
        banks: Open banks by the names that the recipe gives them; that of `voices.bank` is called `VOICES`.
        speech: Where utterances come from; by default what the recipe's section `voices` says.

    Raises:
        RecipeError: The recipe asks for what the banks cannot give.
        BankError: A bank that the recipe names is not among them.
    """

    def __init__(self, loaded: LoadedRecipe, banks: Mapping[str, Bank], *, speech: SpeechSource | None = None) -> None:
        missing = {*loaded.recipe.banks, *([VOICES] if loaded.recipe.voices.bank is not None else [])} - set(banks)
        if missing:
            raise BankError(f"recipe {loaded.recipe.name!r} needs the banks {sorted(missing)}, which are not open")
        self.loaded = loaded
        self.recipe = loaded.recipe
        self.banks = {name: _named(banks[name], name) for name in sorted(loaded.recipe.banks)}
        self.subtasks = {name: load_subtask(path) for name, path in loaded.subtasks.items()}
        self.spoken = SpokenBank(_named(banks[VOICES], VOICES)) if self.recipe.voices.bank is not None else None
        given = self.spoken is not None or speech is not None
        self.engine: Engine | None = EspeakEngine() if self.recipe.voices.engine == "espeak" and not given else None
        self.voices = choose_voices(loaded, self.spoken, speaks=given or self.engine is not None)
        if self.engine is not None:
            check_engine(loaded, self.voices, self.engine.name)
        self._shares = divide(self.recipe, self.banks, self.voices)
        self._speech = speech if speech is not None else self._find_speech()
        self._languages = {name: _languages_of(loaded, name, task) for name, task in self.subtasks.items()}

    def _find_speech(self) -> SpeechSource:
        spoken = self.spoken
        return SpeechService(
            engine=self.engine,
            version=spoken.source.engine_version if spoken else EspeakEngine().version,
            banks=self.open_banks,
            voices={voice.id: voice for voices in self.voices.values() for voice in voices},
            failed=spoken.failed if spoken else {},
        )

    @property
    def open_banks(self) -> dict[str, Bank]:
        """All open banks, that of the utterances included."""
        return self.banks if self.spoken is None else {**self.banks, VOICES: self.spoken.bank}

    @functools.cached_property
    def mix(self) -> Mix | None:
        """What composite streams are made of; None where the recipe has none."""
        composites = self.recipe.composites
        if composites is None:
            return None
        return Mix(
            tasks=tuple(self.subtasks[name] for name in self.recipe.subtasks),
            shares=tuple(self.recipe.subtasks.values()),
            turns=composites.turns,
            history_review=composites.history_review,
            verified_silence=composites.verified_silence,
            proactive=composites.proactive,
            stage=self._stage,
        )

    # -- plan --------------------------------------------------------------------------------------------------------

    def spec(self, split: str, index: int) -> StreamSpec:
        """Returns which stream has an index in a split."""
        offset = derive_seed(self.recipe.seed, split, "assign")
        first, second, third = ((offset + (index + 1) * step) % _SCALE / _SCALE for step in (*STEPS, KIND_STEP))
        subtask = _pick(self.recipe.subtasks, first)
        return StreamSpec(
            key=f"{split}-{index:08d}",
            split=split,
            index=index,
            subtask=subtask,
            language=_pick(self._languages[subtask], second),
            kind=self._kind(third),
        )

    def compose(self, spec: StreamSpec) -> Timeline:
        """Plans a stream; no audio is touched, except that texts which no bank holds are spoken for their length.

        Raises:
            Drop: The stream cannot be made; the reason is counted.
            SpeechError: The bank of utterances lacks a text, and no engine may speak it.
        """
        try:
            timeline = compose(
                self.subtasks[spec.subtask],
                key=spec.key,
                seed=self.recipe.seed,
                index=spec.index,
                library=self.library(spec.split),
                conditions=self.recipe.conditions,
                language=spec.language,
                kind=spec.kind,
                mix=self.mix,
                rewriter=self._rewriter,
            )
        except Unspoken as failed:
            raise Drop(f"speech: {failed.reason}", f"stream {spec.key!r}: {failed.detail}") from failed
        if spec.kind != "single":  # of several sub-tasks, nobody has planned all that is heard together
            verify(timeline, self._auditor)
        return timeline

    @functools.cached_property
    def _rewriter(self) -> Rewriter | None:
        return make_rewriter(self.recipe.scenario)

    @functools.cached_property
    def _auditor(self) -> Auditor:
        return make_auditor(self.recipe.scenario, load_ontology())

    def _kind(self, mark: float) -> SceneType:
        return _pick(self.recipe.composites.kinds, mark) if self.recipe.composites is not None else "single"

    def _stage(self, library: Library, dice: Dice, language: str) -> Scenery:
        """Plans a scene of a split and finds its sounds."""
        return self._stagers(library.split).stage(dice, language)

    @functools.cached_property
    def _stagers(self) -> functools._lru_cache_wrapper[Stager]:
        @functools.cache
        def stager(split: str) -> Stager:
            return Stager(self.library(split), self.recipe.scenario)

        return stager

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
        for bank in self.open_banks.values():
            bank.release()

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 of everything that decides the bytes of a shard."""
        return _digest(
            {
                **self._origins,
                "recipe": self.loaded.fingerprint(),
                "engine": self.engine.version if self.engine else None,
                "spoken": self.spoken.fingerprint if self.spoken else None,
                # Encoded audio, soxr's samples and Parquet files have equal bytes only within one version of these.
                "libraries": {name: importlib.metadata.version(name) for name in ("pyarrow", "soundfile", "soxr")},
            }
        )

    @functools.cached_property
    def plan_fingerprint(self) -> str:
        """SHA-256 of everything but the length of utterances that decides the plan of any one stream."""
        return _digest({**self._origins, "recipe": self.loaded.plan_fingerprint()})

    @functools.cached_property
    def _origins(self) -> dict[str, object]:
        tables = sorted(resource_path("recipes/texts").glob("*.yaml"))
        manifests = sorted(resource_path("manifests").glob("*.yaml"))
        return {
            "soundflow": VERSION,
            "banks": {name: bank.fingerprint for name, bank in self.banks.items()},
            "voices": msgspec.to_builtins(self.voices),
            "tables": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in (*tables, *manifests)},
        }


def _digest(identity: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def _named(bank: Bank, name: str) -> Bank:
    """Events call a bank by the recipe's name for it, which need not be its own."""
    return bank if bank.name == name else Bank.open(bank.path, name=name)


def _pick(shares: Mapping[T, float], mark: float) -> T:
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
