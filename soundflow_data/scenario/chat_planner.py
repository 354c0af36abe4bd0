"""A planner that asks a language model; where no usable answer comes, the rules plan.

The model is shown the bag and every sound that could be heard with it, and writes plans in terms of the ontology. What
it writes passes the same check as the rules' plans, and a few more: whatever is added to the bag must be a sound that
needs no response and that the split can give, and a second scene needs a reason. Tags are not asked for: which clips
are accepted as a sound is knowledge, not opinion.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from soundflow_data.dice import Dice
from soundflow_data.errors import SoundFlowError
from soundflow_data.ontology import Ontology, Role, SoundLabel
from soundflow_data.scenario.chat import ChatClient, ChatOutcomes, Message, Question, strict_schema
from soundflow_data.scenario.plan import (
    FEWEST_EVENTS,
    HEARD_KINDS,
    MOST_EVENTS,
    Annotation,
    Planner,
    ScenePlan,
    belongs,
    describe,
    order_constraints,
    validate_plan,
)

MOST_PLACES: Final = 4
FEWEST_OF_BAG: Final = 0.5  # part of the bag's sounds that a plan must use

_SYSTEM: Final = f"""You plan short sound scenes for training a listening assistant.
You get a few recorded clips, places, and a vocabulary of sounds. Write what is heard in one place, as a believable \
little story without speech: {FEWEST_EVENTS} to {MOST_EVENTS} events in the order in which they start.
Rules:
- Use the place names and sound labels exactly as given. Use as many of the clips' sounds as belong together, and add \
sounds of the vocabulary that fit the place. A sound may come more than once.
- Keep what is said after each sound: what it follows, and what it is never heard together with.
- Only when clips contradict each other (indoors and outdoors, or sounds that exclude each other), write two scenes; \
otherwise one.
- role: foreground for what a listener notices, background for what goes on beside it, ambient for what never stops.
- shortest_s and longest_s: how long the sound lasts, in seconds, up to 120.
- query: a few English words to search recordings with. caption: one English sentence that describes this sound alone.
- before: pairs of event numbers, counted from 0, of which the first must start before the second.
- excluded: labels that must not be heard in this scene."""


class EventAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A sub-event, as the model writes it."""

    label: str
    role: Role
    shortest_s: float
    longest_s: float
    query: str
    caption: str


class SceneAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A scene, as the model writes it."""

    place: str
    title: str
    events: tuple[EventAnswer, ...]
    before: tuple[tuple[int, int], ...]
    excluded: tuple[str, ...]


class ScenesAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole answer."""

    scenes: tuple[SceneAnswer, ...]


class ChatPlanner:
    """Plans scenes with a language model.

    Args:
        client: Whom to ask.
        rules: Plans where no usable answer comes.
        ontology: What is known about sounds.
        available: Labels that may be added to a bag, such as those that a split can give; by default all.
        variations: How many different plans of the same bag are asked for.

    Example:
        planner = ChatPlanner(ChatClient(settings), RulePlanner(ontology), ontology)
    """

    name: Final = "chat"

    def __init__(
        self,
        client: ChatClient,
        rules: Planner,
        ontology: Ontology,
        *,
        available: Collection[str] | None = None,
        variations: int = 16,
    ) -> None:
        self._client = client
        self._rules = rules
        self._ontology = ontology
        self._variations = variations
        self._addable = [
            entry
            for entry in ontology
            if entry.kind in HEARD_KINDS
            and entry.assistant == "silent"  # what is added must not ask for a response that nobody planned
            and (available is None or entry.label in available)
        ]
        labels = [entry.label for entry in ontology if entry.kind in HEARD_KINDS]
        self._schema = strict_schema(
            ScenesAnswer,
            {"SceneAnswer.place": list(ontology.scenes), "SceneAnswer.excluded": labels, "EventAnswer.label": labels},
        )

    def plan(self, bag: Sequence[Annotation], dice: Dice, language: str) -> tuple[ScenePlan, ...]:
        """Returns one scene, or two where the bag is contradictory; see `Planner`."""
        known = self._known(bag)
        if known:
            question = self._question(bag, known, dice.integer(1, self._variations), language)
            answer = self._client.ask(question, lambda scenes: self._accept(scenes, known))
            if answer.value is not None:
                return answer.value
            instead = f"{self._rules.name}, as {self.name}: {answer.reason}"
            plans = self._rules.plan(bag, dice, language)
            return tuple(msgspec.structs.replace(plan, planner=instead) for plan in plans)
        return self._rules.plan(bag, dice, language)

    def outcomes(self) -> ChatOutcomes:
        """Returns what came of the questions so far."""
        return self._client.outcomes()

    # -- the question --------------------------------------------------------------------------------------------------

    def _known(self, bag: Sequence[Annotation]) -> Counter[str]:
        """Counts the sounds of the bag that the ontology knows and that a sub-event may be."""
        labels = [self._ontology.canonical(one.label) for one in bag]
        return Counter(label for label in labels if label and self._ontology.by_label(label).kind in HEARD_KINDS)

    def _question(
        self, bag: Sequence[Annotation], known: Counter[str], variation: int, language: str
    ) -> Question[ScenesAnswer]:
        clips = sorted((one.label, " ".join(one.caption.split())) for one in bag)  # one question for a bag in any order
        places = self._places(known)
        sounds = [self._ontology.by_label(label) for label in sorted(known)]
        sounds += [entry for entry in self._addable if entry.label not in known and set(entry.scenes) & set(places)]
        tongue = "Chinese" if language.startswith("zh") else "English"
        lines = [
            "Clips:",
            *(f"- {label}" + (f": {caption}" if caption else "") for label, caption in clips),
            "Places:",
            *(f"- {place}: {self._ontology.scenes[place].name_en}" for place in places),
            "Sounds:",
            *(self._vocabulary_line(entry) for entry in sounds),
            f"Write the title in {tongue}. This is variation {variation}: make it unlike the others.",
        ]
        messages = (Message("system", _SYSTEM), Message("user", "\n".join(lines)))
        return Question(purpose="plan", messages=messages, kind=ScenesAnswer, schema=self._schema)

    def _places(self, known: Counter[str]) -> list[str]:
        """Returns the places that most of the bag belongs to, and one for each sound that belongs to none of them."""
        votes: Counter[str] = Counter()
        for label, count in known.items():
            for place in self._ontology.by_label(label).scenes:
                votes[place] += count
        order = {place: i for i, place in enumerate(self._ontology.scenes)}
        ranked = sorted(votes, key=lambda place: (-votes[place], order[place]))
        chosen = ranked[:MOST_PLACES]
        for label in sorted(known):
            scenes = self._ontology.by_label(label).scenes
            if not set(scenes) & set(chosen):
                chosen.append(next(place for place in ranked if place in scenes))
        return chosen

    def _vocabulary_line(self, entry: SoundLabel) -> str:
        line = f"- {entry.label}: {entry.setting}; {', '.join(entry.scenes)}"
        if entry.after:
            line += f"; follows {', '.join(entry.after)}"
        if barred := self._ontology.excludes(entry.label):
            line += f"; never with {', '.join(barred)}"
        return line

    # -- the answer ----------------------------------------------------------------------------------------------------

    def _accept(self, answer: ScenesAnswer, known: Counter[str]) -> tuple[ScenePlan, ...]:
        """Turns an answer into plans.

        Raises:
            SoundFlowError: It breaks a rule; the message is for the model.
        """
        if not 1 <= len(answer.scenes) <= 2:
            raise SoundFlowError(
                f"{len(answer.scenes)} scenes; write one, or two where the clips contradict each other"
            )
        plans = tuple(self._plan(scene) for scene in answer.scenes)
        for plan in plans:
            validate_plan(plan, self._ontology)
            self._check_added(plan, known)
        used = {label for plan in plans for label in plan.labels} & set(known)
        if len(used) < FEWEST_OF_BAG * len(known):
            raise SoundFlowError(
                f"only {sorted(used)} of the clips' sounds {sorted(known)} are used; use more that belong together"
            )
        if len(plans) == 2 and not self._contradict(plans[0], plans[1]):
            raise SoundFlowError("the two scenes do not contradict each other; write one scene")
        return plans

    def _plan(self, scene: SceneAnswer) -> ScenePlan:
        labels = [self._label(event.label) for event in scene.events]
        barred = {other for label in labels for other in self._ontology.excludes(label)} - set(labels)
        # What the ontology does not know cannot be heard either, so excluding it says nothing.
        barred |= {label for name in scene.excluded if (label := self._ontology.canonical(name))}
        return ScenePlan(
            place=scene.place,
            title=" ".join(scene.title.split()),
            events=tuple(
                msgspec.structs.replace(
                    describe(self._ontology.by_label(label)),
                    role=event.role,
                    duration_s=(event.shortest_s, event.longest_s),
                    query=" ".join(event.query.split()),
                    caption=" ".join(event.caption.split()),
                )
                for label, event in zip(labels, scene.events, strict=True)
            ),
            before=tuple(sorted({*scene.before, *order_constraints(labels, self._ontology)})),
            excluded=tuple(sorted(barred)),
            planner=self.name,
        )

    def _label(self, name: str) -> str:
        """Returns the label that is meant: itself, another name of it, or the one sound that a tag stands for."""
        label = self._ontology.canonical(name)
        if label is not None:
            return label
        tagged = self._ontology.with_tag(name)
        if len(tagged) == 1:
            return tagged[0]
        return self._ontology.by_label(name).label  # raises, and proposes similar labels

    def _check_added(self, plan: ScenePlan, known: Counter[str]) -> None:
        added = set(plan.labels) - set(known) - {entry.label for entry in self._addable}
        if added:
            raise SoundFlowError(f"{sorted(added)} may not be added here; add only sounds of the list")
        if not set(plan.labels) & set(known):
            raise SoundFlowError(
                f"scene {plan.title!r} has none of the clips' sounds {sorted(known)}; use some of them"
            )

    def _contradict(self, one: ScenePlan, other: ScenePlan) -> bool:
        """Tells whether two scenes could not be one: a sound of the second clashes with the first."""
        barred = {label for heard in one.labels for label in self._ontology.excludes(heard)}
        return any(label in barred or not belongs(label, one.place, self._ontology) for label in other.labels)
