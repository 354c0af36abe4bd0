"""Proportions of hearing, speaking and keeping silent: silence share, rounds, tokens per response, durations."""

from __future__ import annotations

from soundflow_data.quality.check.base import CorpusCheck
from soundflow_data.quality.check.corpus import Gathered
from soundflow_data.quality.check.verdict import Chart, Judgement, Measure, histogram
from soundflow_data.timeline import SAMPLE_RATE

# Averages are of whole numbers, whose sums do not depend on the order in which threads add them.
# Tokens of a response are words, and characters in Mandarin; a running answer (a transcript) is one response.
_ANSWERS = r"""
    SELECT r.key, s.ability, r.run, sum(CASE WHEN r.language = 'zh'
        THEN length(regexp_replace(r.text, '[\s\p{P}]', '', 'g'))
        ELSE len(regexp_extract_all(r.text, '\S+')) END) AS tokens
    FROM responses r JOIN streams s USING (key) WHERE r.text <> ''
    GROUP BY r.key, s.ability, r.run, CASE WHEN r.run < 0 THEN r.response END"""
_GROUPS = f"""
    WITH answers AS ({_ANSWERS}),
    spoken AS (SELECT ability, avg(tokens) AS tokens FROM answers GROUP BY 1)
    SELECT ability, sum(num_silent_chunks) / sum(num_chunks), avg(num_turns), avg(num_samples) / {SAMPLE_RATE},
        coalesce(min(tokens), 0)
    FROM streams LEFT JOIN spoken USING (ability) GROUP BY 1 ORDER BY 1"""  # noqa: S608 - no value is put in
_TOTAL = (
    f"SELECT sum(num_silent_chunks) / sum(num_chunks), avg(num_turns), avg(num_samples) / {SAMPLE_RATE} FROM streams"  # noqa: S608
)


class Dialogue(CorpusCheck):
    """Measures how long streams are, and how much is said in them."""

    summary = "The assistant mostly keeps silent and answers briefly; streams have rounds, and the length asked for."

    def judge(self, corpus: Gathered) -> Judgement:
        """Measures the whole corpus against the bounds, and each ability for comparison."""
        limits = corpus.recipe.checks.dialogue
        silent, rounds, seconds = (float(value or 0) for value in corpus.rows(_TOTAL)[0])
        low, high = (round(edge * SAMPLE_RATE) for edge in corpus.recipe.duration_s)
        chunk = corpus.recipe.chunk  # lengths are whole chunks
        off = f"num_samples < {low - chunk} OR num_samples > {high + chunk}"
        too_long = f"run < 0 AND tokens > {limits.max_tokens}"
        measures = [
            Measure(name="decisions to keep silent", value=silent, unit="share", low=limits.silent_share[0],
                    high=limits.silent_share[1]),
            Measure(name="rounds per stream", value=rounds, unit="rounds", low=limits.mean_rounds[0],
                    high=limits.mean_rounds[1]),
            Measure(name="responses that are too long", value=corpus.value(
                f"SELECT avg(({too_long})::INT) FROM ({_ANSWERS})"), unit="share", high=limits.max_share_too_long),  # noqa: S608
            Measure(name="streams outside duration_s", value=corpus.value(
                f"SELECT avg(({off})::INT) FROM streams"), unit="share", high=limits.max_share_off_duration),  # noqa: S608
            Measure(name="length of a stream", value=seconds, unit="s"),
        ]  # fmt: skip
        groups = corpus.rows(_GROUPS)
        for ability, *values in groups:
            for (name, unit), value in zip(_PER_ABILITY, values, strict=True):
                measures.append(Measure(name=name, value=float(value), unit=unit, group=ability))
        reasons = corpus.reasons(
            f"SELECT 'a response of more than {limits.max_tokens} words or characters', count(*), list(DISTINCT key) "  # noqa: S608
            f"FROM ({_ANSWERS}) WHERE {too_long} UNION ALL "
            f"SELECT 'shorter or longer than duration_s', count(*), list(key) FROM streams WHERE {off} UNION ALL "
            "SELECT 'no round at all', count(*), list(key) FROM streams WHERE num_turns = 0"
        )
        return Judgement(measures=tuple(measures), reasons=reasons, charts=_charts(corpus, groups))


_PER_ABILITY = (
    ("decisions to keep silent", "share"),
    ("rounds per stream", "rounds"),
    ("length of a stream", "s"),
    ("tokens per response", "tokens"),
)


def _charts(corpus: Gathered, groups: list[tuple[object, ...]]) -> tuple[Chart, ...]:
    labels = tuple(str(group[0]) for group in groups)
    bars = tuple(
        Chart(title=f"{name[0].upper()}{name[1:]}, by ability", unit=unit, labels=labels,
              values=tuple(float(str(group[1 + i])) for group in groups))
        for i, (name, unit) in enumerate(_PER_ABILITY)
    )  # fmt: skip
    seconds = [float(row[0]) for row in corpus.rows("SELECT seconds FROM streams")]
    tokens = [float(row[0]) for row in corpus.rows(_ANSWERS.replace("SELECT r.key, s.ability, r.run,", "SELECT"))]
    return (
        *bars,
        histogram("Length of a stream", seconds, unit="s"),
        histogram("Tokens of a response", tokens, unit="tokens", low=0.0),
    )
