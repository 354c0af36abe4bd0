"""Cold: espeak speaks every utterance of every stream, on one core.

Each round opens the corpus anew, so that no utterance is remembered; the streams hold eight sentences a minute.
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator
from functools import partial

import msgspec

from benchmarks.material import MINUTE, Setup, cold_corpus, identity, shards
from benchmarks.measure import Case, Timing, interleave
from benchmarks.report import Goal, Result, Row
from soundflow_data.corpus import Corpus
from soundflow_data.shards import LocalStorage
from soundflow_data.timeline import SAMPLE_RATE
from soundflow_pipelines.synthesize import make_shard


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """One shard: seconds of audio, seconds that espeak spoke for it, and in how many utterances."""

    seconds: float
    spoken_s: float
    utterances: int


def run(setup: Setup) -> Result:
    num_streams = setup.pick(24, 1)
    out = LocalStorage(setup.work / "cold")

    def rounds() -> Iterator[dict[str, Case]]:
        for number in range(setup.rounds + 1):
            corpus = cold_corpus(setup, num_streams=num_streams * (setup.rounds + 1), streams_per_shard=num_streams)
            yield {"cold": partial(_make, corpus, out, number)}

    measured = interleave(rounds())
    shutil.rmtree(out.root)
    timings: list[Timing] = measured.timings["cold"]
    made: list[Made] = measured.values["cold"]
    share = sum(one.spoken_s for one in made) / sum(one.seconds for one in made)
    wall = statistics.median(one.seconds / timing.wall_s for one, timing in zip(made, timings, strict=True))
    cpu = statistics.median(one.seconds / timing.cpu_s for one, timing in zip(made, timings, strict=True))
    return Result(
        rows=[
            Row(what="streams", value=wall, cpu=cpu, unit="x real time", goal=Goal(">=", 250)),
            Row(what="speech in them", value=wall * share, cpu=cpu * share, unit="x real time"),
            Row(what="share of speech", value=share, unit=""),
        ],
        setting={
            "rounds": setup.rounds,
            "streams_per_round": num_streams,
            "seconds_per_stream": MINUTE,
            "utterances_per_stream": round(statistics.mean(one.utterances for one in made) / num_streams, 2),
        },
        details={"timings": timings},
    )


def _make(corpus: Corpus, out: LocalStorage, number: int) -> Made:
    receipt = make_shard(corpus, out, shards(corpus)[number], identity(corpus))
    speech = corpus.library("train").speech
    return Made(seconds=receipt.seconds, spoken_s=speech.num_samples_spoken / SAMPLE_RATE, utterances=speech.num_spoken)
