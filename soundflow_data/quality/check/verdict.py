"""What checks say: numbers with their bounds, a count by reason, and what can be drawn of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

MAX_EXAMPLES = 3  # keys that are named for a reason


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """One number, and the bounds that it has to keep.

    Attributes:
        name: What was measured.
        value: The number; a share is between 0 and 1.
        unit: `share`, `streams`, `dBFS` and so on.
        low: Smallest value that passes; None where any is good.
        high: Largest value that passes.
        group: The ability, split or other part of the corpus that it is about; empty for all of it.
    """

    name: str
    value: float
    unit: str
    low: float | None = None
    high: float | None = None
    group: str = ""

    @property
    def judged(self) -> bool:
        """Whether it has a bound."""
        return self.low is not None or self.high is not None

    @property
    def ok(self) -> bool:
        """Whether it keeps its bounds."""
        return not (self.low is not None and self.value < self.low) and not (
            self.high is not None and self.value > self.high
        )


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why something is wrong, how often, and a few keys of streams that show it."""

    reason: str
    count: int
    keys: tuple[str, ...] = ()


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers that are better seen than read.

    Attributes:
        title: What is drawn.
        unit: Unit of the values; `share` is drawn in percent.
        values: One bar each.
        labels: Names of the bars; empty for a histogram.
        edges: Edges of the bins of a histogram, one more than there are values.
        edge_unit: Unit of the edges.
        wanted: What each value should be, where that is known.
    """

    title: str
    unit: str
    values: tuple[float, ...]
    labels: tuple[str, ...] = ()
    edges: tuple[float, ...] = ()
    edge_unit: str = ""
    wanted: tuple[float, ...] = ()


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What one check found."""

    measures: tuple[Measure, ...]
    reasons: tuple[Reason, ...] = ()
    charts: tuple[Chart, ...] = ()


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """A judgement with the name of its check and what it is about."""

    check: str
    summary: str
    measures: tuple[Measure, ...]
    reasons: tuple[Reason, ...]
    charts: tuple[Chart, ...]

    @property
    def ok(self) -> bool:
        """Whether every number keeps its bounds."""
        return all(measure.ok for measure in self.measures)

    @property
    def failures(self) -> tuple[Measure, ...]:
        """The numbers that do not."""
        return tuple(measure for measure in self.measures if not measure.ok)


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What all checks found in a corpus.

    Attributes:
        name: Name of the recipe.
        fingerprint: Of the recipe and banks.
        shards: Finished shards.
        streams: Streams in them.
        seconds: Their length together.
        notes: What could not be looked at, and why.
        results: One for each check, by name.
    """

    name: str
    fingerprint: str
    shards: int
    streams: int
    seconds: float
    notes: tuple[str, ...]
    results: tuple[Result, ...]

    @property
    def ok(self) -> bool:
        """Whether every check passes."""
        return all(result.ok for result in self.results)

    def as_json(self) -> dict[str, Any]:
        """Returns the verdict with what follows from it, as it stands in JSON."""
        data: dict[str, Any] = msgspec.to_builtins(self)
        for listed, result in zip(data["results"], self.results, strict=True):
            listed["ok"] = result.ok
            for one, measure in zip(listed["measures"], result.measures, strict=True):
                one["ok"] = measure.ok
        return {"ok": self.ok, **data}


def count_reasons(found: Iterable[tuple[str, str]]) -> tuple[Reason, ...]:
    """Counts pairs of reason and key, the most frequent reason first; a key counts as often as it comes."""
    counts: dict[str, int] = {}
    keys: dict[str, list[str]] = {}
    for reason, key in found:
        counts[reason] = counts.get(reason, 0) + 1
        some = keys.setdefault(reason, [])
        if len(some) < MAX_EXAMPLES and key not in some:
            some.append(key)
    order = sorted(counts, key=lambda reason: (-counts[reason], reason))
    return tuple(Reason(reason=one, count=counts[one], keys=tuple(keys[one])) for one in order)


def histogram(
    title: str, values: Sequence[float], *, unit: str, low: float | None = None, high: float | None = None
) -> Chart:
    """Counts numbers in bins of equal width.

    Args:
        title: What is drawn.
        values: The numbers.
        unit: Their unit.
        low: Lower end of the first bin; by default the smallest number.
        high: Upper end of the last bin; by default the largest.
    """
    import numpy as np  # noqa: PLC0415 - verdicts are also read where nothing is computed

    data = np.asarray(values, np.float64)
    first = float(data.min()) if low is None and len(data) else low or 0.0
    last = float(data.max()) if high is None and len(data) else high or 1.0
    last = last if last > first else first + 1.0
    counts, edges = np.histogram(np.clip(data, first, last), bins=24, range=(first, last))
    return Chart(
        title=title,
        unit="streams",
        values=tuple(map(float, counts)),
        edges=tuple(round(float(edge), 4) for edge in edges),
        edge_unit=unit,
    )
