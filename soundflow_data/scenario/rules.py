"""The default planner: rules over the ontology, no network.

bag           dog_bark, kettle_whistle, running_tap, cow_moo
place         the place in which most of the bag is heard: kitchen
refinement    cow_moo clashes with it (outdoors, or excluded by what stays) -> a second scene, on a farm
completion    silent sounds of the place, until there are 3 to 15: cutlery, fridge_hum, door_creak ...
order         at random, but each after what the ontology wants before it
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from soundflow_data.dice import Dice
from soundflow_data.errors import Drop
from soundflow_data.ontology import Ontology, SoundLabel
from soundflow_data.scenario.plan import (
    FEWEST_EVENTS,
    HEARD_KINDS,
    MOST_EVENTS,
    Annotation,
    ScenePlan,
    belongs,
    describe,
    order_constraints,
    validate_plan,
)

AGAIN: Final = 0.15  # probability that a further event is one more occurrence of a sound that is there already
RELATED: Final = 4.0  # how much likelier a sound is drawn that the ontology puts before or after one of the scene
MOST_AMBIENT: Final = 2
MOST_MUSIC: Final = 1


class RulePlanner:
    """Plans scenes by the rules of the ontology.

    Args:
        ontology: What is known about sounds.
        available: Labels with which a scene may be completed, such as those that a split has clips of; by default all.
        fewest: Fewest sub-events of a scene.
        most: Most sub-events of a scene, unless the bag alone has more.

    Example:
        planner = RulePlanner(load_ontology())
        (scene,) = planner.plan([Annotation(bank="b", clip="1", label="kettle_whistle")], Dice(7), "en")
    """

    name: Final = "rules"

    def __init__(
        self,
        ontology: Ontology,
        *,
        available: Collection[str] | None = None,
        fewest: int = FEWEST_EVENTS,
        most: int = MOST_EVENTS,
    ) -> None:
        assert FEWEST_EVENTS <= fewest <= most <= MOST_EVENTS, (fewest, most)
        self._ontology = ontology
        self._num_sounds = Counter(place for entry in ontology for place in entry.scenes)
        self._fewest = fewest
        self._most = most
        self._of_place: dict[str, tuple[SoundLabel, ...]] = {
            place: tuple(
                entry
                for entry in ontology
                if place in entry.scenes
                and entry.kind in HEARD_KINDS
                and entry.assistant == "silent"  # what is added must not ask for a response that nobody planned
                and (available is None or entry.label in available)
            )
            for place in ontology.scenes
        }

    def plan(self, bag: Sequence[Annotation], dice: Dice, language: str) -> tuple[ScenePlan, ...]:
        """Returns one scene, or two where sounds of the bag clash with the rest.

        Raises:
            Drop: The bag has no sound that the ontology knows.
        """
        labels = [label for label in map(self._known, bag) if label]
        if not labels:
            raise Drop("nothing to plan", f"a bag of {len(bag)} clips has no sound that the ontology knows")
        counts = Counter(labels)
        place = self._best_place(counts, dice)
        kept, clashing, strays = self._refine(counts, place)
        scenes = [self._scene(place, kept, dice, language)]
        if clashing:
            rest = {label: counts[label] for label in clashing + strays}
            second = self._best_place({label: counts[label] for label in clashing}, dice)
            kept, _, _ = self._refine(rest, second)
            scenes.append(self._scene(second, kept, dice, language))
        return tuple(scenes)

    # -- refinement ----------------------------------------------------------------------------------------------------

    def _known(self, one: Annotation) -> str:
        for label in (self._ontology.canonical(one.label), *map(self._sole, one.tags)):
            if label and self._ontology.by_label(label).kind in HEARD_KINDS:
                return label
        return ""

    def _sole(self, tag: str) -> str:
        labels = self._ontology.with_tag(tag)
        return labels[0] if len(labels) == 1 else ""

    def _best_place(self, counts: Counter[str] | dict[str, int], dice: Dice) -> str:
        """Returns the place where most of the sounds are heard; of equally good ones, rather one with few sounds.

        A kettle whistles in kitchens, and in homes as well; but that it does tells more of a kitchen.
        """
        votes: Counter[str] = Counter()
        for label, count in counts.items():
            for place in self._ontology.by_label(label).scenes:
                votes[place] += count
        most = max(votes.values())
        best = [place for place in self._ontology.scenes if votes[place] == most]
        return dice.weighted(best, [1 / self._num_sounds[place] for place in best])

    def _refine(self, counts: Counter[str] | dict[str, int], place: str) -> tuple[list[str], list[str], list[str]]:
        """Divides the labels of a bag into those that make the scene, those that clash with it, and strays.

        A stray is a sound that is known from other places but contradicts nothing; it is left out.
        """
        at_home = [label for label in counts if place in self._ontology.by_label(label).scenes]
        kept: list[str] = []
        clashing: list[str] = []
        for label in sorted(at_home, key=lambda label: -counts[label]):
            fits = len(kept) < MOST_EVENTS and not self._is_barred(label, kept)
            (kept if fits else clashing).append(label)
        others = [label for label in counts if label not in at_home]
        opposed = [
            label for label in others if not belongs(label, place, self._ontology) or self._is_barred(label, kept)
        ]
        return kept, clashing + opposed, [label for label in others if label not in opposed]

    def _is_barred(self, label: str, kept: Iterable[str]) -> bool:
        return not set(self._ontology.excludes(label)).isdisjoint(kept)

    # -- completion ----------------------------------------------------------------------------------------------------

    def _scene(self, place: str, kept: Sequence[str], dice: Dice, language: str) -> ScenePlan:
        labels = self._ordered(self._completed(place, list(kept), dice), dice)
        excluded = {other for label in set(labels) for other in self._ontology.excludes(label)}
        scene = self._ontology.scenes[place]
        plan = ScenePlan(
            place=place,
            title=scene.name_zh if language.startswith("zh") else scene.name_en,
            events=tuple(describe(self._ontology.by_label(label)) for label in labels),
            before=order_constraints(labels, self._ontology),
            excluded=tuple(sorted(excluded)),
        )
        validate_plan(plan, self._ontology)
        return plan

    def _completed(self, place: str, labels: list[str], dice: Dice) -> list[str]:
        """Adds sounds of the place, and further occurrences, up to a number that is drawn."""
        wanted = dice.integer(max(self._fewest, len(labels)), max(self._most, len(labels)))
        while len(labels) < wanted:
            candidates = self._candidates(place, labels)
            again = [label for label in labels if self._ontology.by_label(label).countable]
            if candidates and not (again and dice.chance(AGAIN)):
                weights = [self._weight(entry, labels) for entry in candidates]
                labels.append(dice.weighted(candidates, weights).label)
            else:
                labels.append(dice.choice(again or labels))
        return labels

    def _candidates(self, place: str, labels: Sequence[str]) -> list[SoundLabel]:
        present = [self._ontology.by_label(label) for label in set(labels)]
        no_music = sum(entry.kind == "music" for entry in present) >= MOST_MUSIC
        no_ambient = sum(entry.role == "ambient" for entry in present) >= MOST_AMBIENT
        barred = {other for entry in present for other in self._ontology.excludes(entry.label)}
        barred.update(labels)
        return [
            entry
            for entry in self._of_place[place]
            if entry.label not in barred
            and not (no_music and entry.kind == "music")
            and not (no_ambient and entry.role == "ambient")
        ]

    def _weight(self, entry: SoundLabel, labels: Sequence[str]) -> float:
        related = any(other in entry.after or entry.label in self._ontology.by_label(other).after for other in labels)
        return RELATED if related else 1.0

    # -- order ---------------------------------------------------------------------------------------------------------

    def _ordered(self, labels: Sequence[str], dice: Dice) -> list[str]:
        """Returns the labels in a random order that keeps the ontology's: Kahn's algorithm over random ranks.

        An effect waits for every occurrence of its causes, which is stricter than the ontology asks.
        """
        ranks = [dice.uniform(0.0, 1.0) for _ in labels]
        causes = [set(self._ontology.by_label(label).after) for label in labels]
        waits = [sum(other in causes[i] for other in labels) for i in range(len(labels))]
        ready = [(ranks[i], i) for i in range(len(labels)) if not waits[i]]
        heapq.heapify(ready)
        ordered = []
        while ready:
            _, done = heapq.heappop(ready)
            ordered.append(labels[done])
            for i in range(len(labels)):
                if labels[done] in causes[i]:
                    waits[i] -= 1
                    if not waits[i]:
                        heapq.heappush(ready, (ranks[i], i))
        return ordered
