"""Who does the work of a command."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING

from soundflow_data.errors import RunError
from soundflow_pipelines.cli.arguments import num_cpus

if TYPE_CHECKING:
    from soundflow_pipelines.executor import Executor


class Kind(StrEnum):
    """Values of `--executor`."""

    AUTO = "auto"
    RAY = "ray"
    LOCAL = "local"


@contextmanager
def open_executor(kind: Kind, *, workers: int | None, address: str | None, num_tasks: int) -> Iterator[Executor]:
    """Starts workers, and ends them afterwards.

    Args:
        kind: `auto` takes Ray where it is installed and there is more than one task.
        workers: How many; by default one for each CPU.
        address: Of a running Ray cluster.
        num_tasks: How many pieces of work there are.

    Raises:
        RunError: Ray is not installed or does not answer, or an address is given with local workers.
    """
    from soundflow_pipelines.executor import InProcess, LocalProcesses  # noqa: PLC0415

    if kind is Kind.LOCAL and address is not None:
        raise RunError(f"--address {address} is of a Ray cluster, but --executor is local; leave one of them out")
    if kind is Kind.AUTO:
        has_ray = importlib.util.find_spec("ray") is not None
        kind = Kind.RAY if address is not None or (has_ray and num_tasks > 1) else Kind.LOCAL
    if kind is Kind.RAY:
        from soundflow_pipelines.ray_executor import RayTasks  # noqa: PLC0415

        cluster = RayTasks(workers, address)
        try:
            yield cluster
        finally:
            cluster.close()
    else:
        number = min(workers or num_cpus(), max(num_tasks, 1))
        yield LocalProcesses(number) if number > 1 else InProcess()
