"""Configurations of the Qwen2.5-Omni thinker for training from scratch, from a test's size to about 100 M parameters.

| name  | parameters | audio tower     | language model  | for                                     |
|-------|-----------:|-----------------|-----------------|-----------------------------------------|
| tiny  |     0.06 M | 1 layer of 32   | 2 layers of 32  | tests                                   |
| micro |      0.8 M | 2 layers of 96  | 2 layers of 128 | a CPU, minutes (`make demo-train`)      |
| small |       10 M | 4 layers of 256 | 6 layers of 256 | a CPU, hours                            |
| base  |      100 M | 8 layers of 512 | 11 of 768       | one GPU                                 |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from transformers import Qwen2_5OmniThinkerConfig

from soundflow_data.errors import SoundFlowError
from soundflow_trainer.frontend import FRAMES_PER_EMBEDDING, NUM_MELS, embeddings_per_chunk
from soundflow_trainer.tokens import StreamTokenizer

MAX_POSITIONS: Final = 32_768
ROPE_THETA: Final = 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """Sizes of the two halves; `heads` of 32 or 64 values each.

    Attributes:
        audio: Width, layers and heads of the audio tower.
        text: Width, layers, heads and key-value heads of the language model.
        feed_forward: Width of the feed-forward layers of the audio tower and of the language model.
    """

    audio: tuple[int, int, int]
    text: tuple[int, int, int, int]
    feed_forward: tuple[int, int]


PRESETS: Final = {
    "tiny": Preset(audio=(32, 1, 2), text=(32, 2, 2, 1), feed_forward=(64, 64)),
    "micro": Preset(audio=(96, 2, 3), text=(128, 2, 4, 2), feed_forward=(384, 384)),
    "small": Preset(audio=(256, 4, 4), text=(256, 6, 4, 2), feed_forward=(1024, 1024)),
    "base": Preset(audio=(512, 8, 8), text=(768, 11, 12, 4), feed_forward=(2048, 2048)),
}


def thinker_config(name: str, tokenizer: StreamTokenizer, chunk: int) -> Qwen2_5OmniThinkerConfig:
    """Returns the configuration of a preset.

    Args:
        name: One of `PRESETS`.
        tokenizer: Sets the vocabulary and the audio token.
        chunk: Samples per chunk; the audio tower attends within one chunk.

    Raises:
        SoundFlowError: There is no such preset.
    """
    if name not in PRESETS:
        raise SoundFlowError(f"preset {name!r} does not exist; choose one of {', '.join(PRESETS)}")
    preset = PRESETS[name]
    width, layers, heads, kv_heads = preset.text
    return Qwen2_5OmniThinkerConfig(
        audio_config=_audio(preset, width, chunk),
        # Never built here; small, so that the class that builds it needs no memory for it.
        vision_config={
            "depth": 1, "hidden_size": 32, "intermediate_size": 32, "num_heads": 2, "out_hidden_size": width,
            "fullatt_block_indexes": [0],
        },
        text_config={
            "vocab_size": len(tokenizer), "hidden_size": width, "num_hidden_layers": layers,
            "num_attention_heads": heads, "num_key_value_heads": kv_heads, "intermediate_size": preset.feed_forward[1],
            "max_position_embeddings": MAX_POSITIONS, "tie_word_embeddings": True, "pad_token_id": tokenizer.pad,
            **_rope(width // heads),
        },
        audio_token_index=tokenizer.audio,
        tie_word_embeddings=True,
    )  # fmt: skip


def _audio(preset: Preset, output: int, chunk: int) -> dict[str, Any]:
    width, layers, heads = preset.audio
    return {
        "num_mel_bins": NUM_MELS,
        "d_model": width,
        "encoder_layers": layers,
        "encoder_attention_heads": heads,
        "encoder_ffn_dim": preset.feed_forward[0],
        "output_dim": output,
        "n_window": embeddings_per_chunk(chunk) * FRAMES_PER_EMBEDDING // 2,
    }


def _rope(head: int) -> dict[str, Any]:
    """Divides the pairs of a head among the three position axes 2 : 3 : 3, as the published sizes do."""
    pairs = head // 2
    side = pairs * 3 // 8
    section = [pairs - 2 * side, side, side]
    return {"rope_theta": ROPE_THETA, "rope_scaling": {"rope_type": "default", "mrope_section": section}}
