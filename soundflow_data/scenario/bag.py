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
    """Draws bags; sounds are drawn before clips, so that it costs the same for a bank of a million clips.

    Args:
        supply: What the split has.
        size: Fewest and most clips of a bag.
        coherence: Probability with which a further clip is drawn from the places of the first one; the others come
            from anywhere, so that some bags contradict themselves.
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
        chosen = [dice.choice(self._labels)]
        near = [label for label in self._near[chosen[0]] if label != chosen[0]]
        for _ in range(dice.integer(*self._size) - 1):
            pool = near if dice.chance(self._coherence) and near else self._labels
            label = dice.choice(pool)
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
    def _near(self) -> dict[str, tuple[str, ...]]:
        """The labels that share a place with each."""
        places = {label: set(self._supply.ontology.by_label(label).scenes) for label in self._labels}
        return {
            label: tuple(other for other in self._labels if places[other] & places[label]) for label in self._labels
        }
