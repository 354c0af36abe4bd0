"""Model folders: weights, configuration and tokenizer in the layout of `transformers`, and one file of our own.

    model.safetensors   keys as in published Qwen2.5-Omni checkpoints: audio_tower.*, model.*, lm_head.weight
    config.json         of Qwen2_5OmniThinkerForConditionalGeneration
    tokenizer.json ...  with the special tokens
    soundflow.json      chunk length, version of the front end, threshold of the decision

`Qwen2_5OmniThinkerForConditionalGeneration.from_pretrained(folder)` loads it too (its vision tower is then new).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import huggingface_hub
import msgspec
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn
from transformers import Qwen2_5OmniThinkerConfig

from soundflow_data.errors import SoundFlowError
from soundflow_data.timeline import DEFAULT_CHUNK
from soundflow_trainer import frontend
from soundflow_trainer.model import AudioInteractionModel
from soundflow_trainer.presets import thinker_config
from soundflow_trainer.tokens import StreamTokenizer, load_tokenizer, prepare_tokenizer

WEIGHTS: Final = "model.safetensors"
SETTINGS: Final = "soundflow.json"
MODEL_TYPE: Final = "qwen2_5_omni_thinker"
ARCHITECTURE: Final = "Qwen2_5OmniThinkerForConditionalGeneration"


class ModelSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What `transformers` has no place for.

    Attributes:
        chunk: Samples per chunk.
        frontend: Version of the features that it was trained on.
        threshold: Log-odds of `<response>` over `<silent>` from which it speaks.
        longest: Positions of the longest sequence that it was trained on; 0 when unknown.
    """

    chunk: int
    frontend: int
    threshold: float = 0.0
    longest: int = 0


def new_model(preset: str, tokenizer: StreamTokenizer, *, chunk: int, seed: int) -> AudioInteractionModel:
    """Builds a model of a preset with random weights that belong to the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = thinker_config(preset, tokenizer, chunk)
        model = AudioInteractionModel(config, chunk=chunk, audio_token=tokenizer.audio)
        _draw_by_fan_in(model)
        return model


@torch.no_grad()
def _draw_by_fan_in(model: AudioInteractionModel) -> None:
    """Draws the weights of all layers so that what comes out is as large as what goes in.

    `transformers` draws them with 0.02, which suits wide models: in a narrow one the sound would be drowned by the
    position embeddings of the audio tower, and hundreds of steps would pass before anything of it is heard.
    """
    for layer in model.modules():
        if isinstance(layer, nn.Linear | nn.Conv1d) and layer is not model.lm_head:
            nn.init.normal_(layer.weight, std=layer.weight[0].numel() ** -0.5)


def save_model(folder: Path, model: AudioInteractionModel, tokenizer: StreamTokenizer) -> None:
    """Writes a model folder (into a folder that exists)."""
    save_weights(folder, model.state_dict(), model)
    tokenizer.save(folder)


def save_weights(folder: Path, state: dict[str, torch.Tensor], model: AudioInteractionModel) -> None:
    """Writes everything of a model folder but the tokenizer.

    Args:
        folder: Where to.
        state: The model's full state, gathered from all ranks.
        model: Gives the configuration.
    """
    config = Qwen2_5OmniThinkerConfig.from_dict(model.config.to_dict())
    config.architectures = [ARCHITECTURE]
    config.save_pretrained(str(folder))
    tensors = {_published(name): tensor.contiguous() for name, tensor in state.items() if _is_kept(name, model)}
    save_file(tensors, str(folder / WEIGHTS), metadata={"format": "pt"})
    settings = ModelSettings(
        chunk=model.chunk, frontend=frontend.VERSION, threshold=model.threshold, longest=model.longest
    )
    (folder / SETTINGS).write_bytes(msgspec.json.encode(settings))


def load_model(source: Path | str) -> tuple[AudioInteractionModel, StreamTokenizer]:
    """Loads a model folder that this package wrote.

    Raises:
        SoundFlowError: It is not one, is damaged, or belongs to another front end.
    """
    folder = Path(source)
    try:
        settings = msgspec.json.decode((folder / SETTINGS).read_bytes(), type=ModelSettings)
    except OSError as error:
        raise SoundFlowError(
            f"{str(folder)!r} is no model folder of SoundFlow: {SETTINGS} is missing; give "
            "`checkpoints/step-.../model` or a run folder of `soundflow train`"
        ) from error
    except msgspec.DecodeError as error:
        raise SoundFlowError(f"{str(folder / SETTINGS)!r} is damaged: {error}") from error
    if settings.frontend != frontend.VERSION:
        raise SoundFlowError(
            f"{str(folder)!r} was trained on features of version {settings.frontend}, and this front end makes version "
            f"{frontend.VERSION}; use the release of SoundFlow that trained it"
        )
    tokenizer = load_tokenizer(folder)
    config = _config(folder)
    model = AudioInteractionModel(config, chunk=settings.chunk, audio_token=tokenizer.audio)
    model.threshold, model.longest = settings.threshold, settings.longest
    _load_weights(model, [folder / WEIGHTS])
    return model, tokenizer


def adopt_model(source: str, *, chunk: int = DEFAULT_CHUNK) -> tuple[AudioInteractionModel, StreamTokenizer]:
    """Loads published weights (a folder or a hub name) and makes them ready: special tokens, window of one chunk.

    Raises:
        SoundFlowError: They cannot be found, or are not of this architecture.
    """
    folder = Path(source)
    if not folder.is_dir():
        patterns = ["*.json", "*.safetensors", "*.txt"]
        try:
            folder = Path(huggingface_hub.snapshot_download(source, allow_patterns=patterns))
        except (OSError, ValueError) as error:
            raise SoundFlowError(f"{source!r} is neither a folder nor a model of the hub: {error}") from error
    tokenizer = prepare_tokenizer(folder)
    config = _config(folder)
    config.audio_config.n_window = frontend.embeddings_per_chunk(chunk) * frontend.FRAMES_PER_EMBEDDING // 2
    model = AudioInteractionModel(config, chunk=chunk, audio_token=tokenizer.audio)
    model.longest = config.text_config.max_position_embeddings
    _load_weights(model, sorted(folder.glob("*.safetensors")))
    _grow(model, len(tokenizer))
    return model, tokenizer


def _config(folder: Path) -> Qwen2_5OmniThinkerConfig:
    """Reads the thinker's configuration, whichever version of transformers wrote it."""
    try:
        data = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError) as error:
        raise SoundFlowError(f"{str(folder)!r} has no usable config.json: {error}") from error
    data = data.get("thinker_config", data)
    if data.get("model_type") != MODEL_TYPE:
        raise SoundFlowError(
            f"{str(folder)!r} holds a {data.get('model_type')!r} model; a Qwen2.5-Omni thinker is needed"
        )
    rope = data["text_config"].pop(
        "rope_parameters", None
    )  # the name since transformers 5, which reads the old one too
    if rope is not None:
        data["text_config"] |= {"rope_theta": rope.pop("rope_theta"), "rope_scaling": rope}
    return Qwen2_5OmniThinkerConfig.from_dict(data)


def _published(name: str) -> str:
    """Returns the name of a tensor in published checkpoints."""
    return name.replace("language_model.", "model.", 1) if name.startswith("language_model.") else name


def _is_kept(name: str, model: AudioInteractionModel) -> bool:
    return not (name == "lm_head.weight" and model.tied)


def _load_weights(model: AudioInteractionModel, files: list[Path]) -> None:
    """Fills every tensor of the model, reading only what it needs."""
    wanted = {_published(name): tensor for name, tensor in model.state_dict().items() if _is_kept(name, model)}
    for path in files:
        try:
            with safe_open(str(path), framework="pt") as file:
                for key in file.keys():  # noqa: SIM118 - not a mapping
                    target = wanted.get(key.removeprefix("thinker."))
                    if target is None:
                        continue
                    _copy(file.get_tensor(key), target, f"{path}: {key}")
                    del wanted[key.removeprefix("thinker.")]
        except (OSError, SafetensorError) as error:
            raise SoundFlowError(f"{str(path)!r} is missing or damaged: {error}") from error
    if wanted:
        raise SoundFlowError(
            f"{len(wanted)} tensors are in none of {[path.name for path in files]}, the first is {min(wanted)!r}; the "
            "weights belong to another configuration"
        )


def _copy(source: torch.Tensor, target: torch.Tensor, what: str) -> None:
    if source.shape != target.shape:
        raise SoundFlowError(
            f"{what} has shape {tuple(source.shape)}, but the configuration says {tuple(target.shape)}; the weights "
            "belong to another configuration"
        )
    with torch.no_grad():
        target.copy_(source)


def _grow(model: AudioInteractionModel, vocabulary: int) -> None:
    """Adds rows for new tokens where the table has none to spare; a new row is the mean of the old ones."""
    old = model.lm_head.weight.shape[0]
    if vocabulary <= old:
        return
    model.config.text_config.vocab_size = vocabulary
    table = _with_rows(model.language_model.embed_tokens.weight, vocabulary)
    model.language_model.embed_tokens = nn.Embedding.from_pretrained(table, freeze=False)
    head = table if model.tied else _with_rows(model.lm_head.weight, vocabulary)
    model.lm_head = nn.Linear(head.shape[1], vocabulary, bias=False)
    model.lm_head.weight = model.language_model.embed_tokens.weight if model.tied else nn.Parameter(head)


def _with_rows(table: torch.Tensor, rows: int) -> torch.Tensor:
    mean = table.detach().mean(0, keepdim=True).expand(rows - len(table), -1)
    return torch.cat([table.detach(), mean])
