"""The reader against bare FLAC decoding, and two reading processes against one.

reader     StreamReader.iterate over shuffled shards: index, read, decode
labelled   the same, and the timeline and the targets of every stream
bare       soundfile.read of the same files, already in memory; two processes of it show what the machine can give
"""

from __future__ import annotations

import io
import itertools
import tarfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import soundfile as sf

from benchmarks.material import MINUTE, Setup, warm_corpus, write_run
from benchmarks.measure import Case, interleave, median, ratio
from benchmarks.report import Goal, Result, Row
from benchmarks.together import rows_together, speeds_together
from soundflow_data.shards import ReaderState, StreamReader


def run(setup: Setup) -> Result:
    num_streams = setup.pick(256, 4)
    corpus = warm_corpus(setup, num_streams=num_streams, streams_per_shard=num_streams // 2)
    out = setup.work / "reader"
    write_run(corpus, out)
    reader = StreamReader(out)
    files = _flac_files(out)
    seconds = num_streams * MINUTE

    def rounds() -> Iterator[dict[str, Case]]:
        for number in range(setup.rounds + 1):
            state = ReaderState(seed=1, epoch=number)
            yield {
                "reader": partial(_read, reader, state),
                "labelled": partial(_read_labelled, reader, state),
                "bare": partial(_decode, files),
            }

    timings = interleave(rounds()).timings
    rows = []
    for case, what in (("bare", "bare decoding"), ("reader", "reader"), ("labelled", "reader with labels")):
        one = median(timings[case])
        rows.append(Row(what=what, value=seconds / one.wall_s, cpu=seconds / one.cpu_s, unit="x real time"))
    for case, what in (("reader", "reader over bare decoding"), ("labelled", "reader with labels over bare decoding")):
        share = ratio(timings["bare"], timings[case])
        rows.append(Row(what=what, value=share.wall, cpu=share.cpu, unit="", goal=Goal(">=", 0.9)))
    shares = {}
    for what, work, goal in (("reader", ReadOn(out), Goal(">=", 1.8)), ("bare decoding", DecodeOn(out), None)):
        shares[what] = speeds_together(work, rounds=min(setup.rounds, 5), duration_s=0.1 if setup.smoke else 3.0)
        rows += rows_together(what, shares[what], MINUTE, goal)
    return Result(
        rows=rows,
        setting={"rounds": setup.rounds, "streams": num_streams, "seconds_per_stream": MINUTE},
        details={"timings": timings},
    )


class ReadOn(msgspec.Struct, frozen=True):
    """Reads one worker's share of a run directory, epoch after epoch."""

    out: Path

    def __call__(self, worker: int, count: int) -> Iterator[object]:
        """Yields streams."""
        return StreamReader(self.out).iterate(worker=worker, num_workers=count, num_epochs=None)


class DecodeOn(msgspec.Struct, frozen=True):
    """Decodes the streams of a run directory, which are in memory, again and again."""

    out: Path

    def __call__(self, worker: int, count: int) -> Iterator[object]:
        """Yields streams."""
        files = _flac_files(self.out)[worker::count]
        return (sf.read(io.BytesIO(data), dtype="int16") for data in itertools.cycle(files))


def _read(reader: StreamReader, state: ReaderState) -> None:
    for _, sample in reader.iterate(state):
        assert len(sample.audio)


def _read_labelled(reader: StreamReader, state: ReaderState) -> None:
    for _, sample in reader.iterate(state):
        assert sample.timeline.num_samples == len(sample.audio)
        assert sample.targets.spoken


def _decode(files: list[bytes]) -> None:
    for data in files:
        pcm, _ = sf.read(io.BytesIO(data), dtype="int16")
        assert len(pcm)


def _flac_files(out: Path) -> list[bytes]:
    files = []
    for path in sorted(out.glob("data/*/*.tar")):
        with tarfile.open(path) as shard:
            flacs = (shard.extractfile(member) for member in shard if member.name.endswith(".flac"))
            files += [file.read() for file in flacs if file is not None]
    return files
