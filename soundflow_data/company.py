"""Which sounds may still be heard in a stream: the ontology's rules of exclusion and order, kept while it is written.

heard    [ thunder ]                 rain may follow; what excludes thunder may not come any more
chosen   glass_breaking (not yet)    neither its causes nor its consequences may be drawn until it is heard:
                                     nobody knows yet which of them would come first

Sounds without rules keep company with everything.
"""

from __future__ import annotations

from collections import defaultdict

import msgspec

from soundflow_data.ontology import Ontology


class Relations(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules say about one sound: labels that never share a stream with it, come before it, come after it."""

    excluded: frozenset[str] = frozenset()
    causes: frozenset[str] = frozenset()
    consequences: frozenset[str] = frozenset()


_UNRELATED = Relations()


def relations_of(ontology: Ontology) -> dict[str, Relations]:
    """Returns the relations of every label that has any."""
    consequences: dict[str, set[str]] = defaultdict(set)
    for entry in ontology:
        for cause in entry.after:
            consequences[cause].add(entry.label)
    found = {
        entry.label: Relations(
            excluded=frozenset(ontology.excludes(entry.label)),
            causes=frozenset(entry.after),
            consequences=frozenset(consequences[entry.label]),
        )
        for entry in ontology
    }
    return {label: some for label, some in found.items() if some != _UNRELATED}


class Company:
    """The sounds of one stream.

    Args:
        relations: Of the ontology, see `relations_of`.
    """

    __slots__ = ("_chosen", "_heard", "_relations")

    def __init__(self, relations: dict[str, Relations]) -> None:
        self._relations = relations
        self._chosen: frozenset[str] = frozenset()
        self._heard: frozenset[str] = frozenset()

    def choose(self, label: str) -> None:
        """Notes that a sound will be heard."""
        if label in self._relations:
            self._chosen |= {label}

    def hear(self, label: str) -> None:
        """Notes that a sound is heard now."""
        if label in self._relations:
            self._chosen |= {label}
            self._heard |= {label}

    def barred(self) -> set[str]:
        """Returns the labels that may not be heard next."""
        found: set[str] = set()
        for label in self._chosen:
            some = self._relations[label]
            found |= some.excluded
            found |= some.causes - self._heard  # one that was heard in time may be heard again
            if label not in self._heard:
                found |= some.consequences
        return found

    def related(self) -> set[str]:
        """Returns the labels that have any rule with a sound of the stream, for sounds that start at any moment."""
        found: set[str] = set()
        for label in self._chosen:
            some = self._relations[label]
            found |= some.excluded | some.causes | some.consequences
        return found

    def mark(self) -> tuple[frozenset[str], frozenset[str]]:
        """Notes the state, for `rewind`."""
        return self._chosen, self._heard

    def rewind(self, mark: tuple[frozenset[str], frozenset[str]]) -> None:
        """Takes back what came after a mark."""
        self._chosen, self._heard = mark
