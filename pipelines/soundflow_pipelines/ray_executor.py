"""Runs pieces of work as tasks of Ray Core, on this machine or a cluster. The only module that imports Ray."""

from __future__ import annotations

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
