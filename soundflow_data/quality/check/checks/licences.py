"""Every event has a licence, and one that the recipe allows."""

from __future__ import annotations

from soundflow_data.quality.check.base import CorpusCheck
from soundflow_data.quality.check.corpus import Gathered
from soundflow_data.quality.check.verdict import MAX_EXAMPLES, Chart, Judgement, Measure, Reason
from soundflow_data.timeline import SAMPLE_RATE

_LICENCES = """
    SELECT licence, corpus = bank AS spoken, count(*), sum(num_samples), list(DISTINCT key ORDER BY key)[:3]
    FROM events GROUP BY ALL ORDER BY ALL"""
_HOUR = 3600 * SAMPLE_RATE


class Licences(CorpusCheck):
    """Holds the licences of all events against those that the recipe allows."""

    summary = "Every event names its licence, and the recipe's allow_license has it."

    def judge(self, corpus: Gathered) -> Judgement:
        """Counts events of other licences, and of none; speech that an engine makes is nobody's recording."""
        limits, allowed = corpus.recipe.checks.licences, corpus.recipe.allow_license
        total = unknown = forbidden = 0
        wrong: dict[str, Reason] = {}
        hours: dict[str, float] = {}
        for licence, spoken, count, samples, keys in corpus.rows(_LICENCES):
            total += count
            hours[licence or "unknown"] = hours.get(licence or "unknown", 0.0) + samples / _HOUR
            if not licence:
                unknown += count
                _count(wrong, "no licence", count, keys)
            if allowed is not None and licence not in allowed and not spoken:
                forbidden += count
                _count(wrong, f"{licence or 'no licence'} is not in allow_license", count, keys)
        largest = sorted(hours.items(), key=lambda one: (-one[1], one[0]))
        return Judgement(
            measures=(
                Measure(name="events of a forbidden licence", value=forbidden, unit="events",
                        high=limits.max_forbidden),
                Measure(name="events without a licence", value=unknown / max(1, total), unit="share",
                        high=limits.max_unknown_share),
                Measure(name="licences", value=len(hours), unit="licences"),
            ),
            reasons=tuple(sorted(wrong.values(), key=lambda one: (-one.count, one.reason))),
            charts=(
                Chart(title="Hours of events by licence", unit="h", labels=tuple(name for name, _ in largest),
                      values=tuple(value for _, value in largest)),
            ),
        )  # fmt: skip


def _count(wrong: dict[str, Reason], reason: str, count: int, keys: list[str]) -> None:
    before = wrong.get(reason, Reason(reason=reason, count=0))
    some = tuple(sorted({*before.keys, *keys})[:MAX_EXAMPLES])
    wrong[reason] = Reason(reason=reason, count=before.count + count, keys=some)
