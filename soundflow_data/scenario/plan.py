"""The nouns of a planned scene, and the rules that hold for every plan, whoever wrote it.

    bag of annotations -> Planner.plan -> ScenePlan -> Grounder.ground -> Cast (clips, to be placed on a timeline)

A plan knows no audio and no sample: it says what is heard where, in which order, about how long, and what must not be
heard. Plans of rules and of language models pass the same check, `validate_plan`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Final, Protocol

import msgspec

from soundflow_data.dice import Dice
from soundflow_data.errors import SoundFlowError
from soundflow_data.ontology import Ontology, Role, SoundClass, SoundLabel

FEWEST_EVENTS: Final = 3
MOST_EVENTS: Final = 15
LONGEST_EVENT_S: Final = 120.0
HEARD_KINDS: Final[tuple[SoundClass, ...]] = ("sound", "music")
"""Kinds that a sub-event may have: speech belongs to the dialogue, and noise to the beds."""

_OPPOSITE: Final = {"indoor": "outdoor", "outdoor": "indoor"}


class Annotation(msgspec.Struct, frozen=True, kw_only=True):
    """One clip of a bag, as its bank describes it.

    Attributes:
        bank: Name of its bank.
        clip: Its id there.
        label: Ontology label, or the source's own name where the ontology has none.
        caption: A sentence about it; empty when the source has none.
        tags: AudioSet or FSD50K names of it, the best one first; empty where nothing is known.
        kind: What it is.
        num_samples: Length.
    """

    bank: str
    clip: str
    label: str
    caption: str = ""
    tags: tuple[str, ...] = ()
    kind: SoundClass = "sound"
    num_samples: int = 0


class SubEvent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that is heard in a scene.

    Attributes:
        label: Ontology label.
        role: How loud it stands in the scene.
        duration_s: Rough duration, shortest and longest, in seconds.
        query: What to search captions and tags for, in English.
        caption: What a generator is to make where no clip is found, in English.
        tags: AudioSet or FSD50K names with which a clip is accepted, the best one first; the label and its names are
            accepted always.
    """

    label: str
    role: Role
    duration_s: tuple[float, float]
    query: str
    caption: str
    tags: tuple[str, ...] = ()


class ScenePlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is heard in one place.

    Attributes:
        place: Scene of the ontology, such as `kitchen`.
        title: One line for people.
        events: In planned order; a label may come more than once.
        before: Pairs (i, j) of indices into `events`: i starts before j.
        excluded: Labels that must not be heard, neither as events nor behind them.
        planner: Who wrote it, and in whose place, such as `rules` or `rules, as chat: timed out`.
    """

    place: str
    title: str
    events: tuple[SubEvent, ...]
    before: tuple[tuple[int, int], ...] = ()
    excluded: tuple[str, ...] = ()
    planner: str = "rules"

    @property
    def labels(self) -> tuple[str, ...]:
        """The different labels, in planned order."""
        return tuple(dict.fromkeys(event.label for event in self.events))


class Planner(Protocol):
    """Turns a bag of annotations into scenes."""

    @property
    def name(self) -> str:
        """What statistics call it, such as `rules`."""
        ...

    def plan(self, bag: Sequence[Annotation], dice: Dice, language: str) -> tuple[ScenePlan, ...]:
        """Returns one scene, or two where the bag is contradictory; each passes `validate_plan`.

        Args:
            bag: What there is to hear; never empty.
            dice: The stream's own randomness.
            language: Of the titles, `en` or `zh`; queries and captions are in English, as the banks' captions are.
        """
        ...


def describe(entry: SoundLabel) -> SubEvent:
    """Returns the sub-event that the ontology describes: its typical role and duration, its names as the query."""
    return SubEvent(
        label=entry.label,
        role=entry.role,
        duration_s=entry.duration_s,
        query=f"{entry.name_en}, {entry.phrase_en}",
        caption=entry.phrase_en,
        tags=entry.tags,
    )


def belongs(label: str, place: str, ontology: Ontology) -> bool:
    """Tells whether a sound can be heard in a place: it is known there, or nothing of indoors and outdoors clashes."""
    entry = ontology.by_label(label)
    return place in entry.scenes or _OPPOSITE.get(entry.setting) != ontology.scenes[place].setting


def order_constraints(labels: Sequence[str], ontology: Ontology) -> tuple[tuple[int, int], ...]:
    """Returns the pairs (i, j) of events of which the ontology wants i to start before j.

    That is, the sound of j comes `after` that of i, and i is the first of its kind.

    Args:
        labels: Of the events, in any order.
        ontology: What is known about sounds.
    """
    first = {label: i for i, label in reversed(list(enumerate(labels)))}
    return tuple(
        (first[cause], j)
        for j, label in enumerate(labels)
        for cause in ontology.by_label(label).after
        if cause in first
    )


def validate_plan(plan: ScenePlan, ontology: Ontology) -> None:
    """Checks a plan against the ontology.

    Raises:
        SoundFlowError: The message names every event that breaks a rule, the value, and what is allowed.
    """
    problems = list(_problems(plan, ontology))
    if problems:
        raise SoundFlowError(f"scene {plan.title or plan.place!r}: {'; '.join(problems)}")


def _problems(plan: ScenePlan, ontology: Ontology) -> Iterator[str]:
    if not FEWEST_EVENTS <= len(plan.events) <= MOST_EVENTS:
        yield f"{len(plan.events)} events; a scene has {FEWEST_EVENTS} to {MOST_EVENTS}"
    if plan.place not in ontology.scenes:
        yield f"place {plan.place!r} is unknown; places are {', '.join(ontology.scenes)}"
    wrong = [problem for i, event in enumerate(plan.events) for problem in _event_problems(i, event, plan, ontology)]
    yield from wrong
    unknown = [label for label in plan.excluded if label not in ontology]
    if unknown:
        yield f"excluded names {unknown}, which the ontology does not have"
    both = sorted(set(plan.excluded) & set(plan.labels))
    if both:
        yield f"{both} are heard and excluded; keep one of the two"
    if not wrong:
        yield from _order_problems(plan, ontology)
        for one, other in combinations(plan.labels, 2):
            if other in ontology.excludes(one):
                yield f"{one} and {other} exclude each other; leave one out"


def _event_problems(i: int, event: SubEvent, plan: ScenePlan, ontology: Ontology) -> Iterator[str]:
    where = f"event {i} ({event.label})"
    entry = ontology.get(event.label)
    if entry is None:
        near = ontology.canonical(event.label)
        yield f"{where}: no such sound in the ontology" + (f"; it is called {near!r}" if near else "")
    elif entry.kind not in HEARD_KINDS:
        yield f"{where}: is {entry.kind}; an event is {' or '.join(HEARD_KINDS)}"
    elif plan.place in ontology.scenes and not belongs(event.label, plan.place, ontology):
        yield f"{where}: is heard {entry.setting}, not in {plan.place}; there are {', '.join(entry.scenes)}"
    low, high = event.duration_s
    if not 0 < low <= high <= LONGEST_EVENT_S:
        yield f"{where}: duration_s is [{low:g}, {high:g}]; it must be above 0, rise, and end by {LONGEST_EVENT_S:g}"
    for name in ("query", "caption"):
        if not getattr(event, name).strip():
            yield f"{where}: {name} is empty"


def _order_problems(plan: ScenePlan, ontology: Ontology) -> Iterator[str]:
    for i, j in plan.before:
        if not (0 <= i < len(plan.events) and 0 <= j < len(plan.events)):
            yield f"before has [{i}, {j}]; events are 0 to {len(plan.events) - 1}"
        elif i >= j:
            yield f"before has [{i}, {j}], against the order of the events"
    labels = [event.label for event in plan.events]
    for i, j in order_constraints(labels, ontology):
        if i > j:
            yield f"event {j} ({labels[j]}) comes before event {i} ({labels[i]}), which it should follow"
