"""What a split has to offer to scenes: its clips of sounds and music, by the sound that each is accepted as."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from soundflow_data.bank import Bank, Clip
from soundflow_data.library import Library, Shelf
from soundflow_data.ontology import Ontology
from soundflow_data.scenario.identity import Identity
from soundflow_data.scenario.plan import HEARD_KINDS, Annotation, ScenePlan

Rows = NDArray[np.int32]


class Supply:
    """The clips of one split that sub-events may be made of.

    Args:
        library: Material of the split; nothing else is ever used.
        generation: Whether the procedural synthesiser may make what no clip is.
    """

    def __init__(self, library: Library, *, generation: bool = True) -> None:
        self.library = library
        self.generation = generation
        self.ontology: Ontology = library.ontology
        self.identity = Identity(library.ontology)

    def rows(self, name: str) -> Rows:
        """Returns the rows of a bank that are sounds or music of the split, ascending."""
        bank = self.library.banks[name]
        mask = np.zeros(len(bank), np.bool_)
        mask[self.library.rows(name)] = True
        heard = bank.rows(kind=HEARD_KINDS)
        return heard[mask[heard]]

    @functools.cached_property
    def shelves(self) -> dict[str, Shelf]:
        """The clips of each ontology label that has any, by label."""
        parts: dict[str, list[tuple[Bank, Rows]]] = defaultdict(list)
        for name in sorted(self.library.banks):
            for label, rows in self._of_bank(name):
                parts[label].append((self.library.banks[name], rows))
        return {label: Shelf(parts[label]) for label in sorted(parts)}

    @property
    def found(self) -> frozenset[str]:
        """The labels of which the split has clips: what scenes are best completed with, because making takes time."""
        return frozenset(self.shelves)

    @functools.cached_property
    def labels(self) -> frozenset[str]:
        """The labels of which a clip can be found or made."""
        made = self.ontology.procedural_kinds().values() if self.generation else ()
        heard = (label for label in made if self.ontology.by_label(label).kind in HEARD_KINDS)
        return self.found | frozenset(heard)

    def annotate(self, bank: str, clip: Clip) -> Annotation:
        """Returns the annotation of a clip; its label is the ontology's where it is known."""
        return Annotation(
            bank=bank,
            clip=clip.id,
            label=self.identity.label_of(clip.label, clip.caption) or clip.label,
            caption=clip.caption,
            tags=self.identity.tags_of(clip.label, clip.caption),
            kind=clip.kind,
            num_samples=clip.num_samples,
        )

    def _of_bank(self, name: str) -> Iterator[tuple[str, Rows]]:
        bank, rows = self.library.banks[name], self.rows(name)
        groups = bank.groups("label")
        names = [self.identity.label_of(label) if label else "" for label in groups.values.to_pylist()]
        codes = groups.codes[rows]
        for code in np.unique(codes).tolist():
            if names[code]:
                yield names[code], rows[codes == code]
        unlabelled = groups.values.index("").as_py()
        yield from self._captioned(bank, rows[codes == unlabelled])

    def _captioned(self, bank: Bank, rows: Rows) -> Iterator[tuple[str, Rows]]:
        if not len(rows):
            return
        captions = bank.columns("caption")["caption"].take(rows).to_pylist()
        named = np.array([self.identity.label_of("", caption) for caption in captions])
        for label in np.unique(named).tolist():
            if label:
                yield label, rows[named == label]


def missing_sounds(asked: Iterable[str | ScenePlan], library: Library, *, generation: bool) -> list[str]:
    """Returns the labels that can neither be found in a split nor be made, sorted.

    Args:
        asked: Labels, or plans that speak of them.
        library: Material of the split.
        generation: Whether the procedural synthesiser may make what no clip is.
    """
    labels = {label for one in asked for label in ((one,) if isinstance(one, str) else one.labels)}
    return sorted(labels - Supply(library, generation=generation).labels)
