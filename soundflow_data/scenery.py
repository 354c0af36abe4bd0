"""The planned scene around a stream: which sounds sub-tasks take before all others, and what is left for in between.

planned   kettle whistle   door slam   rain (background)   footsteps
sub-task  "count the ..."  -> takes the door slam, its own clip, from the plan
between                                                     -> footsteps, heard and left unanswered
behind                                  -> rain
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from soundflow_data.library import Sound
from soundflow_data.ontology import Ontology
from soundflow_data.scenario.ground import Cast, Grounded
from soundflow_data.scenario.plan import belongs
from soundflow_data.timeline import Setting


class Scenery:
    """A grounded scene, while a stream is written in it.

    Args:
        cast: The scene's sounds with their clips.
        planner: Who planned it.
        ontology: What is known about sounds.
    """

    def __init__(self, cast: Cast, *, planner: str, ontology: Ontology) -> None:
        self.cast = cast
        self._planner = planner
        self._ontology = ontology
        self._excluded = frozenset(cast.plan.excluded)
        self._labels = frozenset(one.sub_event.label for one in cast.members)

    @property
    def setting(self) -> Setting:
        """What the timeline says about the scene."""
        plan = self.cast.plan
        outcomes = {**self.cast.outcomes, **{f"rejected: {why}": n for why, n in self.cast.rejections.items()}}
        return Setting(
            place=plan.place, title=plan.title, planner=self._planner, outcomes=dict(sorted(outcomes.items()))
        )

    def prefer(self, sounds: Sequence[Sound]) -> tuple[Sound, ...]:
        """Returns the sounds that the scene has; where it has none of them, those that could be heard in its place."""
        planned = tuple([sound for sound in sounds if sound.label in self._labels])
        return planned or tuple([sound for sound in sounds if self.could_be_heard(sound.label)])

    def clip_of(self, label: str, *, single: bool, taken: Collection[str]) -> Grounded | None:
        """Returns the scene's own clip of a sound.

        Args:
            label: The sound.
            single: Only a clip with exactly one occurrence.
            taken: Clips that were played already, which are not played again where the scene has another one.

        Returns:
            None where the scene has no such clip.
        """
        fitting = [
            one
            for one in self.cast.members
            if one.sub_event.label == label and (not single or one.clip.occurrences == 1)
        ]
        return next((one for one in fitting if one.clip.id not in taken), fitting[0] if fitting else None)

    def sounds(self, language: str) -> Iterator[Sound]:
        """Yields the sounds that stand in front, in planned order, those of which no bank has a clip included."""
        for one in self.cast.members:
            if one.sub_event.role == "foreground":
                label = one.sub_event.label
                phrase = self._ontology.phrase(label, language)
                assistant = self._ontology.by_label(label).assistant
                yield Sound(label=label, phrase=phrase, assistant=assistant, num_clips=1)

    def could_be_heard(self, label: str) -> bool:
        """Whether a sound that was not planned would be at its place in the scene."""
        if label in self._excluded:
            return False
        return label not in self._ontology or belongs(label, self.cast.plan.place, self._ontology)
