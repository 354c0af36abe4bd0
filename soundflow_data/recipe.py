"""Recipes: one YAML file says which sub-tasks in which shares, from which banks, how many hours, and how it sounds.

Unknown keys are refused, and every error names the key, the value and what is allowed.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from soundflow_data.composition import Conditions
from soundflow_data.errors import RecipeError
from soundflow_data.quality.check.limits import Checks
from soundflow_data.scenario.settings import PATIENCE, ScenarioSettings
from soundflow_data.subtasks import find_subtask
from soundflow_data.timeline import SAMPLE_RATE

SHARE_TOLERANCE = 1e-6
VOICES = "voices"  # what events call the bank of `voices.bank`


def _ascending(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise ValueError(f"the range runs from {value[0]:g} down to {value[1]:g}; write the smaller end first")
    return value


def _not_negative(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] < 0:
        raise ValueError(f"the range starts at {value[0]:g}; it must not be negative")
    return value


Share = Annotated[float, Field(ge=0, le=1)]
Range = Annotated[tuple[float, float], AfterValidator(_ascending)]
PositiveRange = Annotated[tuple[float, float], AfterValidator(_ascending), AfterValidator(_not_negative)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BankChoice(_Section):
    """One bank: a folder that exists, or a reader by which it is built when it is not there, or one like another."""

    path: str | None = Field(None, description="Folder of a finished bank.")
    reader: str | None = Field(None, description="Reader that builds the bank, see `soundflow bank build --help`.")
    options: dict[str, Any] = Field(default_factory=dict, description="Options of the reader, such as `folder`.")
    like: str | None = Field(None, description="Bank of the recipe whose reader, options and folds this one has too.")
    speed: Annotated[float, Field(ge=0.5, le=2.0)] = Field(
        1.0, description="How fast the reader's recordings are played; at another speed, speakers sound like others."
    )
    only: list[str] | None = Field(None, description="Splits in which the bank is heard; all when null.")
    folds: dict[str, list[str]] | None = Field(
        None, description="Folds of the source for each split; without it recordings are divided by their hash."
    )

    @model_validator(mode="after")
    def _one_origin(self) -> BankChoice:
        if sum(origin is not None for origin in (self.path, self.reader, self.like)) != 1:
            raise ValueError("give either `path` (a finished bank), `reader` (how to build it), or `like` (as another)")
        if self.path is not None and self.speed != 1.0:
            raise ValueError("`speed` is of a bank that a `reader` builds; a finished one is played as it is")
        if self.like is not None and (self.options or self.folds):
            raise ValueError(
                "`like` takes options and folds of the other bank; leave them out here, or give a `reader`"
            )
        return self

    def division(self) -> dict[str, Any] | None:
        """Returns what it says about splits; None when that is nothing."""
        said = {"folds": self.folds, "only": self.only}
        return {key: value for key, value in said.items() if value is not None} or None


class SpeechCheck(_Section):
    """When `soundflow speak` takes an utterance for broken, and how often it tries again."""

    recognise: bool = Field(True, description="Whether a recogniser, where `speak` is given one, checks utterances.")
    max_error_rate: Share = Field(
        0.10, description="Word error rate of what is recognised (of characters in Mandarin); above it is a failure."
    )
    retries: Annotated[int, Field(ge=0, le=10)] = Field(2, description="Attempts after the first, with other noise.")


class Voices(_Section):
    """Who speaks the texts that sub-tasks write."""

    engine: Literal["espeak"] | None = Field(
        "espeak", description="Speaks texts that no bank holds; null allows texts of the banks only."
    )
    ids: list[str] | None = Field(None, description="Only these voices; all when null.")
    bank: str | None = Field(
        None, description="Bank that `soundflow speak` filled; all speech and all voices then come from it."
    )
    manifest: str | None = Field(None, description="A YAML file of voices; the built-in ones when null.")
    check: SpeechCheck = SpeechCheck()


class Beds(_Section):
    """Noise under the whole stream."""

    count: Annotated[int, Field(ge=0, le=2)] = 2
    snr_db: Range = Field((5.0, 20.0), description="Foreground level over the first bed, drawn per stream.")
    ambient_below_db: float = Field(5.0, description="How much quieter the second bed is.")


class Composites(_Section):
    """Streams that mix sub-tasks, beside those of a single one; see docs/scenarios.md."""

    kinds: dict[Literal["single", "scenario", "complex", "proactive"], float] = Field(
        default={"single": 0.4, "scenario": 0.3, "complex": 0.2, "proactive": 0.1},
        description="Share of each kind of stream.",
    )
    turns: Annotated[tuple[int, int], AfterValidator(_ascending)] = Field(
        (3, 15), description="Fewest and most rounds of a composite stream."
    )
    history_review: Share = Field(0.3, description="Composites that ask about something told three rounds ago or more.")
    verified_silence: Share = Field(0.4, description="Composites with sounds that were checked to need no response.")
    proactive: Share = Field(0.3, description="Composites with a danger on which the assistant speaks up unasked.")

    @model_validator(mode="after")
    def _consistent(self) -> Composites:
        _check_shares("composites.kinds", {str(kind): share for kind, share in self.kinds.items()})
        if self.turns[0] < 1:
            raise ValueError(f"composites.turns: {list(self.turns)} begins below 1; a stream has at least one round")
        return self


class Limits(_Section):
    """When a run stops by itself."""

    max_drop_share: Share = Field(0.05, description="Share of streams that may be dropped.")


class Recipe(_Section):
    """A recipe; see docs/recipes.md for a commented example."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9_-]+$")]
    seed: Annotated[int, Field(ge=0)] = 1
    hours: Annotated[float, Field(gt=0)] | None = Field(None, description="Hours of audio; or give `streams`.")
    streams: Annotated[int, Field(gt=0)] | None = Field(None, description="Number of streams; or give `hours`.")
    duration_s: PositiveRange = (20.0, 60.0)
    chunk_s: Annotated[float, Field(gt=0, le=10)] = 0.4
    splits: dict[str, float] = Field(default={"train": 0.95, "validation": 0.05}, min_length=1)
    languages: dict[Literal["en", "zh"], float] = Field(default={"en": 1.0}, min_length=1)
    subtasks: dict[str, float] = Field(min_length=1)
    banks: dict[str, BankChoice] = Field(min_length=1)
    voices: Voices = Voices()
    beds: Beds = Beds()
    background_per_minute: PositiveRange = (0.0, 4.0)
    ambient_per_minute: PositiveRange = (0.0, 4.0)
    level_dbfs: Range = (-30.0, -23.0)
    lead_in_s: PositiveRange = (0.4, 2.0)
    gap_s: PositiveRange = (1.0, 4.0)
    allow_license: list[str] | None = Field(None, description="Licences that clips may have; all when null.")
    codec: Literal["flac", "opus"] = "flac"
    composites: Composites | None = Field(None, description="Streams of several sub-tasks; all are single when null.")
    scenario: ScenarioSettings = ScenarioSettings()
    streams_per_shard: Annotated[int, Field(gt=0)] = 256
    limits: Limits = Limits()
    checks: Checks = Checks()

    @model_validator(mode="after")
    def _resolved(self) -> Recipe:
        """Writes out what banks take from others, so that nobody else has to know of `like`."""
        self.banks.update(
            {name: _like(self.banks, name, choice) for name, choice in self.banks.items() if choice.like is not None}
        )
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Recipe:
        if (self.hours is None) == (self.streams is None):
            raise ValueError("give either `hours` or `streams`")
        samples = self.chunk_s * SAMPLE_RATE
        if abs(samples - round(samples)) > 1e-6:
            below = math.floor(samples) / SAMPLE_RATE
            raise ValueError(
                f"chunk_s: {self.chunk_s} s is {samples:g} samples at {SAMPLE_RATE} Hz, not a whole number; "
                f"the nearest are {below:g} and {below + 1 / SAMPLE_RATE:g}"
            )
        if self.duration_s[0] < self.chunk_s:
            raise ValueError(f"duration_s: {self.duration_s[0]:g} s is shorter than a chunk of {self.chunk_s:g} s")
        for key in ("splits", "languages", "subtasks"):
            _check_shares(key, getattr(self, key))
        if self.level_dbfs[1] > -10:
            raise ValueError(f"level_dbfs: {self.level_dbfs[1]:g} dBFS leaves no room for peaks; stay at or below -10")
        for name, choice in self.banks.items():
            _check_word("banks", name)
            if choice.only is not None and not (choice.only and set(choice.only) <= set(self.splits)):
                raise ValueError(
                    f"banks.{name}.only is {choice.only}; give some of the recipe's splits, {', '.join(self.splits)}, "
                    "or leave it out"
                )
        if self.voices.bank is not None and VOICES in self.banks:
            raise ValueError(f"banks: with voices.bank, events call that bank {VOICES!r}; give this one another name")
        for name in self.splits:
            _check_word("splits", name)
        return self

    @property
    def chunk(self) -> int:
        """Samples per chunk."""
        return round(self.chunk_s * SAMPLE_RATE)

    @property
    def conditions(self) -> Conditions:
        """How its streams sound."""
        return Conditions(
            duration_s=self.duration_s,
            chunk=self.chunk,
            level_dbfs=self.level_dbfs,
            lead_in_s=self.lead_in_s,
            gap_s=self.gap_s,
            background_per_minute=self.background_per_minute,
            ambient_per_minute=self.ambient_per_minute,
            num_beds=self.beds.count,
            snr_db=self.beds.snr_db,
            ambient_below_db=self.beds.ambient_below_db,
        )

    @property
    def num_streams(self) -> int:
        """Streams in all splits."""
        if self.streams is not None:
            return self.streams
        assert self.hours is not None
        return max(1, round(self.hours * 3600 / (sum(self.duration_s) / 2)))

    def streams_of_splits(self) -> dict[str, int]:
        """Divides the streams among the splits by their shares, largest remainder first."""
        exact = {name: self.num_streams * share for name, share in self.splits.items()}
        counts = {name: int(value) for name, value in exact.items()}
        by_remainder = sorted(exact, key=lambda name: counts[name] - exact[name])
        for name in by_remainder[: self.num_streams - sum(counts.values())]:
            counts[name] += 1
        return counts


class LoadedRecipe(BaseModel):
    """A recipe together with where it came from.

    Attributes:
        recipe: The recipe.
        path: Its file.
        subtasks: File of each sub-task.
    """

    model_config = ConfigDict(frozen=True)

    recipe: Recipe
    path: Path
    subtasks: dict[str, Path]

    def resolved_yaml(self) -> str:
        """Returns the recipe with every default written out."""
        data = self.recipe.model_dump(mode="json")
        return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)

    def fingerprint(self) -> str:
        """SHA-256 of everything in the recipe that decides the bytes of a shard, the sub-task files included."""
        return self._digest()

    def plan_fingerprint(self) -> str:
        """SHA-256 of what decides the plan of any one stream: not how many there are, nor how they are stored."""
        return self._digest("hours", "streams", "streams_per_shard", "codec")

    def _digest(self, *others: str) -> str:
        # Which utterances there are counts by their own fingerprint, not how they were made and checked.
        voices = {"bank", "manifest", "check"} | ({"engine"} if others else set())
        exclude: dict[str, Any] = {"voices": voices, **dict.fromkeys(("limits", "checks", *others), True)}
        exclude["scenario"] = {"chat": PATIENCE}
        data = self.recipe.model_dump(mode="json", exclude=exclude)
        # Their own fingerprints count, not their paths; what decides who hears them counts here.
        data["banks"] = {name: choice.division() for name, choice in self.recipe.banks.items()}
        files = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in self.subtasks.items()}
        text = json.dumps([data, files], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def _like(banks: Mapping[str, BankChoice], name: str, choice: BankChoice) -> BankChoice:
    """Returns a bank with what it takes from the one that it is like."""
    other = banks.get(choice.like or "")
    if other is None or other.reader is None:
        able = sorted(key for key, one in banks.items() if one.reader is not None)
        raise ValueError(
            f"banks.{name}.like: {choice.like!r} is no bank of this recipe with a `reader`; "
            f"those are {', '.join(able) or 'none'}"
        )
    taken = {"like": None, "reader": other.reader, "options": other.options, "folds": other.folds}
    return choice.model_copy(update=taken)


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> LoadedRecipe:
    """Reads and checks a recipe.

    Args:
        path: The YAML file.
        overrides: Settings such as `hours=2` or `banks.esc10.options.folder=/data/esc10`, which win over the file.

    Raises:
        RecipeError: It cannot be read or does not mean anything; all that is wrong is named at once.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"recipe {str(path)!r} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"recipe {str(path)!r} is not YAML: {error}") from error
    if not isinstance(data, dict):
        raise RecipeError(f"recipe {str(path)!r} holds {type(data).__name__}, not a mapping of keys to values")
    for override in overrides:
        _override(data, override)
    try:
        recipe = Recipe.model_validate(data)
    except ValidationError as error:
        raise RecipeError(_explain(path, error)) from None
    subtasks = {name: find_subtask(name, base=path.parent) for name in recipe.subtasks}
    return LoadedRecipe(recipe=recipe, path=path, subtasks=subtasks)


def load_resolved(text: bytes, subtasks: Mapping[str, str], path: Path) -> LoadedRecipe:
    """Reads the resolved recipe that a run directory keeps.

    Args:
        text: The YAML that `LoadedRecipe.resolved_yaml` wrote.
        subtasks: File of each sub-task, as the run noted it.
        path: Where the recipe was read from at the time.
    """
    recipe = read_resolved(text, path)
    files = {name: find_subtask(name if not name.endswith(".py") else file) for name, file in subtasks.items()}
    return LoadedRecipe(recipe=recipe, path=path, subtasks=files)


def read_resolved(text: bytes, path: Path, overrides: Sequence[str] = ()) -> Recipe:
    """Reads the recipe alone that a run directory keeps; its sub-tasks and banks need not be there any more.

    Args:
        text: The YAML that `LoadedRecipe.resolved_yaml` wrote.
        path: How messages call it.
        overrides: Settings that win over it, such as `checks.duplicates.similarity=0.98`.

    Raises:
        RecipeError: It does not mean anything; all that is wrong is named at once.
    """
    data = yaml.safe_load(text)
    for override in overrides:
        _override(data, override)
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        raise RecipeError(_explain(path, error)) from None


def _override(data: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise RecipeError(f"setting {override!r} is not of the form key=value, such as hours=2 or beds.snr_db=[0,10]")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"setting {override!r}: the value {text!r} is not YAML: {error}") from error
    *parents, last = key.split(".")
    node = data
    for parent in parents:
        node = node.setdefault(parent, {})
        if not isinstance(node, dict):
            raise RecipeError(f"setting {override!r}: {parent!r} is not a mapping, so it has no key {last!r}")
    node[last] = value
    if key == "hours":
        data.pop("streams", None)
    elif key == "streams":
        data.pop("hours", None)


def _check_shares(key: str, shares: Mapping[str, float]) -> None:
    for name, share in shares.items():
        if not share > 0:
            raise ValueError(f"{key}: the share of {name!r} is {share:g}; it must be above 0 (or leave the entry out)")
    total = sum(shares.values())
    if abs(total - 1) > SHARE_TOLERANCE:
        raise ValueError(f"{key}: the shares sum to {total:.6g}, not to 1 (they are {dict(shares)})")


def _check_word(key: str, name: str) -> None:
    if not name.replace("_", "").replace("-", "").isalnum() or name != name.lower():
        raise ValueError(f"{key}: the name {name!r} must consist of the characters a-z, 0-9, _ and -")


def _explain(path: Path, error: ValidationError) -> str:
    lines = [f"recipe {str(path)!r} has {error.error_count()} mistake{'s' * (error.error_count() > 1)}:"]
    lines += [f"  {_explain_one(dict(problem))}" for problem in error.errors()]
    return "\n".join(lines)


def _explain_one(problem: dict[str, Any]) -> str:
    place = [part for part in problem["loc"] if part != "[key]"]
    key = ".".join(map(str, place)) or "recipe"
    if problem["type"] == "extra_forbidden":
        allowed = sorted(_fields_at(place[:-1]))
        close = difflib.get_close_matches(str(place[-1]), allowed, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        return f"{key}: unknown key; {hint}allowed: {', '.join(allowed)}"
    if problem["type"] == "missing":
        return f"{key}: this key is required"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error":
        return message if key == "recipe" else f"{key}: {message}"
    return f"{key}: {problem['input']!r} is not allowed; {message[0].lower()}{message[1:]}"


def _fields_at(place: Sequence[str | int]) -> list[str]:
    """Returns the keys that a section may have; the names of banks are the user's own and no part of the way."""
    model: type[BaseModel] = Recipe
    for part in place:
        if part == "banks":
            model = BankChoice
            break
        if str(part) in model.model_fields:
            kind = model.model_fields[str(part)].annotation
            kinds = (kind, *get_args(kind))  # of an optional section, the section
            model = next((one for one in kinds if isinstance(one, type) and issubclass(one, BaseModel)), model)
    return list(model.model_fields)
