"""Which sounds of the ontology a clip is accepted as, by what its bank says about it."""

from __future__ import annotations

import functools
from collections.abc import Callable

from soundflow_data.ontology import Ontology
from soundflow_data.scenario.plan import HEARD_KINDS, SubEvent
from soundflow_data.scenario.wording import Wording


class Identity:
    """Knows clips by their labels, tags and captions.

    A clip with an ontology label is that sound and no other. A clip with the source's own tag is the one sound whose
    best tag it is: a tag of several sounds (`Alarm`) or of all sorts (`Animal`) identifies none. A clip without a label
    is the sound that its caption names, where it names exactly one.

    Args:
        ontology: What is known about sounds.
    """

    def __init__(self, ontology: Ontology) -> None:
        self.ontology = ontology
        self._wording = Wording(ontology)
        self._by_label: Callable[[str], str] = functools.cache(self._find)
        self.named: Callable[[str], tuple[str, ...]] = functools.lru_cache(maxsize=8192)(self._wording.named)

    def label_of(self, label: str, caption: str = "") -> str:
        """Returns the ontology label of a clip; empty where it is not known, or no sound that a sub-event may be.

        Args:
            label: Of the clip in its bank: an ontology label, the source's own tag, or nothing.
            caption: Of the clip.
        """
        return self._by_label(label) if label else self._find_in_caption(caption)

    def accepts(self, event: SubEvent, label: str, caption: str = "") -> bool:
        """Tells whether a clip is the sound of a sub-event, and, where a tag says so, by one that the event accepts."""
        if self.label_of(label, caption) != event.label:
            return False
        if not label or not event.tags or self.ontology.canonical(label) == event.label:
            return True
        return any(fold(tag) == fold(label) for tag in event.tags)

    def tags_of(self, label: str, caption: str = "") -> tuple[str, ...]:
        """Returns the AudioSet or FSD50K names of a clip, the best one first; its own tag alone where that is one."""
        known = self.label_of(label, caption)
        if not known:
            return ()
        return self.ontology.by_label(known).tags if self.ontology.canonical(label) or not label else (label,)

    def _find(self, label: str) -> str:
        known = self.ontology.canonical(label) or self._by_tag(label)
        return known if known and self.ontology.by_label(known).kind in HEARD_KINDS else ""

    def _by_tag(self, tag: str) -> str:
        owners = self.ontology.with_tag(tag)
        best = [owner for owner in owners if fold(self.ontology.by_label(owner).tags[0]) == fold(tag)]
        return best[0] if len(best) == 1 else ""

    def _find_in_caption(self, caption: str) -> str:
        named = self.named(caption)
        return self._find(named[0]) if len(named) == 1 else ""


def fold(tag: str) -> str:
    """Returns a tag as it is compared: FSD50K writes `and` and underscores where AudioSet has commas and blanks."""
    plain = "".join(sign if sign.isalnum() else " " for sign in tag.casefold())
    return " ".join(word for word in plain.split() if word != "and")
