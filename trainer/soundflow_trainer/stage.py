"""Stages: one YAML file says what is trained, on which streams, and how. Unknown keys are refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from soundflow_data.errors import RecipeError

Part = Literal["lm_head", "new_embeddings", "adapter", "audio_tower", "language_model"]
PARTS: tuple[Part, ...] = ("lm_head", "new_embeddings", "adapter", "audio_tower", "language_model")

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AugmentSection(_Section):
    """How much the features of training streams may change; see `soundflow_trainer.augmentation`."""

    gain_db: Annotated[float, Field(ge=0)] = 0.0
    colour_db: Annotated[float, Field(ge=0)] = 0.0
    shift_mels: Annotated[int, Field(ge=0, le=32)] = 0
    masks: Annotated[int, Field(ge=0, le=16)] = 0
    mask_mels: Annotated[int, Field(ge=0, le=64)] = 12
    noise_db: Annotated[float, Field(ge=0, le=70)] = 0.0
    narrow_mels: Annotated[int, Field(ge=0, le=64)] = 0


class DataSection(_Section):
    """Which streams are read.

    Attributes:
        root: Run directory of `soundflow run`.
        where: Any SQL condition on the streams table, such as `seconds < 30`.
        late: Share of the responses that training lets come one or two chunks late, so that the model learns to say
            what it has missed; see `soundflow_trainer.sequence`.
        mix: Weights of abilities (`real_time_asr: 2`), sub-tasks (`proactive_response/human_distress: 1`) and of the
            `rest`; what has no weight is not trained on. Without it every stream counts once. Only for training.
    """

    root: Path
    split: str = "train"
    validation_split: str = "validation"
    where: str | None = None
    mix: Annotated[dict[str, Annotated[float, Field(gt=0)]], Field(min_length=1)] | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    loader_workers: Annotated[int, Field(ge=0)] = 2
    augment: AugmentSection | None = None
    late: Share = 0.0


class ModelSection(_Section):
    """Where the model comes from: a preset (from scratch), published weights, or a run of an earlier stage.

    Attributes:
        tokenizer: For a preset: a folder or hub name; by default a small one is trained on the corpus.
        vocabulary: Size of the tokenizer that is trained.
        init: A model folder, or a run folder whose best checkpoint is taken.
        published: A folder or hub name of Qwen2.5-Omni weights.
    """

    preset: str | None = None
    tokenizer: str | None = None
    vocabulary: Count = 1024
    published: str | None = None
    init: Path | None = None
    chunk: Count = 6400
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _one_source(self) -> ModelSection:
        if sum(source is not None for source in (self.preset, self.published, self.init)) != 1:
            raise ValueError("give exactly one of `preset`, `published` and `init`")
        return self


class LossSection(_Section):
    """Weights of the loss: `stream` is lambda; `response` weighs the decisions to speak.

    Attributes:
        sounds: Weight of naming what sounds in every chunk, which a model from scratch learns to hear by; see
            `soundflow_trainer.sounding`.
    """

    stream: Annotated[float, Field(ge=0)] = 1.0
    response: Annotated[float, Field(gt=0)] = 1.0
    sounds: Annotated[float, Field(ge=0)] = 0.0


class LoraSection(_Section):
    """Low-rank adapters that are trained in place of the language model's own weights."""

    rank: Count = 16
    alpha: Annotated[float, Field(gt=0)] = 32.0
    targets: Annotated[tuple[str, ...], Field(min_length=1)] = ("q_proj", "k_proj", "v_proj", "o_proj")


class OptimizerSection(_Section):
    """AdamW with warm-up and cosine, or Muon for the matrices inside the model and AdamW for the rest.

    Attributes:
        lr: Peak rate of AdamW.
        matrix_lr: Peak rate of Muon; its updates have a fixed size, so it is much higher.
    """

    kind: Literal["adamw", "muon"] = "adamw"
    lr: Annotated[float, Field(gt=0)]
    matrix_lr: Annotated[float, Field(gt=0)] = 0.02
    final_lr_share: Share = 0.0
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    warmup_share: Share = 0.03
    clip_norm: Annotated[float, Field(gt=0)] = 1.0


class BatchSection(_Section):
    """Sizes; a step takes `streams` streams of all ranks together, and so many forward passes as they need.

    Attributes:
        row_tokens: No stream may be longer.
        rows: A forward pass has at most so many times `row_tokens` tokens, end to end and without padding.
    """

    streams: Count
    row_tokens: Count = 2048
    rows: Count = 4


class CheckpointSection(_Section):
    """How often checkpoints and validations are made (in steps), and how many checkpoints stay besides the best.

    Attributes:
        false_per_hour: With it, validation also chooses the log-odds from which the model speaks: the best that make
            at most so many false triggers per hour of silence. Otherwise they are 0: speaking is likelier than not.
    """

    every: Count = 500
    keep: Count = 3
    validate_every: Count = 500
    validation_streams: Count = 64
    false_per_hour: Annotated[float, Field(ge=0)] | None = None


class Stage(_Section):
    """One stage of training."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9_-]+$")]
    train: Annotated[tuple[Part, ...], Field(min_length=1)]
    steps: Count
    data: DataSection
    model: ModelSection
    optimizer: OptimizerSection
    batch: BatchSection
    loss: LossSection = LossSection()
    lora: LoraSection | None = None
    checkpoint: CheckpointSection = CheckpointSection()
    precision: Literal["float32", "bf16"] = "bf16"
    gradient_checkpointing: bool = False
    sharding: Literal["none", "fsdp"] = "none"
    out: Path | None = Field(None, description="Run folder; runs/<name> when it is not given here or with --out.")
    threads: Annotated[int, Field(ge=0)] = Field(0, description="CPU threads of torch; 0 leaves its own choice.")

    @model_validator(mode="after")
    def _muon_sees_whole_matrices(self) -> Stage:
        if self.optimizer.kind == "muon" and self.sharding == "fsdp":
            raise ValueError("optimizer.kind: muon needs whole matrices; use sharding: none, or kind: adamw")
        return self

    @model_validator(mode="after")
    def _adapters_are_trained(self) -> Stage:
        if self.lora is not None and "language_model" not in self.train:
            raise ValueError("lora: its adapters are part of the language model; add language_model to `train`")
        return self


def find_stage(name: str) -> Path:
    """Returns the file of a stage: a path, or the name of a built-in one, such as `demo` or `3_streaming`.

    Raises:
        RecipeError: There is none.
    """
    if name.endswith((".yaml", ".yml")):
        return Path(name)
    here = Path(__file__).parent
    folder = next((one for one in (here.parent / "stages", here / "_resources" / "stages") if one.is_dir()), here)
    known = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    if name not in known:
        raise RecipeError(f"stage {name!r} does not exist; the built-in ones are {', '.join(known)} (or give a file)")
    return known[name]


def load_stage(path: Path, overrides: Sequence[str] = ()) -> Stage:
    """Reads and checks a stage.

    Args:
        path: The YAML file.
        overrides: Settings such as `data.root=out` or `optimizer.lr=3e-4`, which win over the file.

    Raises:
        RecipeError: It cannot be read or does not mean anything; all that is wrong is named at once.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"stage {str(path)!r} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"stage {str(path)!r} is not YAML: {error}") from error
    if not isinstance(data, dict):
        raise RecipeError(f"stage {str(path)!r} holds {type(data).__name__}, not a mapping of keys to values")
    for override in overrides:
        _override(data, override)
    try:
        return Stage.model_validate(data)
    except ValidationError as error:
        raise RecipeError(_explain(path, error)) from None


def _override(data: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise RecipeError(f"setting {override!r} is not of the form key=value, such as optimizer.lr=0.0003")
    *parents, last = key.split(".")
    node = data
    for parent in parents:
        node = node.setdefault(parent, {})
        if not isinstance(node, dict):
            raise RecipeError(f"setting {override!r}: {parent!r} is not a mapping, so it has no key {last!r}")
    try:
        node[last] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise RecipeError(f"setting {override!r}: the value {text!r} is not YAML: {error}") from error
    if key in ("model.preset", "model.published", "model.init"):
        for other in {"preset", "published", "init"} - {last}:
            node.pop(other, None)


def _explain(path: Path, error: ValidationError) -> str:
    lines = [f"stage {str(path)!r} has {error.error_count()} mistake{'s' * (error.error_count() > 1)}:"]
    for problem in error.errors():
        key = ".".join(map(str, problem["loc"])) or "stage"
        if problem["type"] == "extra_forbidden":
            lines.append(f"  {key}: unknown key; remove it or correct its name")
        elif problem["type"] == "missing":
            lines.append(f"  {key}: this key is required; set it in the file or with --set {key}=...")
        else:
            lines.append(f"  {key}: {problem['input']!r} is not allowed; {problem['msg']}")
    return "\n".join(lines)
