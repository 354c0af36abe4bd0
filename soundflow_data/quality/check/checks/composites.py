"""Kinds of streams, rounds and mix-ins are those of the recipe.

The kind of a stream is read off a low-discrepancy sequence, as its sub-task is, so its share is held to the same bound;
mix-ins are drawn for each composite by itself, so their shares are held to what chance allows.
"""

from __future__ import annotations

import math

from soundflow_data.quality.check.base import CorpusCheck
from soundflow_data.quality.check.corpus import Gathered
from soundflow_data.quality.check.verdict import Chart, Judgement, Measure, Reason

_KINDS = "SELECT split, scene_type, count(*) FROM streams GROUP BY 1, 2 ORDER BY 1, 2"
_DROPS = "SELECT split, count(*) FROM drops GROUP BY 1"
# Streams that could have the mix-in: a look back is not mixed into one, a danger not where dangers are the matter.
_COULD = {
    "history_review": "split_part(subtask, '+', 1) <> 'history_review'",
    "verified_silence": "true",
    "proactive": "scene_type <> 'proactive' AND ability <> 'proactive_response'",
}
_MIXED = "scene_type <> 'single'"


class Composites(CorpusCheck):
    """Holds composite streams against the recipe's section `composites`."""

    summary = "Kinds of streams and mix-ins have the shares that the recipe gives them, and composites their rounds."

    def judge(self, corpus: Gathered) -> Judgement:
        """Compares kinds in each split, rounds of all composites, and mix-ins where they are possible."""
        wanted = {"single": 1.0}
        if corpus.recipe.composites is not None:
            wanted = {str(kind): share for kind, share in corpus.recipe.composites.kinds.items()}
        kinds, reasons = _kinds(corpus, wanted)
        measures = [*kinds, *_rounds(corpus), *_mixins(corpus)]
        total = max(1.0, corpus.value("SELECT count(*) FROM streams"))
        names = list(wanted)
        found = {str(kind): int(n) for _, kind, n in corpus.rows(_KINDS.replace("split,", "'',"))}
        chart = Chart(
            title="Share of streams by kind, and the recipe's",
            unit="share",
            labels=tuple(names),
            values=tuple(found.get(name, 0) / total for name in names),
            wanted=tuple(wanted.values()),
        )
        return Judgement(measures=tuple(measures), reasons=tuple(reasons), charts=(chart,))


def _kinds(corpus: Gathered, wanted: dict[str, float]) -> tuple[list[Measure], list[Reason]]:
    counts: dict[str, dict[str, int]] = {split: {} for split in corpus.recipe.splits}
    for split, kind, n in corpus.rows(_KINDS):
        counts.setdefault(split, {})[kind] = int(n)
    drops = {split: int(n) for split, n in corpus.rows(_DROPS)}
    measures, reasons = [], []
    for split, found in counts.items():
        dropped = drops.get(split, 0)
        total = sum(found.values()) + dropped
        allowed = corpus.recipe.checks.composites.tolerance * (1 + math.log(max(1, total))) + dropped
        off = {kind: found.get(kind, 0) - wanted.get(kind, 0.0) * total for kind in {**wanted, **found}}
        worst = max((abs(value) for value in off.values()), default=0.0)
        measures.append(
            Measure(
                name="kind furthest from its share", value=worst, unit="streams", high=round(allowed, 2), group=split
            )
        )
        for kind, value in off.items():
            if abs(value) > allowed:
                word = "too many" if value > 0 else "too few"
                reasons.append(Reason(reason=f"{split}: {word} {kind} streams", count=math.ceil(abs(value))))
    return measures, reasons


def _rounds(corpus: Gathered) -> list[Measure]:
    composites = corpus.recipe.composites
    if composites is None or not corpus.value(f"SELECT count(*) FROM streams WHERE {_MIXED}"):  # noqa: S608
        return []
    fewest, most = (corpus.value(f"SELECT {edge}(num_turns) FROM streams WHERE {_MIXED}") for edge in ("min", "max"))  # noqa: S608
    return [
        Measure(name="fewest rounds of a composite", value=fewest, unit="rounds", low=composites.turns[0]),
        Measure(name="most rounds of a composite", value=most, unit="rounds", high=composites.turns[1]),
    ]


def _mixins(corpus: Gathered) -> list[Measure]:
    """Measures the share of each mix-in among the streams that could have it, within what chance allows."""
    composites = corpus.recipe.composites
    if composites is None:
        return []
    measures = []
    for name, could in _COULD.items():
        where = f"FROM streams WHERE {_MIXED} AND {could}"
        total = corpus.value(f"SELECT count(*) {where}")
        if total:
            share = corpus.value(f"SELECT avg(list_contains(mixins, '{name}')::INT) {where}")
            wanted: float = getattr(composites, name)
            slack = corpus.recipe.checks.composites.sigmas * math.sqrt(wanted * (1 - wanted) / total)
            low, high = round(max(0.0, wanted - slack), 4), round(min(1.0, wanted + slack), 4)
            measures.append(
                Measure(name="composites with " + name.replace("_", " "), value=share, unit="share", low=low, high=high)
            )
    return measures
