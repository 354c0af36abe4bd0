"""Streams that sound the same: by the hash of their samples, and nearly so by their log-mel embeddings."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from soundflow_data.quality.check.base import CorpusCheck
from soundflow_data.quality.check.corpus import Gathered
from soundflow_data.quality.check.sound import NUM_BANDS, NUM_PARTS
from soundflow_data.quality.check.verdict import MAX_EXAMPLES, Judgement, Measure, Reason, histogram

MAX_QUERIES: Final = 20_000  # of a larger corpus so many streams, evenly spread, are compared with all others
_ROWS: Final = 1024
_COLUMNS: Final = 16_384

_SAME = """
    SELECT 'the same samples as another stream', sum(n), flatten(list(keys)) FROM (
        SELECT count(*) AS n, list(key ORDER BY key)[:3] AS keys FROM sound GROUP BY xxh3 HAVING count(*) > 1)"""


class Duplicates(CorpusCheck):
    """Compares every stream with every other one."""

    summary = "No two streams have the same samples, and hardly any sound nearly alike."

    def judge(self, corpus: Gathered) -> Judgement:
        """Counts the streams that have a double, and how near the nearest other stream is to each."""
        limits = corpus.recipe.checks.duplicates
        same = corpus.reasons(_SAME)
        queries = _queries(corpus.num_streams)
        nearest = nearest_similarities(corpus.embeddings, queries)
        similar = queries[nearest >= limits.similarity]
        keys = corpus.keys
        reasons = list(same)
        if len(similar):
            reasons.append(
                Reason(
                    reason=f"log-mel embedding within {limits.similarity:g} of another stream's",
                    count=len(similar),
                    keys=tuple(keys[i] for i in similar[:MAX_EXAMPLES]),
                )
            )
        num_same = sum(reason.count for reason in same)
        return Judgement(
            measures=(
                Measure(
                    name="streams with the samples of another",
                    value=num_same / max(1, corpus.num_streams),
                    unit="share",
                    high=limits.max_same_share,
                ),
                Measure(
                    name="streams nearly like another",
                    value=len(similar) / max(1, len(queries)),
                    unit="share",
                    high=limits.max_similar_share,
                ),
                Measure(name="streams compared with all others", value=len(queries), unit="streams"),
            ),
            reasons=tuple(reasons),
            charts=(
                histogram("Cosine to the most similar other stream", nearest.tolist(), unit="", low=0.0, high=1.0),
            ),
        )


def nearest_similarities(embeddings: NDArray[np.float16], queries: NDArray[np.int64]) -> NDArray[np.float32]:
    """Returns for some streams the cosine of the most similar other one; exact, in blocks that fit into the cache.

    What all streams have in common, the mean spectrum, is taken off first, so that cosines spread.

    Args:
        embeddings: float16 (num_streams, NUM_PARTS * NUM_BANDS).
        queries: Which streams, int64 (num_queries,).
    """
    mean = embeddings.reshape(-1, NUM_PARTS, NUM_BANDS).mean(axis=(0, 1), dtype=np.float64) if len(embeddings) else 0.0
    offset = np.tile(np.asarray(mean, np.float32), NUM_PARTS)
    best = np.full(len(queries), -1.0, np.float32)
    for left in range(0, len(queries), _ROWS):
        rows = queries[left : left + _ROWS]
        wanted = _unit(embeddings[rows], offset)
        for start in range(0, len(embeddings), _COLUMNS):
            cosines = wanted @ _unit(embeddings[start : start + _COLUMNS], offset).T
            own = np.flatnonzero((rows >= start) & (rows < start + _COLUMNS))
            cosines[own, rows[own] - start] = -1.0
            np.maximum(best[left : left + _ROWS], cosines.max(axis=1), out=best[left : left + _ROWS])
    return best


def _unit(embeddings: NDArray[np.float16], offset: NDArray[np.float32]) -> NDArray[np.float32]:
    centred = embeddings.astype(np.float32) - offset
    return centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), np.float32(1e-6))


def _queries(num_streams: int) -> NDArray[np.int64]:
    if num_streams <= MAX_QUERIES:
        return np.arange(num_streams)
    return np.linspace(0, num_streams - 1, MAX_QUERIES).astype(np.int64)
