"""What a check is: a class with one method, in a file of its own in `checks/`, named as its section of the recipe.

    class Short(StreamCheck):
        summary = "No stream is shorter than a second."

        def faults(self, subject: Subject) -> Iterator[str]:
            if subject.timeline.seconds < 1:
                yield "shorter than a second"

A `StreamCheck` looks at one stream at a time, in the workers; the share of streams with a fault is held against
`max_share`. A `CorpusCheck` looks at all streams together, and brings its own bounds.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import msgspec

from soundflow_data.bank import Bank
from soundflow_data.ontology import Ontology, load_ontology
from soundflow_data.quality.check.corpus import Gathered
from soundflow_data.quality.check.verdict import Judgement
from soundflow_data.recipe import Recipe
from soundflow_data.targets import Targets
from soundflow_data.timeline import Timeline


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What the streams of a run are held against; small enough to be sent with every task.

    Attributes:
        recipe: The recipe, with its thresholds.
        banks: Folder of each bank that is still as it was; those that are gone are left out.
    """

    recipe: Recipe
    banks: dict[str, Path]

    @property
    def ontology(self) -> Ontology:
        """What is known about sounds."""
        return load_ontology()

    def bank(self, name: str) -> Bank | None:
        """Returns an open bank, or None when it is a speech engine or not at hand."""
        path = self.banks.get(name)
        return None if path is None else _open(path, name)


@functools.cache
def _open(path: Path, name: str) -> Bank:
    return Bank.open(path, name=name)


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """One stream under a check."""

    timeline: Timeline
    targets: Targets
    known: Known


class StreamCheck(ABC):
    """A check that needs to see only one stream at a time."""

    summary: ClassVar[str]

    @abstractmethod
    def faults(self, subject: Subject) -> Iterator[str]:
        """Yields the reason of each fault of a stream, in words that can be counted."""


class CorpusCheck(ABC):
    """A check that needs to see all streams together."""

    summary: ClassVar[str]

    @abstractmethod
    def judge(self, corpus: Gathered) -> Judgement:
        """Measures the corpus and holds the numbers against the recipe."""
