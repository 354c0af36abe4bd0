"""What is known about sounds: names, families, scenes, look-alikes, and whether an assistant should speak up.

    ontology = load_ontology()
    ontology.canonical("crying_baby")             # 'baby_cry'
    ontology.phrase("dog_bark", "zh")             # '狗叫声'
    ontology.benign_look_alikes("smoke_alarm")    # ('alarm_clock', 'car_alarm' ...) less those that need an answer

The knowledge itself is in `manifests/sounds.yaml`, `proactive.yaml` and `abilities.yaml`.
"""

from __future__ import annotations

import difflib
import graphlib
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
import yaml

from soundflow_data.errors import SoundFlowError
from soundflow_data.resources import resource_path

SoundClass = Literal["sound", "music", "noise", "speech"]
Setting = Literal["indoor", "outdoor", "both"]
Role = Literal["foreground", "background", "ambient"]
Assistant = Literal["respond", "silent", "borderline"]
T = TypeVar("T")


class Scene(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A place in which sounds are heard together."""

    name_en: str
    name_zh: str
    setting: Setting


class Family(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A group of sounds with a common source."""

    name_en: str
    name_zh: str


class SoundLabel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of sound; `manifests/sounds.yaml` explains each attribute at its top.

    Attributes:
        label: Its name in timelines, banks and recipes.
        family: The family that it stands under.
        recognise_s: Seconds from the onset until a careful listener knows what it is.
        duration_s: Typical shortest and longest, in seconds.
        after: In one scene, this starts after the first of each of these.
        excludes: Never in one scene with these, as written; `Ontology.excludes` has both directions.
        look_alikes: As written; `Ontology.look_alikes` has both directions.
        procedural: Kind of procedural sound that can make it.
        tags: AudioSet or FSD50K names with which a clip is accepted, the best one first.
    """

    label: str
    family: str
    name_en: str
    name_zh: str
    phrase_en: str
    phrase_zh: str
    kind: SoundClass
    countable: bool
    recognise_s: float
    duration_s: tuple[float, float]
    setting: Setting
    role: Role
    assistant: Assistant
    scenes: tuple[str, ...]
    tags: tuple[str, ...]
    look_alikes: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    procedural: str | None = None


class Ontology(msgspec.Struct, frozen=True, kw_only=True):
    """Every sound by label, with lookups; made by `load_ontology`.

    Attributes:
        sounds: By label, in the order of the file.
        scenes: By name.
        families: By name.
    """

    sounds: Mapping[str, SoundLabel]
    scenes: Mapping[str, Scene]
    families: Mapping[str, Family]
    _by_name: Mapping[str, str]
    _by_tag: Mapping[str, tuple[str, ...]]
    _alike: Mapping[str, tuple[str, ...]]
    _exclusive: Mapping[str, tuple[str, ...]]

    def __iter__(self) -> Iterator[SoundLabel]:
        return iter(self.sounds.values())

    def __len__(self) -> int:
        return len(self.sounds)

    def __contains__(self, label: object) -> bool:
        return label in self.sounds

    def get(self, label: str) -> SoundLabel | None:
        """Returns the entry of a label, or None where the ontology does not have it."""
        return self.sounds.get(label)

    def by_label(self, label: str) -> SoundLabel:
        """Returns the entry of a label.

        Raises:
            SoundFlowError: No such label; the message proposes similar ones.
        """
        entry = self.sounds.get(label)
        if entry is None:
            near = difflib.get_close_matches(_fold(label), self._by_name, n=3)
            hint = f"did you mean {', '.join(dict.fromkeys(self._by_name[name] for name in near))}?" if near else ""
            raise SoundFlowError(f"the ontology has no sound {label!r}; {hint or 'see manifests/sounds.yaml'}")
        return entry

    def canonical(self, name: str) -> str | None:
        """Returns the label for a label, alias or English name, however it is spelled; None where unknown."""
        return self._by_name.get(_fold(name))

    def with_tag(self, tag: str) -> tuple[str, ...]:
        """Returns the labels that accept a clip with an AudioSet or FSD50K tag, those whose best tag it is first."""
        return self._by_tag.get(_fold(tag), ())

    def phrase(self, label: str, language: str) -> str:
        """Returns the noun phrase of a sound; a label that is not in the ontology is read out as it is written.

        Args:
            label: Ontology label, or the label of a user's own bank.
            language: `en` or `zh`.
        """
        entry = self.sounds.get(label)
        if entry is None:
            return label.replace("_", " ")
        return entry.phrase_zh if language.startswith("zh") else entry.phrase_en

    def look_alikes(self, label: str) -> tuple[str, ...]:
        """Returns all labels that could be taken for this one, needing a response or not; empty where unknown."""
        return self._alike.get(label, ())

    def benign_look_alikes(self, label: str) -> tuple[str, ...]:
        """Returns the labels that could be taken for this one and need no response."""
        return tuple(name for name in self.look_alikes(label) if self.sounds[name].assistant == "silent")

    def excludes(self, label: str) -> tuple[str, ...]:
        """Returns the labels that may not be in one scene with this one."""
        return self._exclusive.get(label, ())

    def fits(self, label: str, scene: str) -> bool:
        """Tells whether a sound is plausible in a scene."""
        return scene in self.by_label(label).scenes

    def procedural_kinds(self) -> dict[str, str]:
        """Returns the label of each procedural kind that has one."""
        return {entry.procedural: entry.label for entry in self if entry.procedural is not None}


class ProactiveSound(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to say, unasked, on hearing one sound."""

    answers_en: tuple[str, ...]
    answers_zh: tuple[str, ...]

    def answers(self, language: str) -> tuple[str, ...]:
        """Returns the answers in a language."""
        return self.answers_zh if language.startswith("zh") else self.answers_en


class ProactiveDomain(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One group of sounds on which an assistant speaks up by itself.

    Attributes:
        name: Also the name of the sub-task.
        description_en: One line.
        description_zh: One line.
        sounds: By label.
        look_alikes: Harmless sounds of the same surroundings, on which it must stay silent.
    """

    name: str
    description_en: str
    description_zh: str
    sounds: Mapping[str, ProactiveSound]
    look_alikes: tuple[str, ...]


class Subtask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of interaction in the published taxonomy."""

    name: str
    description: str


class Ability(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A family of sub-tasks; `share` is its part of StreamAudio-2M, between 0 and 1."""

    name: str
    share: float
    description: str
    subtasks: tuple[Subtask, ...]


class Abilities(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The published taxonomy and composition.

    Attributes:
        abilities: The seven, with their shares of StreamAudio-2M.
        duplex: Sub-tasks beyond the published ones, for full-duplex layouts.
        corpus_mix: Share of streams per level of composition.
    """

    abilities: tuple[Ability, ...]
    duplex: tuple[Subtask, ...]
    corpus_mix: Mapping[str, float]


def load_ontology(path: Path | None = None) -> Ontology:
    """Reads and checks the sounds; the result is kept, so that a second call costs nothing.

    Args:
        path: A file like `manifests/sounds.yaml`, which is the default.

    Raises:
        SoundFlowError: The file is missing or wrong; the message names the label, the key and the value.
    """
    return _load_ontology(_resolved(path, "manifests/sounds.yaml"))


def load_proactive(path: Path | None = None, ontology: Ontology | None = None) -> Mapping[str, ProactiveDomain]:
    """Reads and checks the proactive domains, by name.

    Args:
        path: A file like `manifests/proactive.yaml`, which is the default.
        ontology: The sounds that it speaks of; the default ones where absent.

    Raises:
        SoundFlowError: The file is missing, wrong, or does not agree with the ontology.
    """
    source = _resolved(path, "manifests/proactive.yaml")
    domains = _load_domains(source)
    _check_proactive(domains, ontology or load_ontology(), source)
    return domains


def load_abilities(path: Path | None = None) -> Abilities:
    """Reads and checks the abilities, their sub-tasks and shares.

    Args:
        path: A file like `manifests/abilities.yaml`, which is the default.

    Raises:
        SoundFlowError: The file is missing or wrong, or its shares do not add up to one.
    """
    return _load_abilities(_resolved(path, "manifests/abilities.yaml"))


# -- reading -------------------------------------------------------------------------------------------------------


def _resolved(path: Path | None, default: str) -> Path:
    return resource_path(default) if path is None else path.resolve()


def _read(path: Path) -> dict[str, Any]:
    # The nodes are turned into values here: twice as fast as yaml.load, and a key that stands twice is noticed.
    try:
        data = _value(yaml.compose(path.read_bytes(), Loader=yaml.CSafeLoader), path)
    except OSError as error:
        raise SoundFlowError(f"cannot read {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise SoundFlowError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(data, dict):
        raise SoundFlowError(f"{path} holds a {type(data).__name__}, not a mapping")
    return data


_SCALARS: dict[str, Callable[[str], Any]] = {
    "tag:yaml.org,2002:str": str,
    "tag:yaml.org,2002:int": int,
    "tag:yaml.org,2002:float": float,
    "tag:yaml.org,2002:bool": {"true": True, "false": False}.__getitem__,
    "tag:yaml.org,2002:null": lambda _: None,
}


def _value(node: yaml.Node | None, path: Path) -> Any:
    if isinstance(node, yaml.ScalarNode):
        try:
            return _SCALARS[node.tag](node.value)
        except (KeyError, ValueError) as error:
            line = node.start_mark.line + 1
            raise SoundFlowError(f"{path}, line {line}: {node.value!r} is no text, number, true or false") from error
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, path) for item in node.value]
    if isinstance(node, yaml.MappingNode):
        out: dict[str, Any] = {}
        for key, value in node.value:
            if key.value in out:
                raise SoundFlowError(f"{path}, line {key.start_mark.line + 1}: key {key.value!r} stands twice")
            out[key.value] = _value(value, path)
        return out
    return None


def _section(data: Mapping[str, Any], key: str, path: Path) -> dict[str, Any]:
    section = data.get(key)
    if not isinstance(section, dict):
        raise SoundFlowError(f"{path}: {key!r} must be a mapping, not {section!r}")
    return section


def _only(data: Mapping[str, Any], allowed: set[str], path: Path) -> None:
    unknown = sorted(map(str, set(data) - allowed))
    if unknown:
        raise SoundFlowError(f"{path}: unknown key {unknown[0]!r}; allowed are {', '.join(sorted(allowed))}")


def _convert(value: Any, kind: type[T], where: str) -> T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise SoundFlowError(f"{where}: {error}") from error


def _named(section: Mapping[str, Any], kind: type[T], where: str) -> dict[str, T]:
    return {name: _convert(value, kind, f"{where} {name!r}") for name, value in section.items()}


# -- sounds --------------------------------------------------------------------------------------------------------


@cache
def _load_ontology(path: Path) -> Ontology:
    data = _read(path)
    _only(data, {"scenes", "families", "sounds"}, path)
    scenes = _named(_section(data, "scenes", path), Scene, f"{path}: scene")
    families = _named(_section(data, "families", path), Family, f"{path}: family")
    sounds: dict[str, SoundLabel] = {}
    for family, entries in _section(data, "sounds", path).items():
        if family not in families:
            raise SoundFlowError(f"{path}: unknown family {family!r}; add it to `families`")
        if not isinstance(entries, dict):
            raise SoundFlowError(f"{path}: family {family!r} must hold a mapping of labels, not {entries!r}")
        for label, fields in entries.items():
            where = f"{path}: sound {label!r}"
            if label in sounds:
                raise SoundFlowError(f"{where} stands in two families, {sounds[label].family!r} and {family!r}")
            if not isinstance(fields, dict):
                raise SoundFlowError(f"{where} must be a mapping, not {fields!r}")
            for key in ("label", "family"):
                if key in fields:
                    raise SoundFlowError(f"{where}: {key!r} follows from where the entry stands; leave it out")
            sounds[label] = _convert({**fields, "label": label, "family": family}, SoundLabel, where)
    for entry in sounds.values():
        _check_sound(entry, sounds, scenes, path)
    _check_order(sounds, path)
    return Ontology(
        sounds=sounds,
        scenes=scenes,
        families=families,
        _by_name=_names(sounds, path),
        _by_tag=_tags(sounds),
        _alike=_both_ways({label: entry.look_alikes for label, entry in sounds.items()}),
        _exclusive=_both_ways({label: entry.excludes for label, entry in sounds.items()}),
    )


def _check_sound(entry: SoundLabel, sounds: Mapping[str, SoundLabel], scenes: Mapping[str, Scene], path: Path) -> None:
    where = f"{path}: sound {entry.label!r}"
    if not re.fullmatch(r"[a-z][a-z0-9_]*", entry.label):
        raise SoundFlowError(f"{where}: a label is made of a-z, 0-9 and _")
    low, high = entry.duration_s
    if not 0 < low <= high:
        raise SoundFlowError(f"{where}: duration_s is [{low:g}, {high:g}]; it must be positive and rise")
    if not 0 < entry.recognise_s <= high:
        raise SoundFlowError(f"{where}: recognise_s is {entry.recognise_s:g}, outside 0 to {high:g} (its duration)")
    for key in ("name_en", "name_zh", "phrase_en", "phrase_zh", "scenes", "tags"):
        if not getattr(entry, key):
            raise SoundFlowError(f"{where}: {key} is empty")
    for key in ("look_alikes", "after", "excludes"):
        for other in getattr(entry, key):
            if other not in sounds or other == entry.label:
                raise SoundFlowError(f"{where}: {key} names {other!r}, which is {_wrong(other, sounds)}")
    for scene in entry.scenes:
        if scene not in scenes:
            raise SoundFlowError(f"{where}: scenes names {scene!r}, which is {_wrong(scene, scenes)}")


def _wrong(name: str, known: Mapping[str, object]) -> str:
    if name in known:
        return "the sound itself"
    near = difflib.get_close_matches(name, known, n=1)
    return f"not defined; did you mean {near[0]!r}?" if near else "not defined"


def _check_order(sounds: Mapping[str, SoundLabel], path: Path) -> None:
    try:
        graphlib.TopologicalSorter({label: entry.after for label, entry in sounds.items()}).prepare()
    except graphlib.CycleError as error:
        raise SoundFlowError(f"{path}: `after` goes round in a circle: {' after '.join(error.args[1])}") from error
    for entry in sounds.values():
        both = set(entry.after) & set(entry.excludes)
        if both:
            raise SoundFlowError(f"{path}: sound {entry.label!r} comes after {both.pop()!r} and excludes it too")


def _fold(name: str) -> str:
    return re.sub(r"[\W_]+", "_", name.casefold()).strip("_")


def _names(sounds: Mapping[str, SoundLabel], path: Path) -> dict[str, str]:
    names = {_fold(label): label for label in sounds}
    for entry in sounds.values():
        for alias in entry.aliases:
            owner = names.setdefault(_fold(alias), entry.label)
            if owner != entry.label:
                raise SoundFlowError(f"{path}: sound {entry.label!r}: alias {alias!r} already means {owner!r}")
    for entry in sounds.values():
        names.setdefault(_fold(entry.name_en), entry.label)
    return names


def _tags(sounds: Mapping[str, SoundLabel]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[tuple[int, str]]] = {}
    for entry in sounds.values():
        for rank, tag in enumerate(entry.tags):
            found.setdefault(_fold(tag), []).append((min(rank, 1), entry.label))
    return {tag: tuple(label for _, label in sorted(labels)) for tag, labels in found.items()}


def _both_ways(related: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    mutual: dict[str, set[str]] = {label: set(others) for label, others in related.items()}
    for label, others in related.items():
        for other in others:
            mutual[other].add(label)
    return {label: tuple(sorted(others)) for label, others in mutual.items()}


# -- proactive domains and abilities -------------------------------------------------------------------------------


@cache
def _load_domains(path: Path) -> dict[str, ProactiveDomain]:
    data = _read(path)
    _only(data, {"domains"}, path)
    domains = {}
    for name, fields in _section(data, "domains", path).items():
        where = f"{path}: domain {name!r}"
        if not isinstance(fields, dict):
            raise SoundFlowError(f"{where} must be a mapping, not {fields!r}")
        domains[name] = _convert({**fields, "name": name}, ProactiveDomain, where)
    return domains


def _check_proactive(domains: Mapping[str, ProactiveDomain], ontology: Ontology, path: Path) -> None:
    home: dict[str, str] = {}
    for domain in domains.values():
        where = f"{path}: domain {domain.name!r}"
        for label, sound in domain.sounds.items():
            if label not in ontology or ontology.by_label(label).assistant != "respond":
                raise SoundFlowError(f"{where}: {label!r} is not a sound with `assistant: respond` in the ontology")
            if home.setdefault(label, domain.name) != domain.name:
                raise SoundFlowError(f"{where}: {label!r} already stands in domain {home[label]!r}")
            if not sound.answers_en or not sound.answers_zh:
                raise SoundFlowError(f"{where}: {label!r} lacks answers in English or Mandarin")
        for label in domain.look_alikes:
            if label not in ontology or ontology.by_label(label).assistant != "silent":
                raise SoundFlowError(f"{where}: {label!r} is not a sound with `assistant: silent` in the ontology")
    missing = sorted(entry.label for entry in ontology if entry.assistant == "respond" and entry.label not in home)
    if missing:
        raise SoundFlowError(f"{path}: {missing[0]!r} has `assistant: respond` in the ontology and stands in no domain")


@cache
def _load_abilities(path: Path) -> Abilities:
    found = _convert(_read(path), Abilities, str(path))
    for name, total in (
        ("shares of the abilities", sum(ability.share for ability in found.abilities)),
        ("corpus_mix", sum(found.corpus_mix.values())),
    ):
        if abs(total - 1) > 1e-6:
            raise SoundFlowError(f"{path}: {name} add up to {total:g}, not 1")
    names = [task.name for ability in found.abilities for task in ability.subtasks]
    names += [task.name for task in found.duplex]
    twice = sorted(name for name in set(names) if names.count(name) > 1)
    if twice:
        raise SoundFlowError(f"{path}: sub-task {twice[0]!r} stands twice")
    return found
