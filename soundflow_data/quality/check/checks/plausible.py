"""The ordering and exclusion rules of the ontology hold among the sounds of a stream."""

from __future__ import annotations

from collections.abc import Iterator

from soundflow_data.quality.check.base import StreamCheck, Subject


class Plausible(StreamCheck):
    """Looks for sounds that do not go together, or come in the wrong order."""

    summary = "Sounds that exclude each other are never in one stream, and causes come before what follows from them."

    def faults(self, subject: Subject) -> Iterator[str]:
        """Yields one fault for each pair of kinds that breaks a rule."""
        ontology = subject.known.ontology
        first: dict[str, int] = {}
        for event in subject.timeline.events:
            if event.label in ontology:
                first[event.label] = min(event.onset, first.get(event.label, event.onset))
        for label, onset in sorted(first.items()):
            for other in ontology.excludes(label):
                if other in first and label < other:
                    yield f"{label} and {other} exclude each other"
            for cause in ontology.by_label(label).after:
                if cause in first and onset <= first[cause]:
                    yield f"{label} comes before {cause}"
