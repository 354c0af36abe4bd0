"""Small models of Coqui TTS, untrained, in the folders that the library loads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import soundfile as sf
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from TTS.tts.configs.vits_config import VitsConfig
from TTS.tts.configs.xtts_config import XttsArgs, XttsConfig
from TTS.tts.layers.xtts.tokenizer import VoiceBpeTokenizer
from TTS.tts.models.vits import Vits, VitsArgs
from TTS.tts.models.xtts import Xtts

LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,!?;:'-\""
MARKS = ("[STOP]", "[UNK]", "[SPACE]", "[en]", "[zh-cn]", "[START]")

TINY = {
    "hidden_channels": 16, "hidden_channels_ffn_text_encoder": 32, "num_heads_text_encoder": 2,
    "num_layers_text_encoder": 1, "num_layers_flow": 1, "num_layers_posterior_encoder": 1,
    "upsample_initial_channel_decoder": 16, "upsample_rates_decoder": [8, 8, 4],
    "upsample_kernel_sizes_decoder": [16, 16, 8], "resblock_kernel_sizes_decoder": [3],
    "resblock_dilation_sizes_decoder": [[1, 3, 5]], "init_discriminator": False,
}  # fmt: skip


def write_vits(folder: Path, speakers: tuple[str, ...] = (), *, table: bool = False) -> Path:
    """Writes a VITS with these speakers, in its configuration or in a table that it names by a path elsewhere."""
    folder.mkdir(parents=True)
    args = VitsArgs(use_speaker_embedding=bool(speakers), **TINY)
    config = VitsConfig(model_args=args, use_phonemes=False, text_cleaner="multilingual_cleaners")
    config.audio.do_trim_silence = False  # what an untrained model hums has no end that could be found
    if table:
        ids = folder / "speakers.json"
        ids.write_text(json.dumps({speaker: i for i, speaker in enumerate(speakers)}))
        config.model_args.speakers_file = config.speakers_file = str(ids)
    elif speakers:
        config.speakers = list(speakers)
    with torch.random.fork_rng([]):
        torch.manual_seed(1)
        model = Vits(config)
    torch.save({"model": model.state_dict()}, folder / "model.pth")
    if table:
        config.model_args.speakers_file = config.speakers_file = "/where/it/was/trained/speakers.json"
    config.save_json(folder / "config.json")
    return folder


def write_xtts(folder: Path) -> Path:
    """Writes an XTTS for English and Mandarin; its decoder's size cannot be chosen, so it has 90 MB."""
    folder.mkdir(parents=True)
    _write_vocabulary(folder / "vocab.json")
    args = XttsArgs(
        gpt_layers=1, gpt_n_model_channels=64, gpt_n_heads=4, gpt_max_audio_tokens=6, gpt_max_text_tokens=402,
        gpt_num_audio_tokens=34, gpt_start_audio_token=32, gpt_stop_audio_token=33, gpt_use_perceiver_resampler=True,
        decoder_input_dim=64,
    )  # fmt: skip
    config = XttsConfig(model_args=args, languages=["en", "zh-cn"])
    with torch.random.fork_rng([]):
        torch.manual_seed(1)
        model = Xtts(config)
        model.tokenizer = VoiceBpeTokenizer(str(folder / "vocab.json"))
        model.init_models()
        model.gpt.init_gpt_for_inference(kv_cache=True)
    torch.save({"model": model.state_dict()}, folder / "model.pth")
    config.save_json(folder / "config.json")
    return folder


def _write_vocabulary(path: Path) -> None:
    vocabulary = {piece: i for i, piece in enumerate([*MARKS, *LETTERS])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], unk_token="[UNK]"))
    tokenizer.add_special_tokens(list(MARKS))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(path))


def write_recording(path: Path, seconds: float, *, pitch_hz: float = 140.0) -> Path:
    """Writes a hum with harmonics at 22,050 Hz."""
    time_s = np.arange(round(seconds * 22_050)) / 22_050
    hum = sum(np.sin(2 * np.pi * pitch_hz * n * time_s) / n for n in range(1, 12))
    sf.write(path, 0.1 * hum * (1.0 + 0.5 * np.sin(2 * np.pi * 3 * time_s)), 22_050, subtype="PCM_16")
    return path
