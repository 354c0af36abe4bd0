"""Builds a bank from a source: every item is read and prepared once, by any number of processes, to the same bytes."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import platform
import signal
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import soundfile as sf

from soundflow_data.bank.format import BankInfo
from soundflow_data.bank.place import BuildPlace
from soundflow_data.bank.prepare import PREPARATION, Outcome, Preparation, prepare_chunk
from soundflow_data.bank.source import Dropped, Source, SourceItem
from soundflow_data.bank.writer import BankWriter
from soundflow_data.errors import BankError
from soundflow_data.timeline import SAMPLE_RATE
from soundflow_data.version import VERSION

_CHUNK_ITEMS: Final = 8
_IN_FLIGHT: Final = 3  # chunks per worker; bounds the memory that finished chunks wait in
_EXAMPLES: Final = 3


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a build is.

    Attributes:
        done: Items read.
        total: Items that the source lists.
        clips: Clips written.
        seconds: Seconds of audio written.
        dropped: Items that could not be used.
    """

    done: int
    total: int
    clips: int
    seconds: float
    dropped: int


class BankSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a build did.

    Attributes:
        path: The bank.
        info: What is in it.
        built: False when the bank was there already, made from the same inputs.
        elapsed_s: Time that it took.
    """

    path: Path
    info: BankInfo
    built: bool
    elapsed_s: float

    @property
    def speed(self) -> float:
        """Seconds of audio written per second; 0 when nothing was built."""
        return self.info.hours * 3600 / self.elapsed_s if self.built else 0.0


def build_bank(
    source: Source,
    out: Path | str,
    *,
    name: str = "",
    workers: int = 1,
    preparation: Preparation | None = None,
    max_drop_share: float = 0.1,
    max_drops: int = 20,
    overwrite: bool = False,
    part_samples: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> BankSummary:
    """Builds a bank, unless the folder holds one that was made from the same inputs.

    The bank appears when it is complete: it is written to a hidden folder beside `out`, which is renamed at the end.
    Items that cannot be used are noted in `quarantine.jsonl` and counted.

    Args:
        source: What to fill it from.
        out: Folder of the bank.
        name: Name of the bank; the folder's by default.
        workers: Processes. With more than one, a script needs the usual `if __name__ == "__main__":`.
        preparation: How clips are prepared.
        max_drop_share: The build stops when more than this share of the items ...
        max_drops: ... and more than this number cannot be used.
        overwrite: Replace a bank that was made from other inputs.
        part_samples: Longest PCM file, in samples.
        progress: Called after every item, in this process.

    Raises:
        BankError: Nothing is usable, too much is not, or `out` holds something else.
    """
    if workers < 1:
        raise BankError(f"bank {out}: {workers} workers; it must be at least 1")
    out = Path(out)
    preparation = preparation or Preparation()
    started = time.monotonic()
    inputs, total = _inputs(source, preparation)
    place = BuildPlace(out)
    finished = place.finished(inputs, overwrite=overwrite)
    if finished is not None:
        return BankSummary(path=out, info=finished, built=False, elapsed_s=time.monotonic() - started)
    limit = max(max_drops, int(max_drop_share * total))
    try:
        with place as folder, BankWriter(folder, part_samples=part_samples) as writer:
            collector = _Collector(writer, out, total, limit, progress)
            with contextlib.closing(_prepared(source.items(), preparation, workers)) as prepared:
                for outcomes in prepared:
                    for outcome in outcomes:
                        collector.take(outcome)
            collector.check_not_empty()
            info = writer.finish(
                name=name or out.name,
                inputs=inputs,
                created_by=_versions(),
                source=source.describe(),
                settings=msgspec.to_builtins(preparation),
                num_items=collector.done,
                num_cut=collector.num_cut,
                num_single=collector.num_single,
            )
            place.publish()
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise BankError(f"bank {out}: the disk is full; free some space and build again, nothing was kept") from error
    return BankSummary(path=out, info=info, built=True, elapsed_s=time.monotonic() - started)


def _inputs(source: Source, preparation: Preparation) -> tuple[str, int]:
    """Returns the digest of all that decides about the bank, and the number of items."""
    settings = msgspec.to_builtins(preparation)
    if preparation.speed == 1.0:
        del settings["speed"]  # it came later, and banks that were built without it are the same
    digest = hashlib.sha256(msgspec.json.encode([PREPARATION, source.describe(), settings], order="sorted"))
    total = 0
    for item in source.items():
        digest.update(item.identity())
        total += 1
    return digest.hexdigest(), total


class _Collector:
    """Takes what the workers prepared, in the order of the source, and writes it."""

    def __init__(
        self, writer: BankWriter, out: Path, total: int, limit: int, progress: Callable[[Progress], None] | None
    ) -> None:
        self._writer = writer
        self._out = out
        self._total = total
        self._limit = limit
        self._progress = progress
        self._examples: list[str] = []
        self.done = 0
        self.num_cut = 0
        self.num_single = 0

    def take(self, outcome: Outcome) -> None:
        """Writes the clips of one item, or notes why there are none."""
        self.done += 1
        dropped = outcome.dropped
        taken = next((one.clip.id for one in outcome.clips if self._writer.has(one.clip.id)), None)
        if taken is not None:
            clip = outcome.clips[0].clip
            message = f"id {taken!r} was used before; ids must be unique in a bank"
            dropped = Dropped(id=clip.id, path=clip.path, reason="duplicate id", message=message)
        if dropped is not None:
            self._drop(dropped)
        else:
            for one in outcome.clips:
                self._writer.add(one.clip, one.pcm)
            self.num_cut += outcome.cut
            self.num_single += len(outcome.clips) - 1
        if self._progress is not None:
            self._progress(
                Progress(
                    done=self.done,
                    total=self._total,
                    clips=self._writer.num_clips,
                    seconds=self._writer.num_samples / SAMPLE_RATE,
                    dropped=self._writer.drops.total(),
                )
            )

    def check_not_empty(self) -> None:
        """Raises BankError when no clip was written."""
        if not self._writer.num_clips:
            raise BankError(
                f"bank {self._out}: nothing usable among {self.done} items{self._counts()}; check the source's folder "
                "and options"
            )

    def _drop(self, dropped: Dropped) -> None:
        self._writer.drop(dropped)
        if len(self._examples) < _EXAMPLES:
            self._examples.append(f"{dropped.id}: {dropped.message}")
        number = self._writer.drops.total()
        if number > self._limit:
            raise BankError(
                f"bank {self._out}: {number} of the first {self.done} items (of {self._total}) cannot be used, more "
                f"than the limit of {self._limit}{self._counts()}; correct the source or raise the limit"
            )

    def _counts(self) -> str:
        reasons = ", ".join(f"{reason}: {number}" for reason, number in self._writer.drops.most_common())
        return f" ({reasons}; such as {'; '.join(self._examples)})" if reasons else ""


def _prepared(
    items: Iterator[SourceItem], preparation: Preparation, workers: int
) -> Generator[list[Outcome], None, None]:
    """Prepares chunks of items, in order, with a bounded number of chunks in memory."""
    chunks = _chunks(items)
    if workers == 1:
        for chunk in chunks:
            yield prepare_chunk(chunk, preparation)
        return
    # Spawned, not forked: the parent may have threads (Arrow, DuckDB, a progress bar).
    with ProcessPoolExecutor(workers, get_context("spawn"), initializer=_leave_interrupts_to_parent) as pool:
        waiting: deque[tuple[list[SourceItem], Future[list[Outcome]]]] = deque()
        try:
            for chunk in chunks:
                if len(waiting) >= workers * _IN_FLIGHT:
                    yield _result(*waiting.popleft())
                waiting.append((chunk, pool.submit(prepare_chunk, chunk, preparation)))
            while waiting:
                yield _result(*waiting.popleft())
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _leave_interrupts_to_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _result(chunk: list[SourceItem], future: Future[list[Outcome]]) -> list[Outcome]:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise BankError(
            f"a worker died while it prepared items such as {chunk[0].id!r} to {chunk[-1].id!r}; was it killed for "
            "memory? Build again with fewer workers, or leave these items out"
        ) from error


def _chunks(items: Iterable[SourceItem]) -> Iterator[list[SourceItem]]:
    """Divides items into chunks; a dialogue is never divided, because it is kept or dropped as a whole."""
    chunk: list[SourceItem] = []
    for item in items:
        if len(chunk) >= _CHUNK_ITEMS and not (item.dialogue and item.dialogue == chunk[-1].dialogue):
            yield chunk
            chunk = []
        chunk.append(item)
    if chunk:
        yield chunk


def _versions() -> dict[str, str]:
    return {
        "soundflow": VERSION,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "libsndfile": sf.__libsndfile_version__,
    }
