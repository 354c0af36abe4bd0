"""Checkpoints: written whole or not at all, checked when they are read, the last few and the best kept.

checkpoints/step-00000500/
  model/           a model folder, see `soundflow_trainer.weights`
  optimizer.pt     state of the optimizers, by parameter name
  progress.json    step, reader state, RNG
  seal.json        SHA-256 of every other file; written last
"""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, cast

import msgspec
import torch
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_optimizer_state_dict,
)

from soundflow_data.errors import SoundFlowError
from soundflow_data.shards.order import ReaderState
from soundflow_trainer import lora
from soundflow_trainer.distributed import World
from soundflow_trainer.files import sha256, whole_folder
from soundflow_trainer.model import AudioInteractionModel
from soundflow_trainer.tokens import StreamTokenizer
from soundflow_trainer.weights import save_weights

MODEL: Final = "model"
_FULL: Final = StateDictOptions(full_state_dict=True, cpu_offload=True)
_NAME = re.compile(r"step-(\d{8})")


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run stands.

    Attributes:
        step: Steps that are done.
        reader: Where the next step reads.
        score: Validation score of this step, when it was validated.
        rng: Torch's generator, base64.
        config: Fingerprint of what must not change when a run goes on.
    """

    step: int
    reader: ReaderState
    score: float | None
    rng: str
    config: str


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: `checkpoints` of the run folder.
        keep: How many of the latest stay; the best stays too.
    """

    def __init__(self, folder: Path, *, keep: int) -> None:
        self._folder = folder
        self._keep = keep

    def save(
        self,
        *,
        module: nn.Module,
        model: AudioInteractionModel,
        tokenizer: StreamTokenizer,
        optimizers: Sequence[torch.optim.Optimizer],
        progress: Progress,
        world: World,
        adapted: bool = False,
    ) -> None:
        """Writes a checkpoint, with merged adapters when `adapted`; called by all ranks, written by the first."""
        gathered = cast("dict[str, torch.Tensor]", get_model_state_dict(module, options=_FULL))
        weights = {name.removeprefix("module."): tensor for name, tensor in gathered.items()}
        state = get_optimizer_state_dict(module, tuple(optimizers), options=_FULL)
        if world.leads:
            with whole_folder(self._folder / f"step-{progress.step:08d}") as folder:
                (folder / MODEL).mkdir()
                if adapted:
                    lora.save_trained(folder, model, weights)
                    weights = lora.merge(model, weights)
                save_weights(folder / MODEL, weights, model)
                tokenizer.save(folder / MODEL)
                torch.save(state, folder / "optimizer.pt")
                (folder / "progress.json").write_bytes(msgspec.json.encode(progress))
                _seal(folder)
            self._tidy()
        world.wait()

    def latest(self) -> tuple[Path | None, list[str]]:
        """Returns the newest checkpoint that is whole, and a message for each newer one that is not."""
        messages: list[str] = []
        for folder in reversed(self._found()):
            trouble = damage(folder)
            if trouble is None:
                return folder, messages
            messages.append(f"checkpoint {folder.name} is damaged ({trouble}); the one before it is used")
        return None, messages

    def best(self) -> Path | None:
        """Returns the whole checkpoint with the highest score, the newest of equals; without scores, the newest."""
        whole = [folder for folder in self._found() if damage(folder) is None]
        return max(whole, key=lambda folder: (_score(folder), folder.name), default=None)

    def _found(self) -> list[Path]:
        return sorted(path for path in self._folder.glob("step-*") if _NAME.fullmatch(path.name))

    def _tidy(self) -> None:
        found = self._found()
        kept = set(found[-self._keep :]) | {max(found, key=lambda folder: (_score(folder), folder.name))}
        for folder in found:
            if folder not in kept:
                shutil.rmtree(folder)


def read_progress(folder: Path) -> Progress:
    """Reads where a checkpoint stands."""
    return msgspec.json.decode((folder / "progress.json").read_bytes(), type=Progress)


def restore_optimizers(folder: Path, module: nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> None:
    """Takes up the state of the optimizers.

    Raises:
        SoundFlowError: It belongs to other parameters.
    """
    state: dict[str, Any] = torch.load(folder / "optimizer.pt", map_location="cpu", weights_only=True)
    try:
        set_optimizer_state_dict(module, tuple(optimizers), state, options=_FULL)
    except (KeyError, RuntimeError, ValueError) as error:
        raise SoundFlowError(f"{folder.name}: its optimizer belongs to other parameters: {error}") from error


def pack_rng() -> str:
    """Returns the state of torch's generator."""
    return base64.b64encode(torch.get_rng_state().numpy().tobytes()).decode()


def unpack_rng(text: str) -> None:
    """Sets the state of torch's generator."""
    torch.set_rng_state(torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.uint8))


def damage(folder: Path) -> str | None:
    """Says what is wrong with a checkpoint, or returns None when every file is what was written."""
    try:
        sealed = msgspec.json.decode((folder / "seal.json").read_bytes(), type=dict[str, str])
    except (OSError, msgspec.DecodeError) as error:
        return f"seal.json: {error}"
    for name, digest in sealed.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if sha256(path) != digest:
            return f"{name} holds other bytes than were written"
    return None


def find_model(source: Path) -> Path:
    """Returns the model folder that a path means: itself, that of a checkpoint, or that of the best of a run.

    Raises:
        SoundFlowError: There is none.
    """
    if (source / "soundflow.json").is_file():
        return source
    if (source / MODEL / "soundflow.json").is_file():
        return source / MODEL
    best = Checkpoints(source / "checkpoints", keep=1).best()
    if best is None:
        raise SoundFlowError(
            f"{str(source)!r} holds no model: give a run folder of `soundflow train`, one of its checkpoints, or a "
            "model folder"
        )
    return best / MODEL


def _score(folder: Path) -> float:
    try:
        score = read_progress(folder).score
    except (OSError, msgspec.DecodeError):
        return -2.0
    return -1.0 if score is None else score


def _seal(folder: Path) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    digests = {path.relative_to(folder).as_posix(): sha256(path) for path in files}
    (folder / "seal.json").write_bytes(msgspec.json.encode(digests))
