"""The model that hears and decides: the audio tower and language model of the Qwen2.5-Omni thinker.

    features -> audio tower (per chunk) -> projector -> one embedding per 40 ms \
    tokens   -> embedding table ------------------------------------------------> language model -> logits

Shape letters: R rows, L positions, N chunks, F frames, M mel bins, A embeddings per chunk, D width, K chosen positions,
V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from transformers import Qwen2_5OmniThinkerConfig
from transformers.models.qwen2_5_omni import modeling_qwen2_5_omni as omni

from soundflow_data.errors import SoundFlowError
from soundflow_data.timeline import SAMPLE_RATE
from soundflow_trainer import attention
from soundflow_trainer.frontend import FRAMES_PER_EMBEDDING, embeddings_per_chunk
from soundflow_trainer.packing import Batch


class AudioInteractionModel(nn.Module):
    """The thinker without its vision tower.

    Args:
        config: Configuration of the thinker; its audio tower must attend within one chunk.
        chunk: Samples per chunk.
        audio_token: Id of the token that holds the place of an audio embedding.

    Raises:
        SoundFlowError: The window of the audio tower is not one chunk.
    """

    def __init__(self, config: Qwen2_5OmniThinkerConfig, *, chunk: int, audio_token: int) -> None:
        super().__init__()
        frames = embeddings_per_chunk(chunk) * FRAMES_PER_EMBEDDING
        if config.audio_config.n_window * 2 != frames:
            raise SoundFlowError(
                f"the audio tower attends within {config.audio_config.n_window * 2} frames, but a chunk of "
                f"{chunk / SAMPLE_RATE:g} s has {frames}; set n_window to {frames // 2}"
            )
        self.config = config
        self.chunk = chunk
        self.audio_token = audio_token
        self.gradient_checkpointing = False
        self.longest = 0  # positions of the longest sequence that it was trained on; 0 when unknown
        self.threshold = 0.0  # log-odds of <response> over <silent> from which it speaks
        self.audio_tower = omni.Qwen2_5OmniAudioEncoder._from_config(config.audio_config, attn_implementation="sdpa")
        self.language_model = omni.Qwen2_5OmniThinkerTextModel._from_config(
            config.text_config, attn_implementation=attention.NAME
        )
        self.lm_head = nn.Linear(config.text_config.hidden_size, config.text_config.vocab_size, bias=False)
        nn.init.normal_(self.lm_head.weight, std=config.text_config.initializer_range)
        if self.tied:
            self.lm_head.weight = self.language_model.embed_tokens.weight

    @property
    def tied(self) -> bool:
        """Whether the language model's head is its embedding table."""
        return bool(self.config.text_config.tie_word_embeddings and self.config.tie_word_embeddings)

    @property
    def num_parameters(self) -> int:
        """Number of parameters; a tied table counts once."""
        return sum(parameter.numel() for parameter in self.parameters())

    @property
    def device(self) -> torch.device:
        """Where its weights lie."""
        return self.lm_head.weight.device

    def encode(self, features_NFM: torch.Tensor) -> torch.Tensor:
        """Encodes chunks, each on its own.

        The same as the tower's own forward on each chunk, but for all chunks at once: that one loops over chunks in
        Python unless flash attention is there.

        Args:
            features_NFM: float32 (num_chunks, frames, mel bins).

        Returns:
            (num_chunks, embeddings per chunk, width).
        """
        tower = self.audio_tower
        x = features_NFM.transpose(1, 2).to(tower.conv1.weight.dtype)
        x = functional.gelu(tower.conv2(functional.gelu(tower.conv1(x)))).transpose(1, 2)
        x = x + tower.positional_embedding.positional_embedding[: x.shape[1]].to(x.dtype)
        for layer in tower.layers:
            if self.gradient_checkpointing and self.training:
                x = checkpoint(_encode_layer, layer, x, use_reentrant=False)
            else:
                x = _encode_layer(layer, x)
        x = x.unflatten(1, (-1, 2)).mean(2)
        return tower.proj(tower.ln_post(x))

    def embed(self, tokens_RL: torch.Tensor, audio_NAD: torch.Tensor) -> torch.Tensor:
        """Looks tokens up, with the embeddings of the audio at the audio positions, in order."""
        embedded = self.language_model.embed_tokens(tokens_RL)
        places = (tokens_RL == self.audio_token).unsqueeze(-1)
        return embedded.masked_scatter(places, audio_NAD.to(embedded.dtype))

    def decode(
        self,
        embedded_RLD: torch.Tensor,
        positions_RL: torch.Tensor,
        mask: torch.Tensor | None,
        *,
        cache: Any = None,
        spans: attention.Spans | None = None,
    ) -> torch.Tensor:
        """Runs the language model.

        Args:
            embedded_RLD: (rows, positions, width).
            positions_RL: Position of each in its stream; time, height and width are the same for audio and text.
            mask: bool (rows, 1, positions, keys), true where a position may look; None with `spans`.
            cache: Where keys and values are kept, see `soundflow_trainer.live.cache`.
            spans: Where packed streams lie, each of which sees itself alone, see `soundflow_trainer.attention`.

        Returns:
            (rows, positions, width), the last hidden states.
        """
        output = self.language_model(
            inputs_embeds=embedded_RLD,
            position_ids=positions_RL.unsqueeze(0).expand(3, -1, -1),
            attention_mask={"full_attention": mask, "sliding_attention": mask},
            past_key_values=cache,
            use_cache=cache is not None,
            spans=spans,
        )
        return output.last_hidden_state

    def forward(self, batch: Batch) -> torch.Tensor:
        """Computes logits where something is trained.

        Returns:
            (K, V), in the order of `batch.labels_RL[batch.labels_RL >= 0]`.
        """
        embedded = self.embed(batch.tokens_RL, self.encode(batch.features_NFM))
        hidden = self.decode(embedded, batch.positions_RL, None, spans=attention.spans_of(batch.segments_RL))
        return self.lm_head(hidden[batch.labels_RL >= 0])

    def checkpoint_gradients(self) -> None:
        """Trades time for memory: activations are computed again in the backward pass."""
        self.gradient_checkpointing = True
        language_model = self.language_model
        # Renamed in transformers 5.
        enable = getattr(
            language_model, "activation_checkpointing_enable", language_model.gradient_checkpointing_enable
        )
        enable({"use_reentrant": False})


def _encode_layer(layer: Any, x: torch.Tensor) -> torch.Tensor:
    """Runs one layer of the audio tower on (chunks, time, width)."""
    own = layer.self_attn
    normed = layer.self_attn_layer_norm(x)
    query, key, value = (
        project(normed).unflatten(-1, (own.num_heads, -1)).transpose(1, 2)
        for project in (own.q_proj, own.k_proj, own.v_proj)
    )
    attended = functional.scaled_dot_product_attention(query, key, value)
    x = x + own.out_proj(attended.transpose(1, 2).flatten(2))
    return x + layer.fc2(layer.activation_fn(layer.fc1(layer.final_layer_norm(x))))
