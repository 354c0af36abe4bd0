"""Every sub-task by itself: how long a minute takes to plan and label, and how the whole path compares to FLAC alone.

compose    plan and label the streams, nothing else
whole      plan, render, targets, FLAC, tar, hash, read back and verify, tables, receipt
libflac    soundfile.write to a BytesIO over the same samples: FLAC as everybody else encodes it

Sounds lie in a bank. What people say is spoken in the first round, which only warms up, and kept in memory after it.
"""

from __future__ import annotations

import io
import shutil
import statistics
from collections.abc import Iterator, Sequence
from functools import partial

import soundfile as sf

from benchmarks.every_subtask import corpus_of, names
from benchmarks.material import MINUTE, Setup, identity, shards
from benchmarks.measure import Case, Timing, interleave, median
from benchmarks.report import Goal, Result, Row
from soundflow_data.audio.mix import PcmAudio
from soundflow_data.corpus import Corpus
from soundflow_data.errors import Drop
from soundflow_data.shards import LocalStorage
from soundflow_data.targets import project
from soundflow_data.timeline import SAMPLE_RATE, Timeline
from soundflow_pipelines.synthesize import make_shard


def run(setup: Setup) -> Result:
    num_streams = setup.pick(8, 1)
    rows: list[Row] = []
    compose, whole, flac = [], [], []
    for name in names(setup):
        timings, minutes = _measure(setup, name, num_streams)
        compose.append(_per(timings["compose"], minutes))
        whole.append(_per(timings["whole"], minutes))
        flac.append(_per(timings["libflac"], minutes))
        short = name.split("/")[1]
        rows.append(Row(what=f"{short}, compose", unit="ms per minute", **_ms(compose[-1])))
        rows.append(Row(what=f"{short}, over libFLAC", unit="", **_ratio(flac[-1], whole[-1])))
    rows.append(Row(what="mean, compose", unit="ms per minute", goal=Goal("<=", 3.0), **_ms(_mean(compose))))
    rows.append(Row(what="mix, over libFLAC", unit="", goal=Goal(">=", 0.7), **_ratio(_mean(flac), _mean(whole))))
    return Result(rows=rows, setting={"rounds": setup.rounds, "streams_per_subtask": num_streams})


def _measure(setup: Setup, name: str, num_streams: int) -> tuple[dict[str, list[Timing]], float]:
    """Returns the timings of the three cases, and how many minutes the streams last."""
    corpus = corpus_of(setup, name, num_streams=num_streams)
    out = setup.work / "subtasks"
    (spec,) = shards(corpus)
    timelines = [timeline for i in range(num_streams) for timeline in _planned(corpus, i)]
    streams = [corpus.render(timeline) for timeline in timelines]

    def rounds() -> Iterator[dict[str, Case]]:
        for _ in range(setup.rounds + 1):
            shutil.rmtree(out, ignore_errors=True)  # writing over a file costs more than writing a new one
            yield {
                "compose": partial(_compose, corpus, num_streams),
                "whole": partial(make_shard, corpus, LocalStorage(out), spec, identity(corpus)),
                "libflac": partial(_encode, streams),
            }

    timings = interleave(rounds()).timings
    shutil.rmtree(out)
    return timings, sum(timeline.num_samples for timeline in timelines) / SAMPLE_RATE / MINUTE


def _planned(corpus: Corpus, index: int) -> list[Timeline]:
    try:
        return [corpus.compose(corpus.spec("train", index))]
    except Drop:
        return []


def _compose(corpus: Corpus, num_streams: int) -> None:
    for index in range(num_streams):
        for timeline in _planned(corpus, index):
            project(timeline)


def _encode(streams: Sequence[PcmAudio]) -> None:
    for pcm in streams:
        sf.write(io.BytesIO(), pcm, SAMPLE_RATE, format="FLAC", subtype="PCM_16")


def _per(timings: Sequence[Timing], minutes: float) -> Timing:
    one = median(timings)
    return Timing(wall_s=one.wall_s / minutes, cpu_s=one.cpu_s / minutes)


def _mean(timings: Sequence[Timing]) -> Timing:
    return Timing(
        wall_s=statistics.fmean(one.wall_s for one in timings), cpu_s=statistics.fmean(one.cpu_s for one in timings)
    )


def _ms(timing: Timing) -> dict[str, float]:
    return {"value": 1e3 * timing.wall_s, "cpu": 1e3 * timing.cpu_s}


def _ratio(above: Timing, below: Timing) -> dict[str, float]:
    return {"value": above.wall_s / below.wall_s, "cpu": above.cpu_s / below.cpu_s}
