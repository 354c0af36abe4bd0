"""Many texts, sounds, speakers and sub-tasks, evenly used."""

from __future__ import annotations

import math
from collections.abc import Mapping

from soundflow_data.quality.check.base import CorpusCheck
from soundflow_data.quality.check.corpus import Gathered
from soundflow_data.quality.check.verdict import Chart, Judgement, Measure, Reason

NUM_BARS = 24

_TEXTS = """
    WITH said AS (
        SELECT key, text FROM speech
        UNION ALL SELECT key, text FROM responses WHERE text <> '' AND run < 0)
    SELECT split_part(subtask, '+', 1), count(*), count(DISTINCT text)
    FROM said JOIN streams USING (key) GROUP BY 1 ORDER BY 1"""
_MOST_USED = """
    SELECT text, count(*) AS n, list(DISTINCT key ORDER BY key)[:3] FROM speech
    GROUP BY text HAVING count(*) > 1 ORDER BY n DESC, text LIMIT 3"""
_COUNTS = {
    "sounds": """
        SELECT label, count(DISTINCT key) FROM events WHERE kind <> 'speech' AND label <> '' GROUP BY 1 ORDER BY 1""",
    "speakers": "SELECT speaker, count(DISTINCT key) FROM speech WHERE speaker <> '' GROUP BY 1 ORDER BY 1",
    "sub-tasks": "SELECT split_part(subtask, '+', 1), count(*) FROM streams GROUP BY 1 ORDER BY 1",
}


class Diverse(CorpusCheck):
    """Counts distinct texts, and how evenly things are used."""

    summary = "Texts seldom repeat, and sounds, speakers and sub-tasks are used evenly."

    def judge(self, corpus: Gathered) -> Judgement:
        """Measures distinct texts per sub-task and evenness, entropy over the entropy of the most even use."""
        limits = corpus.recipe.checks.diverse
        counts = {name: {one: int(n) for one, n in corpus.rows(sql)} for name, sql in _COUNTS.items()}
        measures = []
        for name, used in counts.items():
            if len(used) > 1:
                wanted = _asked_for(corpus, used) if name == "sub-tasks" else math.log(len(used))
                value = entropy(used) / wanted if wanted else 1.0
                measures.append(Measure(name=f"evenness of {name}", value=value, unit="", low=limits.min_evenness))
            measures.append(Measure(name=f"distinct {name}", value=len(used), unit=name))
            measures.append(Measure(name=f"entropy over {name}", value=entropy(used) / math.log(2), unit="bits"))
        poor = []
        for subtask, total, distinct in corpus.rows(_TEXTS):
            low = min(limits.min_texts, math.ceil(limits.min_text_share * total))
            measures.append(Measure(name="distinct texts", value=distinct, unit="texts", low=low, group=subtask))
            if distinct < low:
                poor.append(Reason(reason=f"texts of {subtask} that repeat others", count=total - distinct))
        if poor:
            poor += [
                Reason(reason=f"said again and again: {text}", count=n, keys=tuple(keys))
                for text, n, keys in corpus.rows(_MOST_USED)
            ]
        return Judgement(
            measures=tuple(measures),
            reasons=tuple(poor),
            charts=tuple(_chart(name, used) for name, used in counts.items() if name != "sub-tasks" and used),
        )


def entropy(counts: Mapping[str, int]) -> float:
    """Returns the entropy of a distribution in nats."""
    total = sum(counts.values())
    return -sum(n / total * math.log(n / total) for n in counts.values() if n)


def _asked_for(corpus: Gathered, used: Mapping[str, int]) -> float:
    """Returns the entropy that the recipe's own shares have, at most that of even use."""
    return min(-sum(share * math.log(share) for share in corpus.recipe.subtasks.values()), math.log(len(used)))


def _chart(name: str, used: Mapping[str, int]) -> Chart:
    largest = sorted(used.items(), key=lambda one: (-one[1], one[0]))[:NUM_BARS]
    title = f"Streams by {name.removesuffix('s')}" + (f", the {NUM_BARS} most frequent" if len(used) > NUM_BARS else "")
    return Chart(
        title=title,
        unit="streams",
        labels=tuple(label for label, _ in largest),
        values=tuple(float(n) for _, n in largest),
    )
