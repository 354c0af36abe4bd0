"""Levels of the mixed audio: neither too loud nor too quiet, not clipped, and no holes of digital silence."""

from __future__ import annotations

import math

from soundflow_data.quality.check.base import CorpusCheck
from soundflow_data.quality.check.corpus import Gathered
from soundflow_data.quality.check.verdict import Judgement, Measure, histogram


class Loudness(CorpusCheck):
    """Judges what was measured when the streams were decoded."""

    summary = "Streams are at a usual level, are not clipped and have no holes."

    def judge(self, corpus: Gathered) -> Judgement:
        """Counts streams by what is wrong with their sound."""
        limits, recipe = corpus.recipe.checks.loudness, corpus.recipe
        low, high = limits.rms_dbfs
        wrong = {
            f"quieter than {low:g} dBFS": f"rms_dbfs < {low}",
            f"louder than {high:g} dBFS": f"rms_dbfs > {high}",
            f"more than {limits.max_clipped} samples at full scale": f"clipped > {limits.max_clipped}",
        }
        if recipe.beds.count:
            wrong[f"more than {limits.max_silence_s:g} s of zeros"] = f"longest_silence_s > {limits.max_silence_s}"
        faulty = " OR ".join(f"({condition})" for condition in wrong.values())
        levels, peaks, holes = zip(
            *corpus.rows("SELECT rms_dbfs, greatest(peak, 1), longest_silence_s FROM sound"), strict=True
        )
        peaks_dbfs = [20 * math.log10(peak / 32768) for peak in peaks]
        return Judgement(
            measures=(
                Measure(
                    name="streams with a fault",
                    value=corpus.value(f"SELECT avg(({faulty})::INT) FROM sound"),  # noqa: S608 - numbers only
                    unit="share",
                    high=limits.max_share,
                ),
                Measure(name="mean RMS level", value=math.fsum(levels) / len(levels), unit="dBFS"),
                Measure(name="highest peak", value=max(peaks_dbfs), unit="dBFS"),
                Measure(name="longest digital silence", value=max(holes), unit="s"),
            ),
            reasons=corpus.reasons(
                " UNION ALL ".join(
                    f"SELECT '{reason}', count(*), list(key) FROM sound WHERE {condition}"  # noqa: S608 - numbers only
                    for reason, condition in wrong.items()
                )
            ),
            charts=(
                histogram("RMS level", levels, unit="dBFS"),
                histogram("Peak level", peaks_dbfs, unit="dBFS"),
            ),
        )
