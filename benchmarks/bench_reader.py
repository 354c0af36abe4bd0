"""The reader against bare FLAC decoding, and two reading processes against one.

reader     StreamReader.iterate over shuffled shards: index, read, decode
labelled   the same, and the timeline and the targets of every stream
bare       soundfile.read of the same files, already in memory
"""

from __future__ import annotations

import io
import multiprocessing
import statistics
import tarfile
import time
from collections.abc import Iterator
from functools import partial
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event, Semaphore
from pathlib import Path

import soundfile as sf

from benchmarks.material import MINUTE, Setup, warm_corpus, write_run
from benchmarks.measure import Case, interleave, median, ratio
from benchmarks.report import Goal, Result, Row
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
    speeds = _speeds_of_processes(out, setup)
    gain = statistics.median(two / one for one, two in zip(speeds[1], speeds[2], strict=True))
    rows += [
        Row(what=f"processes: {count}", value=statistics.median(speeds[count]) * MINUTE, unit="x real time")
        for count in (1, 2)
    ]
    rows.append(Row(what="two processes over one", value=gain, unit="times", goal=Goal(">=", 1.8)))
    return Result(
        rows=rows,
        setting={"rounds": setup.rounds, "streams": num_streams, "seconds_per_stream": MINUTE},
        details={"timings": timings, "streams_per_s": {str(count): speeds[count] for count in speeds}},
    )


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


def _speeds_of_processes(out: Path, setup: Setup) -> dict[int, list[float]]:
    """Returns streams per second with one and with two reading processes, which start together, for every round."""
    duration_s = 3.0 if not setup.smoke else 0.1
    speeds: dict[int, list[float]] = {1: [], 2: []}
    context = multiprocessing.get_context("spawn")
    for _ in range(setup.rounds):
        for count, found in speeds.items():
            found.append(_read_together(context, out, count, duration_s))
    return speeds


def _read_together(context: multiprocessing.context.SpawnContext, out: Path, count: int, duration_s: float) -> float:
    start, counts = context.Event(), context.Queue()
    ready = context.Semaphore(0)
    processes = [
        context.Process(target=_keep_reading, args=(out, worker, count, duration_s, ready, start, counts))
        for worker in range(count)
    ]
    for process in processes:
        process.start()
    for _ in processes:
        ready.acquire()
    start.set()
    total: float = sum(counts.get() for _ in processes)
    for process in processes:
        process.join()
    return total


def _keep_reading(
    out: Path, worker: int, num_workers: int, duration_s: float, ready: Semaphore, start: Event, counts: Queue[float]
) -> None:
    """Reads one worker's share for some time; reports streams per second."""
    reader = StreamReader(out)
    samples = reader.iterate(worker=worker, num_workers=num_workers, num_epochs=None)
    next(samples)
    ready.release()
    start.wait()
    began = time.perf_counter()
    number = 0
    while time.perf_counter() - began < duration_s:
        next(samples)
        number += 1
    counts.put(number / (time.perf_counter() - began))
