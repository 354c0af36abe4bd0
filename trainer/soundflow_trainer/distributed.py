"""One process or many: which rank this is, sums over ranks, and how a model is spread over them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.nn.parallel import DistributedDataParallel

from soundflow_trainer.model import AudioInteractionModel


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The processes that train together.

    Attributes:
        rank: Which of them this is.
        size: How many there are.
        device: Where this one computes.
    """

    rank: int
    size: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this process writes logs and checkpoints."""
        return self.rank == 0

    def sum(self, *values: float) -> list[float]:
        """Adds numbers up over all ranks."""
        return self._reduce(values, dist.ReduceOp.SUM)

    def max(self, value: int) -> int:
        """Returns the largest of all ranks' numbers."""
        return int(self._reduce((value,), dist.ReduceOp.MAX)[0])

    def wait(self) -> None:
        """Waits until all ranks are here."""
        if self.size > 1:
            dist.barrier()

    def _reduce(self, values: tuple[float, ...], operation: dist.ReduceOp.RedOpType) -> list[float]:
        if self.size == 1:
            return list(values)
        tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        dist.all_reduce(tensor, operation)
        return [float(value) for value in tensor]


@contextmanager
def join_world() -> Iterator[World]:
    """Joins the processes that torchrun or Ray Train started, or stays alone."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    rank = int(os.environ.get("RANK", "0"))
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    else:
        device = torch.device("cpu")
    started = size > 1 and not dist.is_initialized()
    if started:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo", rank=rank, world_size=size)
    try:
        yield World(rank=rank, size=size, device=device)
    finally:
        if started:
            dist.destroy_process_group()


def spread(model: AudioInteractionModel, world: World, *, sharding: str, bf16: bool) -> nn.Module:
    """Returns the module that is called in training: the model itself, replicated (DDP), or sharded (FSDP2)."""
    model.to(world.device)
    if sharding == "fsdp" and dist.is_initialized():
        policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16 if bf16 else None, reduce_dtype=torch.float32)
        mesh = init_device_mesh(world.device.type, (world.size,))
        for layer in model.language_model.layers:
            fully_shard(layer, mesh=mesh, mp_policy=policy)
        fully_shard(model, mesh=mesh, mp_policy=policy)  # in place
        return model
    if world.size > 1:
        return DistributedDataParallel(model, gradient_as_bucket_view=True)
    return model


@contextmanager
def accumulating(module: nn.Module, *, last: bool) -> Iterator[None]:
    """Exchanges gradients between ranks only in the last pass of a step."""
    if isinstance(module, DistributedDataParallel) and not last:
        with module.no_sync():
            yield
        return
    if isinstance(module, FSDPModule):
        module.set_requires_gradient_sync(last)
    yield
