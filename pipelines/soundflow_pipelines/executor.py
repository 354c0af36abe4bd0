"""Who calls the function that does one piece of work: this process, local processes, or Ray. The function is the same.

An executor takes pieces of work from an iterator, keeps a bounded number of them in flight, and yields an `Outcome` for
each as it is done, in any order. An exception of the function is an outcome, not a crash; a worker that dies is
replaced and its piece of work is tried again.
"""

from __future__ import annotations

import concurrent.futures
import itertools
import multiprocessing
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Generic, Protocol, TypeVar

import msgspec

from soundflow_data.errors import SoundFlowError

T = TypeVar("T")
R = TypeVar("R")

TRIES = 3  # how often a piece of work is begun when its worker dies
DIED = "WorkerDied"  # `Failure.kind` of a piece of work whose worker died every time
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
    return Outcome(task=task, value=None, failure=Failure(kind=DIED, message=message, expected=True), seconds=0.0)


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
        keep: Whether they stay between one `run` and the next, with the models that they have loaded; then `close` it.
    """

    def __init__(self, num_workers: int, *, keep: bool = False) -> None:
        self.num_workers = num_workers
        self._keep = keep
        self._kept: ProcessPoolExecutor | None = None

    @property
    def name(self) -> str:
        """What it is."""
        return f"local, {self.num_workers} workers"

    def run(self, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[Outcome[T, R]]:
        """Yields the outcome of every task, as they are done."""
        crew = _Crew(function, iter(tasks), self.num_workers, self._kept)
        self._kept = None
        try:
            yield from crew.work()
            if self._keep:
                self._kept = crew.pool
        finally:
            if self._kept is None:
                stop(crew.pool)

    def close(self) -> None:
        """Ends the processes that were kept."""
        if self._kept is not None:
            stop(self._kept)
            self._kept = None


def stop(pool: ProcessPoolExecutor) -> None:
    """Ends processes at once: what is half done leaves only temporary files, which the next run removes."""
    processes = list((pool._processes or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()
    for process in processes:
        process.join()


class _Crew(Generic[T, R]):
    """The processes of one `run`, and what they are at.

    When a process dies, the pool does not say which task it was at. All tasks in flight then become suspects, which are
    tried again one at a time, so that only the guilty one is given up.
    """

    def __init__(
        self, function: Callable[[T], R], tasks: Iterator[T], num_workers: int, pool: ProcessPoolExecutor | None
    ) -> None:
        self._function = function
        self._tasks = tasks
        self._num_workers = num_workers
        self._suspects: deque[tuple[T, int]] = deque()  # with how often each has died alone
        self._running: dict[Future[Outcome[T, R]], tuple[T, int]] = {}
        self.pool = pool or self._hire()

    def work(self) -> Iterator[Outcome[T, R]]:
        while True:
            try:
                self._hand_out()
                if not self._running:
                    return
                done, _ = concurrent.futures.wait(self._running, return_when=concurrent.futures.FIRST_COMPLETED)
                for future in done:
                    outcome = future.result()
                    del self._running[future]
                    yield outcome
            except BrokenProcessPool:
                yield from self._replace()

    def _hire(self) -> ProcessPoolExecutor:
        # A fresh interpreter, not a fork: the driver may hold threads (progress bar, Arrow) that do not survive one.
        return ProcessPoolExecutor(self._num_workers, mp_context=multiprocessing.get_context("spawn"))

    def _hand_out(self) -> None:
        if self._suspects:
            if not self._running:
                self._submit(*self._suspects.popleft())
            return
        for task in itertools.islice(self._tasks, self._num_workers * IN_FLIGHT - len(self._running)):
            self._submit(task, 0)

    def _submit(self, task: T, deaths: int) -> None:
        try:
            self._running[self.pool.submit(attempt, self._function, task)] = (task, deaths)
        except BrokenProcessPool:
            self._suspects.append((task, deaths))
            raise

    def _replace(self) -> Iterator[Outcome[T, R]]:
        self.pool.shutdown(wait=True, cancel_futures=True)
        self.pool = self._hire()
        alone = len(self._running) == 1
        for task, deaths in self._running.values():
            if alone and deaths + 1 >= TRIES:
                yield died(task, deaths + 1)
            else:
                self._suspects.append((task, deaths + alone))
        self._running.clear()
