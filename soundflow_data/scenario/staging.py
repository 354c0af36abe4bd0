"""From the material of a split to a scene that a stream can play in: draw a bag, plan, ground."""

from __future__ import annotations

from pathlib import Path

from soundflow_data.dice import Dice
from soundflow_data.errors import Drop
from soundflow_data.library import Library
from soundflow_data.scenario.bag import Bags
from soundflow_data.scenario.embedding import LocalEmbedder, Vectors
from soundflow_data.scenario.ground import Grounder
from soundflow_data.scenario.plan import FEWEST_EVENTS, Planner
from soundflow_data.scenario.retrieval import Retriever
from soundflow_data.scenario.rules import RulePlanner
from soundflow_data.scenario.settings import ScenarioSettings
from soundflow_data.scenario.supply import Supply
from soundflow_data.scenery import Scenery


class Stager:
    """Plans scenes of one split and finds their sounds.

    Args:
        library: Material of the split.
        settings: Who plans, how clips are found, and whether sounds may be generated.

    Raises:
        SoundFlowError: The embedding model that the settings name is not there.
    """

    def __init__(self, library: Library, settings: ScenarioSettings) -> None:
        supply = Supply(library, generation=settings.generation)
        self._library = library
        self._bags = Bags(supply)
        self._planner = _planner(settings, supply)
        retriever = Retriever(supply, vectors=_vectors(settings))
        self._grounder = Grounder(supply, retriever=retriever, workshop=library.workshop)

    def stage(self, dice: Dice, language: str) -> Scenery:
        """Returns a scene with a clip for each of its sounds.

        Args:
            dice: The stream's own randomness.
            language: Of the scene's title.

        Raises:
            Drop: Too few sounds were found, or the split has none.
        """
        plan = dice.choice(self._planner.plan(self._bags.draw(dice), dice, language))
        cast = self._grounder.ground(plan, dice)
        if len(cast.members) < FEWEST_EVENTS:
            left_out = ", ".join(event.label for event in cast.left_out)
            raise Drop(
                "scene with too few sounds",
                f"{plan.title!r} has clips for {len(cast.members)} sounds, not for {left_out}; add banks with them, or "
                "set scenario.generation to true",
            )
        return Scenery(cast, planner=plan.planner, ontology=self._library.ontology)


def _vectors(settings: ScenarioSettings) -> Vectors | None:
    if not settings.embedder:
        return None
    return Vectors(LocalEmbedder(Path(settings.embedder)), Path(settings.vectors) if settings.vectors else None)


def _planner(settings: ScenarioSettings, supply: Supply) -> Planner:
    rules = RulePlanner(supply.ontology, available=supply.found)  # to make a sound takes longer than a whole stream
    if settings.planner == "rules":
        return rules
    from soundflow_data.scenario.chat.client import ChatClient  # noqa: PLC0415 - only who asks a server pays for this
    from soundflow_data.scenario.chat_planner import ChatPlanner  # noqa: PLC0415

    return ChatPlanner(
        ChatClient(settings.chat), rules, supply.ontology, available=supply.labels, variations=settings.variations
    )
