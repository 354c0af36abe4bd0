"""A small Whisper in the format of CTranslate2, which has learned a few sentences by heart.

It takes some seconds on one core: the encoder stays as it was drawn, the decoder learns to tell what comes out of it
apart, and the vocabulary has bytes and special tokens alone. It is right without beams only: what it knows is so sure
that the other beams hold nothing but early ends. It needs the packages of the speech environment.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import ctranslate2
import numpy as np
import torch
from faster_whisper.feature_extractor import FeatureExtractor
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    WhisperConfig,
    WhisperForConditionalGeneration,
)

from soundflow_data.speech.proof import Spoken
from soundflow_data.speech.whisper_recogniser import PROMPTS

_NUM_TIMES: Final = 1_501  # 0.00 s to 30.00 s
_NUM_FRAMES: Final = 3_000  # of 10 ms, which is all that Whisper hears
_END, _START, _QUIET = "<|endoftext|>", "<|startoftranscript|>", "<|nospeech|>"
_SPACE: Final = "Ġ"  # as byte-level tokenizers write it
_RATE: Final = 1e-2
_IGNORED: Final = -100


def make_whisper(folder: Path, items: Sequence[Spoken], *, multilingual: bool = True, steps: int = 150) -> None:
    """Trains a model to write the texts of some utterances, and writes it to a folder as faster-whisper loads it."""
    tokenizer = _tokenizer(multilingual=multilingual)
    model = _model(tokenizer)
    _learn(model, tokenizer, items, steps)
    source = folder.with_name(f"{folder.name}-transformers")
    model.save_pretrained(source)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=_END, pad_token=_END).save_pretrained(source)
    ctranslate2.converters.TransformersConverter(str(source), copy_files=["tokenizer.json"]).convert(str(folder))


def _tokenizer(*, multilingual: bool) -> Any:
    """Returns a tokenizer of bytes, and of spaces with the sign after them.

    faster-whisper forbids the first token of " -", which must not be a bare space. An empty token is what tells
    CTranslate2 that a model knows several languages.
    """
    merges = [(_SPACE, chr(code)) for code in range(ord("!"), ord("~") + 1)]
    names = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *map("".join, merges), *([""] if multilingual else [])]
    tokenizer = Tokenizer(models.BPE(vocab={name: token for token, name in enumerate(names)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(
        [_END, _START, "<|en|>", "<|zh|>", "<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>",
         _QUIET, "<|notimestamps|>"]
    )  # fmt: skip
    return tokenizer


def _model(tokenizer: Any) -> Any:
    torch.manual_seed(0)
    end, start = tokenizer.token_to_id(_END), tokenizer.token_to_id(_START)
    config = WhisperConfig(
        vocab_size=tokenizer.get_vocab_size() + _NUM_TIMES,
        num_mel_bins=80,
        d_model=64,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=64,
        decoder_ffn_dim=128,
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=start,
        init_std=0.1,  # with the usual 0.02, what comes out of an encoder that does not learn is nearly the same
    )
    model = WhisperForConditionalGeneration(config)
    model.generation_config = GenerationConfig(
        suppress_tokens=[],
        begin_suppress_tokens=[],
        lang_to_id={name: tokenizer.token_to_id(name) for name in ("<|en|>", "<|zh|>")},
        decoder_start_token_id=start,
        eos_token_id=end,
        pad_token_id=end,
        bos_token_id=end,
    )
    return model.eval()


def _learn(model: Any, tokenizer: Any, items: Sequence[Spoken], steps: int) -> None:
    extract = FeatureExtractor()
    sounds = np.zeros((len(items), 80, _NUM_FRAMES), np.float32)
    texts: list[list[int]] = []
    prompts: list[int] = []
    for row, item in enumerate(items):
        sound = extract(item.pcm.astype(np.float32) / 32_768)[..., :-1]
        sounds[row, :, : sound.shape[-1]] = sound
        before = PROMPTS[item.language]
        prompt = tokenizer.encode(
            ("" if before is None else f"<|startofprev|>{before}")
            + f"{_START}<|{item.language}|><|transcribe|><|notimestamps|>"
        ).ids
        said = tokenizer.encode((" " if item.language == "en" else "") + item.text + _END).ids
        prompts.append(len(prompt))
        texts.append([*prompt, *said])
    with torch.no_grad():
        heard = model.model.encoder(torch.from_numpy(sounds))
    longest = max(map(len, texts))
    given = torch.full((len(texts), longest), tokenizer.token_to_id(_END))
    wanted = torch.full((len(texts), longest), _IGNORED)
    for row, text in enumerate(texts):
        given[row, : len(text)] = torch.tensor(text)
        wanted[row, prompts[row] : len(text)] = torch.tensor(text[prompts[row] :])
    optimiser = torch.optim.AdamW(model.model.decoder.parameters(), lr=_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, _RATE, total_steps=steps, pct_start=0.1)
    for _ in range(steps):
        logits = model(encoder_outputs=heard, decoder_input_ids=given[:, :-1]).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), wanted[:, 1:].flatten(), ignore_index=_IGNORED)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
