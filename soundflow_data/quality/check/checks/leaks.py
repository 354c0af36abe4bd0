"""What two splits have in common: speakers, source recordings, whole streams, and scripts word for word."""

from __future__ import annotations

from soundflow_data.quality.check.base import CorpusCheck
from soundflow_data.quality.check.corpus import Gathered
from soundflow_data.quality.check.verdict import Chart, Judgement, Measure, Reason

_SPEAKERS = """
    SELECT 'speaker ' || speaker || ' in ' || array_to_string(list(DISTINCT split ORDER BY split), ' and '),
        count(DISTINCT key), [min(key), max(key)]
    FROM speech WHERE speaker <> '' GROUP BY corpus, speaker HAVING count(DISTINCT split) > 1"""
_RECORDINGS = """
    SELECT 'recording ' || origin || ' in ' || array_to_string(list(DISTINCT split ORDER BY split), ' and '),
        count(DISTINCT key), [min(key), max(key)]
    FROM events WHERE origin <> '' AND NOT (kind = 'speech' AND corpus = bank)
    GROUP BY corpus, origin HAVING count(DISTINCT split) > 1"""
_STREAMS = """
    SELECT 'the same samples in ' || array_to_string(list(DISTINCT split ORDER BY split), ' and '), count(*),
        [min(key), max(key)]
    FROM sound JOIN streams USING (key) GROUP BY sound.xxh3 HAVING count(DISTINCT split) > 1"""
_SCRIPTS = """
    WITH said AS (
        SELECT key, split, onset AS moment, text FROM speech
        UNION ALL SELECT key, split, due, text FROM responses WHERE text <> ''),
    scripts AS (SELECT key, split, list(text ORDER BY moment, text) AS script FROM said GROUP BY 1, 2),
    shared AS (SELECT script FROM scripts WHERE len(script) > 1 GROUP BY 1 HAVING count(DISTINCT split) > 1)"""
_SHARED = "SELECT split, avg((script IN (FROM shared))::INT) FROM scripts GROUP BY 1 ORDER BY 1"
_SHARED_KEYS = """
    SELECT 'a script that another split has too', count(*), list(key) FROM scripts SEMI JOIN shared USING (script)"""
_TEXTS = """
    WITH texts AS (SELECT split, text FROM speech GROUP BY 1, 2),
    shared AS (SELECT text FROM texts GROUP BY 1 HAVING count(*) > 1)
    SELECT split, avg((text IN (FROM shared))::INT) FROM texts GROUP BY 1 ORDER BY 1"""


class Leaks(CorpusCheck):
    """Looks for anything that is in two splits."""

    summary = "Nobody is heard in two splits, and no recording or stream is in two; few scripts are."

    def judge(self, corpus: Gathered) -> Judgement:
        """Counts what is in two splits; single texts, such as short answers, are measured but not judged."""
        limits = corpus.recipe.checks.leaks
        found = {"speakers": _SPEAKERS, "recordings": _RECORDINGS, "streams": _STREAMS}
        reasons = {name: corpus.reasons(sql) for name, sql in found.items()}
        bounds = {"speakers": limits.max_speakers, "recordings": limits.max_recordings, "streams": limits.max_streams}
        measures = [
            Measure(name=f"{name} in two splits", value=len(reasons[name]), unit=name, high=bounds[name])
            for name in found
        ]
        scripts = corpus.rows(_SCRIPTS + _SHARED)
        texts = corpus.rows(_TEXTS)
        for split, share in scripts:
            high = limits.max_script_share
            measures.append(Measure(name="scripts of another split", value=share, unit="share", high=high, group=split))
        for split, share in texts:
            measures.append(Measure(name="spoken texts of another split", value=share, unit="share", group=split))
        everything: list[Reason] = [reason for some in reasons.values() for reason in some]
        everything += corpus.reasons(_SCRIPTS + _SHARED_KEYS)
        chart = Chart(
            title="Spoken texts that another split has too, by split",
            unit="share",
            labels=tuple(split for split, _ in texts),
            values=tuple(float(share) for _, share in texts),
        )
        return Judgement(measures=tuple(measures), reasons=tuple(everything), charts=(chart,))
