"""The same streams by Lhotse, by hand with librosa and numpy, and by us: one process, one machine, in turns.

Every one reads clips that are 16 kHz already from where it keeps them (WAV files; ours: a bank), mixes 8 events and two
beds, encodes FLAC and writes a tar with labels. The others are given the plan ready made; we make it, and also project
targets, hash, read back and verify, and write tables and a receipt.
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from benchmarks.material import MINUTE, Setup, identity, shards, warm_corpus
from benchmarks.measure import Case, Timings, interleave, median, ratio
from benchmarks.peers.plan import export_clips, plan_for_peers
from benchmarks.report import Goal, Result, Row
from soundflow_data.shards import LocalStorage
from soundflow_pipelines.synthesize import make_shard

REQUIRES = ("lhotse", "librosa")

_NAMES = {
    "lhotse": "Lhotse, MixedCut and Shar",
    "librosa": "by hand, librosa and numpy",
    "soundfile": "by hand, soundfile and numpy",
}


def run(setup: Setup) -> Result:
    from benchmarks.peers import by_hand, with_lhotse  # noqa: PLC0415 - they live in another environment

    num_streams = setup.pick(64, 2)
    corpus = warm_corpus(setup, num_streams=num_streams * (setup.rounds + 1), streams_per_shard=num_streams)
    clips, out = setup.work / "peers" / "clips", setup.work / "peers" / "out"

    def rounds() -> Iterator[dict[str, Case]]:
        for spec in shards(corpus):
            timelines = [corpus.compose(corpus.spec(spec.split, index)) for index in range(spec.start, spec.stop)]
            export_clips(corpus, timelines, clips)
            plans = [plan_for_peers(timeline, clips) for timeline in timelines]
            cuts = with_lhotse.make_cuts(plans)
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir(parents=True)
            yield {
                "ours": partial(make_shard, corpus, LocalStorage(out / "ours"), spec, identity(corpus)),
                "lhotse": partial(with_lhotse.make_shard, plans, cuts, out / "lhotse"),
                "librosa": partial(by_hand.make_shard, plans, out / "librosa.tar", by_hand.load_with_librosa),
                "soundfile": partial(by_hand.make_shard, plans, out / "soundfile.tar", by_hand.load_with_soundfile),
            }

    timings = interleave(rounds()).timings
    sizes = {name: _megabytes(path) for name, path in (("ours", out / "ours"), ("lhotse", out / "lhotse"))}
    shutil.rmtree(setup.work / "peers")
    seconds = num_streams * MINUTE
    rows = []
    for case, what in {"ours": "ours", **_NAMES}.items():
        one = median(timings[case])
        rows.append(Row(what=what, value=seconds / one.wall_s, cpu=seconds / one.cpu_s, unit="x real time"))
    ratios = {case: ratio(timings[case], timings["ours"]) for case in _NAMES}
    for case, what in _NAMES.items():
        rows.append(Row(what=f"ours over {what}", value=ratios[case].wall, cpu=ratios[case].cpu, unit="times"))
    rows.append(
        Row(
            what="ours over the fastest of them",
            value=min(one.wall for one in ratios.values()),
            cpu=min(one.cpu for one in ratios.values()),
            unit="times",
            goal=Goal(">=", 2.5),
        )
    )
    return Result(
        rows=rows,
        setting={"rounds": setup.rounds, "streams_per_round": num_streams, "seconds_per_stream": MINUTE},
        details={"timings": timings, "megabytes": sizes, "spread": _spread(timings)},
    )


def _megabytes(path: Path) -> float:
    return round(sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) / 1e6, 1)


def _spread(timings: Timings) -> dict[str, float]:
    """Returns how far the rounds of each case lie apart: standard deviation over mean of its wall time."""
    walls = {case: [timing.wall_s for timing in some] for case, some in timings.items()}
    return {case: round(statistics.pstdev(some) / statistics.mean(some), 3) for case, some in walls.items()}
