"""Runs pieces of work on Ray Core, on this machine or a cluster. The only module that imports Ray.

`RayTasks` is for work that any process can begin at once; `RayActors` for work that needs models, which each of a fixed
number of actors loads once and keeps.
"""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from soundflow_data.errors import RunError
from soundflow_pipelines.executor import IN_FLIGHT, TRIES, Outcome, attempt, died

T = TypeVar("T")
R = TypeVar("R")

STORE_BYTES = 256 << 20  # workers write straight to storage; only receipts pass through Ray's own store


class RayTasks:
    """Runs on Ray.

    Args:
        num_workers: Tasks at the same time; by default one for each CPU of the cluster.
        address: Of a running cluster (`auto`, `ray://host:10001`, `host:6379`); None starts Ray on this machine.

    Raises:
        RunError: Ray is not installed, or the cluster does not answer.
    """

    def __init__(self, num_workers: int | None = None, address: str | None = None) -> None:
        self._ray = _connect(num_workers, address)
        cpus = int(self._ray.cluster_resources().get("CPU", 1))
        self.num_workers = min(num_workers or cpus, cpus)
        self._address = address

    @property
    def name(self) -> str:
        """What it is."""
        return f"Ray{f' at {self._address}' if self._address else ''}, {self.num_workers} workers"

    def run(self, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[Outcome[T, R]]:
        """Yields the outcome of every task, as they are done."""
        ray = self._ray
        remote = ray.remote(num_cpus=1, max_retries=TRIES - 1)(attempt)
        shared = ray.put(function)  # sent to each node once, not with each task
        waiting = iter(tasks)
        running: dict[Any, T] = {}
        try:
            while True:
                for task in waiting:
                    running[remote.remote(shared, task)] = task
                    if len(running) >= self.num_workers * IN_FLIGHT:
                        break
                if not running:
                    return
                (reference,), _ = ray.wait(list(running), num_returns=1)
                task = running.pop(reference)
                try:
                    outcome = ray.get(reference)
                except (ray.exceptions.WorkerCrashedError, ray.exceptions.OutOfMemoryError):
                    outcome = died(task, TRIES)
                yield outcome
        finally:
            for reference in running:
                ray.cancel(reference, force=True)

    def close(self) -> None:
        """Leaves the cluster, or stops the Ray that was started here."""
        self._ray.shutdown()


class RayActors:
    """Runs on a pool of Ray actors; what the function opens, an actor keeps for all its pieces of work.

    An actor that dies is started again, and its piece of work with it, as often as `TRIES` allows.

    Args:
        num_workers: Actors; by default one for each GPU share, or for each CPU, of the cluster.
        address: Of a running cluster; None starts Ray on this machine.
        gpus: GPUs of each actor, such as 1, or 0.5 for two on one GPU; 0 for none.

    Raises:
        RunError: Ray is not installed, the cluster does not answer, or it has no such GPUs.
    """

    def __init__(self, num_workers: int | None = None, address: str | None = None, *, gpus: float = 0.0) -> None:
        self._ray = _connect(num_workers, address)
        there = self._ray.cluster_resources()
        most = int(there.get("GPU", 0) / gpus) if gpus else int(there.get("CPU", 1))
        if most < 1:
            self._ray.shutdown()
            raise RunError(
                f"each worker is to have {gpus:g} GPUs, but the cluster has {there.get('GPU', 0):g}; give fewer with "
                "--gpus, or 0 for CPUs"
            )
        self.num_workers = min(num_workers or most, most)
        self._address = address
        self._gpus = gpus
        self._actors: list[Any] = []

    @property
    def name(self) -> str:
        """What it is."""
        each = f" with {self._gpus:g} GPU each" if self._gpus else ""
        return f"Ray{f' at {self._address}' if self._address else ''}, {self.num_workers} actors{each}"

    def run(self, function: Callable[[T], R], tasks: Iterable[T]) -> Iterator[Outcome[T, R]]:
        """Yields the outcome of every task, as they are done."""
        ray = self._ray
        shared = ray.put(function)
        free = [actor for _ in range(IN_FLIGHT) for actor in self._hire()]
        waiting = iter(tasks)
        running: dict[Any, tuple[Any, T]] = {}
        try:
            while True:
                while free and (some := list(itertools.islice(waiting, 1))):
                    actor = free.pop(0)
                    running[actor.work.remote(shared, some[0])] = (actor, some[0])
                if not running:
                    return
                (reference,), _ = ray.wait(list(running), num_returns=1)
                actor, task = running.pop(reference)
                try:
                    outcome = ray.get(reference)
                except (ray.exceptions.RayActorError, ray.exceptions.OutOfMemoryError):
                    outcome = died(task, TRIES)
                free.append(actor)
                yield outcome
        finally:
            if running:  # stopped half-way: what actors are at is not wanted any more
                self._dismiss()

    def close(self) -> None:
        """Ends the actors, and leaves the cluster or stops the Ray that was started here."""
        self._dismiss()
        self._ray.shutdown()

    def _hire(self) -> list[Any]:
        """Returns the actors, which stay from one `run` to the next."""
        if not self._actors:
            remote = self._ray.remote(
                num_cpus=1, num_gpus=self._gpus, max_restarts=-1, max_task_retries=TRIES - 1, max_concurrency=1
            )(_Actor)
            self._actors = [remote.remote() for _ in range(self.num_workers)]
        return self._actors

    def _dismiss(self) -> None:
        for actor in self._actors:
            self._ray.kill(actor)
        self._actors = []


class _Actor:
    """A process that stays, and with it what the function keeps in its module."""

    def work(self, function: Callable[[T], R], task: T) -> Outcome[T, R]:
        """Does one piece of work."""
        return attempt(function, task)


def _connect(num_workers: int | None, address: str | None) -> Any:
    # Ray reports its own use to its makers unless told otherwise, and warns about settings that do not matter here.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray  # noqa: PLC0415 - imported here so that everything else runs without it
    except ImportError as error:
        raise RunError("Ray is not installed; install it with `pip install ray`, or use --executor local") from error
    # A new cluster asks for a token, which is right, and Ray need not say so on every start.
    logging.getLogger("ray._private.authentication.authentication_token_setup").setLevel(logging.ERROR)
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": False}
    if address is None:
        settings |= {
            "num_cpus": num_workers or os.cpu_count(),
            "include_dashboard": False,
            "object_store_memory": STORE_BYTES,
        }
    else:
        settings |= {"address": address}
    try:
        ray.init(**settings)
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        where = f"at {address!r}" if address else "on this machine"
        raise RunError(f"Ray {where} does not answer: {error}; check --address, or use --executor local") from error
    return ray
