"""Who calls the function that does one piece of work: this process, local processes, or Ray. The function is the same.

An executor takes pieces of work from an iterator, keeps a bounded number of them in flight, and yields an `Outcome` for
each as it is done, in any order. An exception of the function is an outcome, not a crash; a worker that dies is replaced
and its piece of work is tried again.
"""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Generic, Protocol, TypeVar

import msgspec

from soundflow_data.errors import SoundFlowError

T = TypeVar("T")
R = TypeVar("R")

TRIES = 3  # how often a piece of work is begun when its worker dies
IN_FLIGHT = 2  # pieces of work for each worker that are handed out at once


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a piece of work could not be done.

    Attributes:
        kind: Name of the exception's class.
        message: Its message.
        expected: Whether it is one of ours, so that the message says everything and no trace is needed.
        trace: The trace, of an unexpected one.
    """

    kind: str
    message: str
    expected: bool
    trace: str = ""

    def __str__(self) -> str:
        return self.message if self.expected else f"{self.kind}: {self.message}\n{self.trace}".rstrip()


class Outcome(msgspec.Struct, Generic[T, R], frozen=True, kw_only=True):
    """A piece of work that is done, or has failed.

    Attributes:
        task: The piece of work.
        value: What the function returned.
        failure: Why there is no value.
        seconds: How long the function took.
    """

    task: T
    value: R | None
    failure: Failure | None
    seconds: float


class Executor(Protocol):
    """Runs a function over pieces of work."""

    @property
    def name(self) -> str:
        """What it is, for people: `local, 2 workers`."""
        ...

    @property
    def num_workers(self) -> int:
        """How many pieces of work are done at the same time."""
        ...

    def run(self, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[Outcome[T, R]]:
        """Yields the outcome of every task; closing the iterator stops the work.

        Args:
            function: Can be pickled; what it opens it keeps per process.
            tasks: Taken one by one, never all at once.
        """
        ...


def attempt(function: Callable[[T], R], task: T) -> Outcome[T, R]:
    """Calls the function and turns whatever it raises into an outcome; this runs in the worker."""
    import traceback  # noqa: PLC0415 - only needed in workers, when something fails

    started = time.perf_counter()
    value: R | None = None
    failure: Failure | None = None
    try:
        value = function(task)
    except SoundFlowError as error:
        failure = Failure(kind=type(error).__name__, message=str(error), expected=True)
    except Exception as error:  # noqa: BLE001 - the worker's failure is reported by the driver, with its trace
        failure = Failure(
            kind=type(error).__name__, message=str(error), expected=False, trace=traceback.format_exc(limit=-8)
        )
    return Outcome(task=task, value=value, failure=failure, seconds=time.perf_counter() - started)


def died(task: T, tries: int) -> Outcome[T, R]:
    """Returns the outcome of a task whose worker died every time."""
    message = (
        f"the worker died {tries} times on {task}; it was killed, or ran out of memory. "
        "Run the same command again with fewer --workers"
    )
    return Outcome(
        task=task, value=None, failure=Failure(kind="WorkerDied", message=message, expected=True), seconds=0.0
    )


class InProcess:
    """Runs everything in this process, one after the other."""

    name = "local, in this process"
    num_workers = 1

    def run(self, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[Outcome[T, R]]:
        """Yields the outcome of every task, in order."""
        for task in tasks:
            yield attempt(function, task)


class LocalProcesses:
    """Runs on processes of this machine.

    Args:
        num_workers: Number of processes.
    """

    def __init__(self, num_workers: int) -> None:
        self.num_workers = num_workers

    @property
    def name(self) -> str:
        """What it is."""
        return f"local, {self.num_workers} workers"

    def run(self, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[Outcome[T, R]]:
        """Yields the outcome of every task, as they are done."""
        # A fresh interpreter, not a fork: the driver may hold threads (progress bar, Arrow) that do not survive a fork.
        context = multiprocessing.get_context("spawn")
        waiting = iter(tasks)
        again: list[tuple[T, int]] = []
        running: dict[Future[Outcome[T, R]], tuple[T, int]] = {}
        pool = ProcessPoolExecutor(self.num_workers, mp_context=context)
        try:
            while True:
                try:
                    _fill(pool, function, waiting, again, running, self.num_workers * IN_FLIGHT)
                    if not running:
                        return
                    done, _ = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
                    for future in done:
                        outcome = future.result()
                        del running[future]
                        yield outcome
                except BrokenProcessPool:
                    # The pool does not say which worker died: everything in flight is begun again.
                    pool.shutdown(wait=True, cancel_futures=True)
                    pool = ProcessPoolExecutor(self.num_workers, mp_context=context)
                    for task, tries in running.values():
                        if tries >= TRIES:
                            yield died(task, tries)
                        else:
                            again.append((task, tries))
                    running.clear()
        finally:
            _stop(pool)


def _fill(
    pool: ProcessPoolExecutor,
    function: Callable[[T], R],
    waiting: Iterator[T],
    again: list[tuple[T, int]],
    running: dict[Future[Outcome[T, R]], tuple[T, int]],
    limit: int,
) -> None:
    while len(running) < limit:
        if again:
            task, tries = again[-1]
        else:
            try:
                task, tries = next(waiting), 0
            except StopIteration:
                return
            again.append((task, tries))  # kept until it is handed over, in case the pool is broken
        running[pool.submit(attempt, function, task)] = (task, tries + 1)
        again.pop()


def _stop(pool: ProcessPoolExecutor) -> None:
    """Ends the pool at once: what is half done leaves only temporary files, which the next run removes."""
    processes = list((pool._processes or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()
    for process in processes:
        process.join()
