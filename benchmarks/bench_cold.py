"""Cold: espeak speaks every utterance of every stream, on one core.

Each round opens the corpus anew, so that no utterance is remembered; the streams hold eight sentences a minute.
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator

from benchmarks.material import MINUTE, Setup, cold_corpus, identity, shards
from benchmarks.measure import Case, interleave
from benchmarks.report import Goal, Result, Row
from soundflow_data.corpus import Corpus
from soundflow_data.shards import LocalStorage
from soundflow_data.timeline import SAMPLE_RATE
from soundflow_pipelines.synthesize import make_shard


def run(setup: Setup) -> Result:
    num_streams = setup.pick(24, 1)
    out = LocalStorage(setup.work / "cold")
    seconds: list[float] = []
    spoken: list[float] = []
    utterances: list[int] = []

    def make(corpus: Corpus, number: int) -> None:
        receipt = make_shard(corpus, out, shards(corpus)[number], identity(corpus))
        speech = corpus.library("train").speech
        seconds.append(receipt.seconds)
        spoken.append(speech.num_samples_spoken / SAMPLE_RATE)
        utterances.append(speech.num_spoken)

    def rounds() -> Iterator[dict[str, Case]]:
        for number in range(setup.rounds + 1):
            corpus = cold_corpus(setup, num_streams=num_streams * (setup.rounds + 1), streams_per_shard=num_streams)
            yield {"cold": lambda corpus=corpus, number=number: make(corpus, number)}

    timings = interleave(rounds())["cold"]
    shutil.rmtree(out.root)
    share = sum(spoken) / sum(seconds)
    wall = [all_s / timing.wall_s for all_s, timing in zip(seconds[1:], timings, strict=True)]
    cpu = [all_s / timing.cpu_s for all_s, timing in zip(seconds[1:], timings, strict=True)]
    return Result(
        rows=[
            Row(
                what="streams",
                value=statistics.median(wall),
                cpu=statistics.median(cpu),
                unit="x real time",
                goal=Goal(">=", 250),
            ),
            Row(
                what="speech in them",
                value=statistics.median(wall) * share,
                cpu=statistics.median(cpu) * share,
                unit="x real time",
            ),
            Row(what="share of speech", value=share, unit=""),
        ],
        setting={
            "rounds": setup.rounds,
            "streams_per_round": num_streams,
            "seconds_per_stream": MINUTE,
            "utterances_per_stream": round(statistics.mean(utterances) / num_streams, 2),
        },
        details={"timings": timings},
    )
