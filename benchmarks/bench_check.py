"""`soundflow check` over a finished corpus, against bare FLAC decoding of it; all in one process.

check      everything: decode, levels, hash, embedding, faults of each stream, the corpus as a whole
shards     only what is done once for each stream, which is what grows with the corpus
bare       soundfile.read of the same files, already in memory
pairs      cosines of each of so many streams with all others, for the near-duplicates of a large corpus
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial

import numpy as np

from benchmarks.bench_reader import _decode, _flac_files
from benchmarks.material import MINUTE, Setup, warm_corpus, write_run
from benchmarks.measure import Case, interleave, median
from benchmarks.report import Goal, Result, Row
from soundflow_data.quality.check.base import Known
from soundflow_data.quality.check.checks.duplicates import nearest_similarities
from soundflow_data.quality.check.collect import measure_shard
from soundflow_data.quality.check.run import check_corpus
from soundflow_data.quality.check.sound import NUM_BANDS, NUM_PARTS
from soundflow_data.shards import LocalStorage, list_receipts


def run(setup: Setup) -> Result:
    num_streams = setup.pick(256, 4)
    num_pairs = setup.pick(20_000, 200)
    corpus = warm_corpus(setup, num_streams=num_streams, streams_per_shard=num_streams // 2)
    out = setup.work / "check"
    write_run(corpus, out)
    storage = LocalStorage(out)
    banks = {name: (str(bank.path), bank.fingerprint) for name, bank in corpus.banks.items()}
    known = Known(recipe=corpus.recipe, banks={name: bank.path for name, bank in corpus.banks.items()})
    files = _flac_files(out)
    seconds = num_streams * MINUTE
    size = NUM_PARTS * NUM_BANDS
    embeddings = np.random.default_rng(1).normal(size=(num_pairs, size)).astype(np.float16)

    def rounds() -> Iterator[dict[str, Case]]:
        for _ in range(setup.rounds + 1):
            yield {
                "check": partial(check_corpus, storage, corpus.recipe, banks=banks),
                "shards": partial(_measure, storage, known),
                "bare": partial(_decode, files),
                "pairs": partial(nearest_similarities, embeddings, np.arange(num_pairs)),
            }

    timings = interleave(rounds()).timings
    rows = []
    for case, what, goal in (
        ("bare", "bare decoding", None),
        ("shards", "decoding, levels, embedding, faults", None),
        ("check", "whole check", Goal(">=", 1000)),
    ):
        one = median(timings[case])
        rows.append(Row(what=what, value=seconds / one.wall_s, cpu=seconds / one.cpu_s, unit="x real time", goal=goal))
    shutil.rmtree(out)
    one = median(timings["pairs"])
    rows.append(Row(what="near-duplicates of the large corpus", value=one.wall_s, cpu=one.cpu_s, unit="s"))
    return Result(
        rows=rows,
        setting={
            "rounds": setup.rounds,
            "streams": num_streams,
            "seconds_per_stream": MINUTE,
            "streams_of_the_large_corpus": num_pairs,
        },
        details={"timings": timings},
    )


def _measure(storage: LocalStorage, known: Known) -> None:
    for receipt in list_receipts(storage):
        assert measure_shard(storage, known, receipt).keys
