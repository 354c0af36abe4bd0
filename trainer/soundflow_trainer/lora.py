"""Low-rank adapters in the language model, through peft; a checkpoint's model folder holds them merged.

Beside the merged model a checkpoint keeps `trained.safetensors`, every trained tensor as it is, so that a run goes on
exactly: the base is built again from where the stage took it, and the trained tensors are put in.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from soundflow_data.errors import SoundFlowError
from soundflow_trainer.model import AudioInteractionModel
from soundflow_trainer.stage import LoraSection

TRAINED: Final = "trained.safetensors"
_ADAPTER: Final = "default"  # peft's name for an adapter that has none


def add_adapters(model: AudioInteractionModel, section: LoraSection, *, seed: int) -> None:
    """Puts adapters into the language model and makes only them trainable there.

    Raises:
        SoundFlowError: The language model has no module of one of the names.
    """
    frozen = [parameter for parameter in model.language_model.parameters() if not parameter.requires_grad]
    config = LoraConfig(r=section.rank, lora_alpha=section.alpha, target_modules=list(section.targets))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            inject_adapter_in_model(config, model.language_model)
        except ValueError as error:
            raise SoundFlowError(f"lora.targets {list(section.targets)}: {error}") from error
    kept = {id(parameter) for parameter in frozen}
    for name, parameter in model.language_model.named_parameters():
        parameter.requires_grad_("lora_" in name and id(parameter) not in kept)


def merge(model: AudioInteractionModel, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Returns a state with plain names, the adapters added to the weights that they adapt."""
    scalings = {
        name: module.scaling[_ADAPTER] for name, module in model.named_modules() if isinstance(module, LoraLayer)
    }
    merged = {}
    for name, tensor in state.items():
        if ".lora_" in name:
            continue
        layer = name.removesuffix(".base_layer.weight")
        if layer != name:
            low, high = (state[f"{layer}.lora_{side}.{_ADAPTER}.weight"] for side in "AB")
            merged[f"{layer}.weight"] = tensor + (scalings[layer] * (high.float() @ low.float())).to(tensor.dtype)
        else:
            merged[name.replace(".base_layer.", ".")] = tensor
    return merged


def save_trained(folder: Path, model: AudioInteractionModel, state: dict[str, torch.Tensor]) -> None:
    """Writes every trained tensor of a state into a checkpoint."""
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    save_file({name: state[name].contiguous() for name in sorted(trained)}, str(folder / TRAINED))


def load_trained(folder: Path, model: AudioInteractionModel) -> None:
    """Puts the trained tensors of a checkpoint into a model.

    Raises:
        SoundFlowError: They are missing, damaged, or belong to other adapters.
    """
    try:
        tensors = load_file(str(folder / TRAINED))
    except (OSError, SafetensorError) as error:
        raise SoundFlowError(f"{str(folder / TRAINED)!r} is missing or damaged: {error}") from error
    parameters = dict(model.named_parameters())
    for name, tensor in tensors.items():
        if name not in parameters or parameters[name].shape != tensor.shape:
            raise SoundFlowError(f"{str(folder)!r}: tensor {name!r} belongs to other adapters than the stage asks for")
        with torch.no_grad():
            parameters[name].copy_(tensor)
