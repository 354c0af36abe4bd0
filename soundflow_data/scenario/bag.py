"""Bags of clip annotations, drawn from a split: what a scene is to be planned around."""

from __future__ import annotations

import functools
from typing import Final

from soundflow_data.dice import Dice
from soundflow_data.errors import Drop
from soundflow_data.ontology import Assistant
from soundflow_data.scenario.plan import Annotation
from soundflow_data.scenario.supply import Supply

SIZE: Final = (3, 8)
COHERENCE: Final = 0.7


class Bags:
    """Draws bags: a place, then sounds, then clips, so that it costs the same for a bank of a million clips.

    All places are equally likely, because homes have five times as many sounds as most others.

    Args:
        supply: What the split has.
        size: Fewest and most clips of a bag.
        coherence: Probability with which a further clip is drawn from the place of the first one; the others come from
            anywhere, so that some bags contradict themselves.
        assistant: Only sounds of which it is clear whether an assistant should speak up: borderline ones are left out.
    """

    def __init__(
        self,
        supply: Supply,
        *,
        size: tuple[int, int] = SIZE,
        coherence: float = COHERENCE,
        assistant: tuple[Assistant, ...] = ("silent", "respond"),
    ) -> None:
        self._supply = supply
        self._size = size
        self._coherence = coherence
        self._assistant = assistant

    def draw(self, dice: Dice) -> tuple[Annotation, ...]:
        """Draws a bag of different sounds; it is smaller than asked where the split has fewer.

        Raises:
            Drop: The split has no clip of a sound that the ontology knows.
        """
        if not self._labels:
            raise Drop(
                "no sounds for a scene",
                f"split {self._supply.library.split!r} has no clip of a sound that the ontology knows",
            )
        near = dice.choice(self._places)
        chosen = [dice.choice(near)]
        for _ in range(dice.integer(*self._size) - 1):
            label = dice.choice(near if dice.chance(self._coherence) else self._labels)
            if label not in chosen:
                chosen.append(label)
        return tuple(self._annotation(label, dice) for label in chosen)

    def _annotation(self, label: str, dice: Dice) -> Annotation:
        bank, row = self._supply.shelves[label].draw(dice)
        return self._supply.annotate(bank.name, bank.clip(row))

    @functools.cached_property
    def _labels(self) -> tuple[str, ...]:
        entry = self._supply.ontology.by_label
        return tuple(label for label in self._supply.shelves if entry(label).assistant in self._assistant)

    @functools.cached_property
    def _places(self) -> tuple[tuple[str, ...], ...]:
        """The labels of each place that has any."""
        ontology = self._supply.ontology
        found = (tuple(label for label in self._labels if ontology.fits(label, place)) for place in ontology.scenes)
        return tuple(labels for labels in found if labels)
