"""Training on a Ray cluster through Ray Train; the only module of the trainer that imports Ray.

    driver     soundflow train STAGE --ray 16
    worker 0   rank 0 of 16: `loop.train`, writes logs and checkpoints
    worker 1   rank 1 of 16: `loop.train`
    ...

Ray starts the workers, with a GPU each where the cluster has any, and joins them to one process group. Each of them
then does what a process of torchrun does. When a worker or its machine is lost, Ray starts all of them again, and the
run goes on from its latest checkpoint.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from soundflow_data.errors import RunError, SoundFlowError
from soundflow_trainer.checkpoints import Checkpoints, read_progress
from soundflow_trainer.loop import Trained, train
from soundflow_trainer.stage import Stage

RESTARTS: Final = 3


def train_on_ray(
    stage: Stage, out: Path, *, workers: int, address: str | None = None, restarts: int = RESTARTS
) -> Trained:
    """Trains a stage in several workers of a Ray cluster, or goes on with it.

    Args:
        stage: What to do; every node must see its corpus under the same path.
        out: The run folder, which every node must see under the same path.
        workers: Number of processes; `batch.streams` must be a multiple of it.
        address: Of a running cluster (`auto`, `ray://host:10001`, `host:6379`); None takes the Ray that this process
            has started already, or starts one on this machine.
        restarts: How often workers that were lost are started again.

    Raises:
        RunError: Ray Train is not installed, or the cluster has too few CPUs or GPUs.
        SoundFlowError: A worker has failed for a reason that it could name.
    """
    ray = _connect(workers, address)
    per_worker = _resources(ray.cluster_resources(), workers)
    from ray.train import FailureConfig, RunConfig, ScalingConfig  # noqa: PLC0415
    from ray.train.torch import TorchTrainer  # noqa: PLC0415
    from ray.train.v2.api.exceptions import WorkerGroupError  # noqa: PLC0415

    out = out.resolve()
    trainer = TorchTrainer(
        _work,
        train_loop_config={"stage": _absolute(stage).model_dump_json(), "out": str(out)},
        scaling_config=ScalingConfig(num_workers=workers, use_gpu="GPU" in per_worker, resources_per_worker=per_worker),
        run_config=RunConfig(
            name=stage.name, storage_path=str(out / "ray"), failure_config=FailureConfig(max_failures=restarts)
        ),
    )
    try:
        trainer.fit()
    except WorkerGroupError as error:
        raise SoundFlowError(_reason(error.worker_failures)) from error
    return _reached(stage, out)


def _work(settings: dict[str, Any]) -> None:
    """What each worker does."""
    train(Stage.model_validate_json(settings["stage"]), Path(settings["out"]))


def _reached(stage: Stage, out: Path) -> Trained:
    """Returns how a run ended, from its own checkpoint."""
    folder, _ = Checkpoints(out / "checkpoints", keep=stage.checkpoint.keep).latest()
    if folder is None:
        raise RunError(f"the workers have left no checkpoint in {str(out)!r}; do all nodes see it under this path?")
    progress = read_progress(folder)
    return Trained(step=progress.step, finished=progress.step >= stage.steps, score=progress.score)


def _connect(workers: int, address: str | None) -> Any:
    try:
        import ray  # noqa: PLC0415
        import ray.train  # noqa: PLC0415 - its own requirements are looked for here
    except ImportError as error:
        raise RunError("Ray Train is not installed; install soundflow[train], or use torchrun") from error
    if not ray.is_initialized():
        try:
            if address is None:
                ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False)
            else:
                ray.init(address=address)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise RunError(f"no Ray cluster at {address or 'this machine'}: {error}") from error
    return ray


def _resources(available: dict[str, float], workers: int) -> dict[str, float]:
    """Returns what each worker takes: a GPU where there is any, else a CPU.

    Raises:
        RunError: The cluster has fewer of them than workers; Ray would wait for more without an end.
    """
    kind = "GPU" if available.get("GPU") else "CPU"
    number = int(available.get(kind, 0))
    if number < workers:
        raise RunError(f"{workers} workers, but the cluster has {number} {kind}s; give --ray {number}, or add nodes")
    return {"CPU": 1, "GPU": 1} if kind == "GPU" else {"CPU": 1}


def _absolute(stage: Stage) -> Stage:
    """Returns the stage with paths that mean the same in a worker's own working directory."""
    data = stage.data.model_copy(update={"root": stage.data.root.resolve()})
    section = stage.model
    places = {name: getattr(section, name) for name in ("init", "published", "tokenizer")}
    # The name of a model of the hub is no folder, and stays.
    folders = {name: str(Path(place).resolve()) for name, place in places.items() if place and Path(place).is_dir()}
    model = type(section).model_validate(section.model_dump() | folders)
    return stage.model_copy(update={"data": data, "model": model})


def _reason(failures: dict[int, Exception]) -> str:
    """Says why workers failed: the reason that one of them could name, or else the first one's."""
    rank, error = min(failures.items(), key=lambda item: (not isinstance(_cause(item[1]), SoundFlowError), item[0]))
    return f"worker {rank}: {_cause(error)}"


def _cause(error: BaseException) -> BaseException:
    """Returns what was raised in the worker, out of what Ray wraps it in."""
    cause = getattr(error, "cause", None) or error.__cause__
    return error if cause is None else _cause(cause)
