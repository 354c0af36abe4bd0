"""Warm banks, the whole path of a shard, against FLAC encoding alone of the same samples.

whole      plan, render, targets, FLAC, tar, hash, read back and verify, tables, receipt
flac       our encoder over the same samples, and nothing else
libflac    soundfile.write to a BytesIO over the same samples: FLAC as everybody else encodes it
parts      the whole path once more, with a clock between its parts
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import soundfile as sf

from benchmarks.material import MINUTE, Setup, identity, shards, warm_corpus
from benchmarks.measure import Case, Laps, Timing, Timings, interleave, median, ratio
from benchmarks.report import Goal, Result, Row
from soundflow_data.audio.encode import encode
from soundflow_data.audio.mix import PcmAudio
from soundflow_data.corpus import Corpus
from soundflow_data.shards import LocalStorage, PendingFile, Receipt, ShardSpec, ShardWriter
from soundflow_data.targets import project
from soundflow_data.timeline import SAMPLE_RATE
from soundflow_pipelines.synthesize import make_shard

PARTS = ("compose", "project", "mix", "encode", "write", "manifest")


def run(setup: Setup) -> Result:
    num_streams = setup.pick(128, 2)
    corpus = warm_corpus(setup, num_streams=num_streams * (setup.rounds + 1), streams_per_shard=num_streams)
    out = setup.work / "warm"

    def rounds() -> Iterator[dict[str, Case]]:
        for spec in shards(corpus):
            shutil.rmtree(out, ignore_errors=True)  # writing over a file costs more than writing a new one
            streams = [corpus.make(corpus.spec(spec.split, index)).pcm for index in range(spec.start, spec.stop)]
            yield {
                "whole": partial(make_shard, corpus, LocalStorage(out / "whole"), spec, identity(corpus)),
                "flac": partial(_each, encode, streams),
                "libflac": partial(_each, _libflac, streams),
                "parts": partial(_in_parts, corpus, LocalStorage(out / "parts"), spec),
            }

    measured = interleave(rounds())
    shutil.rmtree(out)
    receipts: list[Receipt] = measured.values["whole"]
    parts: list[dict[str, Timing]] = measured.values["parts"]
    spoken = corpus.library("train").speech.num_spoken
    assert not any(receipt.drops for receipt in receipts), "streams were dropped"
    assert setup.smoke or spoken == 0, f"{spoken} utterances were made by espeak: the banks are not warm"
    seconds = sum(receipt.seconds for receipt in receipts)
    events = sum(receipt.counts.events for receipt in receipts)
    megabytes = sum(receipt.num_bytes for receipt in receipts) / 1e6
    return Result(
        rows=[
            *_totals(measured.timings, seconds / setup.rounds),
            *_parts(parts, num_streams),
        ],
        setting={
            "rounds": setup.rounds,
            "streams_per_round": num_streams,
            "seconds_per_stream": MINUTE,
            "events_per_stream": round(events / setup.rounds / num_streams, 1),
            "mb_per_hour": round(megabytes / seconds * 3600, 1),
        },
        details={"timings": measured.timings, "parts": parts},
    )


def _totals(timings: Timings, seconds: float) -> list[Row]:
    rows = []
    for case, what in (
        ("whole", "whole path"),
        ("flac", "FLAC alone, our encoder"),
        ("libflac", "FLAC alone, libFLAC through soundfile"),
    ):
        one = median(timings[case])
        rows.append(Row(what=what, value=seconds / one.wall_s, cpu=seconds / one.cpu_s, unit="x real time"))
    for case, what, goal in (
        ("libflac", "whole path over libFLAC alone", Goal(">=", 0.7)),
        ("flac", "whole path over our FLAC alone", None),
    ):
        share = ratio(timings[case], timings["whole"])
        rows.append(Row(what=what, value=share.wall, cpu=share.cpu, unit="", goal=goal))
    return rows


def _parts(parts: Sequence[dict[str, Timing]], num_streams: int) -> list[Row]:
    rows = []
    for part in PARTS:
        one = median([laps[part] for laps in parts])
        wall_ms, cpu_ms = (1e3 * seconds / num_streams for seconds in (one.wall_s, one.cpu_s))
        rows.append(Row(what=f"  {part}", value=wall_ms, cpu=cpu_ms, unit="ms per stream"))
    return rows


def _each(call: Callable[[PcmAudio], bytes], streams: Sequence[PcmAudio]) -> None:
    for pcm in streams:
        call(pcm)


def _libflac(pcm: PcmAudio) -> bytes:
    file = io.BytesIO()
    sf.write(file, pcm, SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def _in_parts(corpus: Corpus, storage: LocalStorage, spec: ShardSpec) -> dict[str, Timing]:
    """Makes a shard as `make_shard` does, with a clock between the parts."""
    laps = Laps()
    with ShardWriter(_Noticing(storage, laps), spec, identity=identity(corpus), codec="flac") as writer:
        for index in range(spec.start, spec.stop):
            timeline = corpus.compose(corpus.spec(spec.split, index))
            laps.lap("compose")
            targets = project(timeline)
            laps.lap("project")
            pcm = corpus.render(timeline)
            laps.lap("mix")
            audio = encode(pcm)
            laps.lap("encode")
            writer.add_encoded(timeline, targets, audio)
            laps.lap("write")
        writer.finish()
    corpus.release()
    laps.lap("manifest")
    return laps.parts()


class _Noticing:
    """A storage that notes when the tar of a shard is published: what follows are the tables and the receipt."""

    def __init__(self, storage: LocalStorage, laps: Laps) -> None:
        self._storage = storage
        self._laps = laps

    def create(self, path: str) -> Any:
        pending = self._storage.create(path)
        return _NoticingPending(pending, self._laps) if path.endswith(".tar") else pending

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)


class _NoticingPending:
    def __init__(self, pending: PendingFile, laps: Laps) -> None:
        self._pending = pending
        self._laps = laps

    def commit(self) -> None:
        self._pending.commit()
        self._laps.lap("write")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pending, name)
