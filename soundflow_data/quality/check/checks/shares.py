"""The composition is that of the recipe, as closely as the low-discrepancy sequences that assign streams allow.

Of any N consecutive points of the multiples of the golden ratio, the share that falls into an interval differs from its
length by at most c (1 + ln N) / N streams (Kuipers and Niederreiter, "Uniform Distribution of Sequences", 1974, theorem
3.4 of chapter 2, has c = 3.5; what is found in practice stays below 1).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import PurePath

from soundflow_data.quality.check.base import CorpusCheck
from soundflow_data.quality.check.corpus import Gathered
from soundflow_data.quality.check.verdict import Chart, Judgement, Measure, Reason

# A composite counts for the sub-task that leads it, which the recipe's shares have assigned to the stream.
_STREAMS = "SELECT split, split_part(subtask, '+', 1), count(*) FROM streams GROUP BY 1, 2 ORDER BY 1, 2"
_DROPS = "SELECT split, count(*) FROM drops GROUP BY 1"
_ABILITIES = "SELECT ability, sum(num_samples) FROM streams GROUP BY 1 ORDER BY 1"


class Shares(CorpusCheck):
    """Holds counts of streams against the shares of the recipe."""

    summary = "Sub-tasks and splits have the shares that the recipe gives them."

    def judge(self, corpus: Gathered) -> Judgement:
        """Compares the streams of each sub-task, in each split, with what the recipe asks for."""
        recipe = corpus.recipe
        wanted = _shares(recipe.subtasks)
        counts: dict[str, dict[str, int]] = {split: {} for split in recipe.splits}
        for split, subtask, n in corpus.rows(_STREAMS):
            counts.setdefault(split, {})[subtask] = int(n)
        drops = {split: int(n) for split, n in corpus.rows(_DROPS)}
        measures, reasons = [], []
        for split, found in counts.items():
            dropped = drops.get(split, 0)
            total = sum(found.values()) + dropped
            allowed = recipe.checks.shares.tolerance * (1 + math.log(max(1, total))) + dropped
            off = {name: found.get(name, 0) - share * total for name, share in wanted.items()}
            off |= {name: float(n) for name, n in found.items() if name not in wanted}
            worst = max((abs(value) for value in off.values()), default=0.0)
            measures.append(
                Measure(
                    name="furthest from its share", value=worst, unit="streams", high=round(allowed, 2), group=split
                )
            )
            for name, value in sorted(off.items(), key=lambda one: -abs(one[1])):
                if abs(value) > allowed:
                    word = "too many" if value > 0 else "too few"
                    reasons.append(Reason(reason=f"{split}: {word} streams of {name}", count=math.ceil(abs(value))))
        measures += _splits(corpus, counts, drops)
        return Judgement(
            measures=tuple(measures),
            reasons=tuple(reasons),
            charts=(_subtask_chart(wanted, counts), _abilities(corpus)),
        )


def _shares(subtasks: Mapping[str, float]) -> dict[str, float]:
    """Returns the share of each sub-task by the name that streams carry: the last part, without `.py`."""
    shares: dict[str, float] = {}
    for name, share in subtasks.items():
        shares[PurePath(name).stem] = shares.get(PurePath(name).stem, 0.0) + share
    return shares


def _splits(corpus: Gathered, counts: Mapping[str, Mapping[str, int]], drops: Mapping[str, int]) -> list[Measure]:
    """Measures the splits; they are judged when all streams of the recipe are there."""
    made = {split: sum(found.values()) + drops.get(split, 0) for split, found in counts.items()}
    whole = sum(made.values()) == corpus.recipe.num_streams
    measures = []
    for split, planned in corpus.recipe.streams_of_splits().items():
        bound = planned if whole else None
        measures.append(Measure(name="streams", value=made[split], unit="streams", low=bound, high=bound, group=split))
    return measures


def _subtask_chart(wanted: Mapping[str, float], counts: Mapping[str, Mapping[str, int]]) -> Chart:
    total = max(1, sum(sum(found.values()) for found in counts.values()))
    names = list(wanted) + sorted({name for found in counts.values() for name in found if name not in wanted})
    return Chart(
        title="Share of streams by sub-task, and the recipe's",
        unit="share",
        labels=tuple(names),
        values=tuple(sum(found.get(name, 0) for found in counts.values()) / total for name in names),
        wanted=tuple(wanted.get(name, 0.0) for name in names),
    )


def _abilities(corpus: Gathered) -> Chart:
    rows = corpus.rows(_ABILITIES)
    total = max(1, sum(int(samples) for _, samples in rows))
    return Chart(
        title="Share of the audio by ability",
        unit="share",
        labels=tuple(ability for ability, _ in rows),
        values=tuple(int(samples) / total for _, samples in rows),
    )
